package hub

import (
	"cmp"
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"
	"unique"

	"github.com/gobwas/ws"
	"github.com/google/uuid"

	"github.com/chasqui/chasqui/internal/fault"
)

// Owner says who opened a connection, and with what.
type Owner struct {
	AccountID     string
	TokenType     string // account or instance
	TokenID       string // what CloseToken is called with; never the token itself
	RemoteAddress string
	UserAgent     string
}

// maxUserAgent bounds what is kept of a client's own description, in bytes.
const maxUserAgent = 256

// owner is an Owner as it is kept: many clients share a token and a user agent,
// of which one copy is enough.
type owner struct {
	token   unique.Handle[token]
	agent   unique.Handle[string]
	address string
}

// token is what a connection was opened with.
type token struct{ account, kind, id string }

func keep(by Owner) owner {
	agent := strings.ToValidUTF8(by.UserAgent[:min(len(by.UserAgent), maxUserAgent)], "")
	return owner{
		token: unique.Make(token{account: by.AccountID, kind: by.TokenType, id: by.TokenID}),
		agent: unique.Make(agent), address: strings.Clone(by.RemoteAddress),
	}
}

// Serve upgrades the request and connects it to the instance's stream, which
// must have been opened. Token, rate limit, instance, origin and configuration
// are checked by the caller.
//
// An error is a fault and means that nothing was written: no such stream, not a
// WebSocket upgrade, the client limit, or a hub that has stopped. nil means that
// the connection belongs to the hub, or was lost during the upgrade, and that
// the handler may return.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, instanceID string, by Owner) error {
	if err := checkUpgrade(r); err != nil {
		return err
	}
	s := h.lookup(instanceID)
	if s == nil {
		return fault.InstanceNotFound()
	}
	c := &client{stream: s, id: newID(), by: keep(by), index: -1, busy: true}
	up, packed := h.upgrader(r)
	up.Header = w.Header() // the caller's: request id, rate limit
	if packed {
		c.form = deflated
	}
	if err := h.admit(c); err != nil {
		return err
	}
	conn, rw, _, err := up.Upgrade(r, w)
	if err != nil {
		h.log.Debug("WebSocket upgrade failed", "instance_id", instanceID, "error", err)
		if conn != nil {
			closeQuietly(conn)
		}
		h.forget(c)
		h.wg.Done()
		return nil
	}
	early, err := rw.Peek(rw.Reader.Buffered())
	if err != nil {
		early = nil // cannot be: those bytes are there
	}
	h.connect(c, conn, early)
	return nil
}

// admit puts the client into its stream before the upgrade is answered, so that
// it misses nothing that happens after the answer, and so that the limit holds
// however many come at once. It takes a count of wg, which goes to the reader.
func (h *Hub) admit(c *client) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return fault.New(fault.Unavailable, "Server is shutting down")
	}
	if h.streams[c.stream.id] != c.stream { // forgotten in the meantime
		return fault.InstanceNotFound()
	}
	if !c.stream.add(c, h.opts.MaxClients) {
		return fault.New(fault.RateLimited, "WebSocket client limit reached")
	}
	h.wg.Add(1)
	if !h.timing {
		h.timing = true
		h.wg.Go(h.keepTime)
		h.startPoller()
	}
	return nil
}

// connect starts an admitted client, whose upgrade was answered. early holds
// the bytes that came with the request.
func (h *Hub) connect(c *client, conn net.Conn, early []byte) {
	now := h.now()
	c.heardAt.Store(now)
	c.due.ping = now + int64(h.opts.Ping)
	if len(early) > 0 {
		c.hear(early)
	}
	if !h.poll(c, conn) {
		tr := newTransport(conn)
		c.tr = tr
		go func() {
			defer h.wg.Done()
			c.run(tr)
		}()
	}
	c.opened()
	h.wheel.put(c, min(h.opts.Ping, h.opts.Timeout))
	h.stats.opened.Add(1)
	h.log.Debug("WebSocket client connected", "instance_id", c.stream.id, "client_id", c.id, "token_type", c.by.token.Value().kind)
}

// checkUpgrade makes sure that the upgrade cannot be refused half way, where
// only plain text could be answered.
func checkUpgrade(r *http.Request) error {
	refused := fault.New(fault.Invalid, "Expected a WebSocket upgrade")
	if r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1) || r.ProtoMajor > 1 || r.Host == "" ||
		!hasToken(r.Header, "Connection", "upgrade") || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return refused
	}
	if key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key")); err != nil || len(key) != 16 {
		return refused
	}
	if r.Header.Get("Sec-WebSocket-Version") != "13" {
		return fault.New(fault.UpgradeRequired, "Expected a WebSocket upgrade")
	}
	return nil
}

// hasToken reports whether a comma-separated header has the token.
func hasToken(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// upgrader returns the upgrader for a request, and whether it will negotiate
// permessage-deflate.
func (h *Hub) upgrader(r *http.Request) (up ws.HTTPUpgrader, packed bool) {
	if !h.opts.Compression || !hasDeflate(r.Header) {
		return ws.HTTPUpgrader{}, false
	}
	e := deflateTerms()
	return ws.HTTPUpgrader{Negotiate: e.Negotiate}, true
}

func newID() uuid.UUID {
	id, err := uuid.NewV7()
	if err != nil {
		panic(err) // the system has no randomness
	}
	return id
}

func sorted(list []Client) []Client {
	slices.SortFunc(list, func(a, b Client) int { return cmp.Compare(a.ID, b.ID) })
	return list
}
