package httpapi

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/chasqui/chasqui/internal/fault"
)

// websocketOp is GET /ws/{instance}: the one route whose token may stand in the
// query, since browsers cannot set headers there.
var websocketOp = operation{
	method: "GET", path: "/ws/{instance}", tag: "Events", summary: "Open a WebSocket with the instance's events",
	auth: authAny, queryToken: true, lookup: getInstanceFailed, status: http.StatusSwitchingProtocols,
	params: []param{
		{"token", "The token, for clients that cannot set headers"},
		{"ticket", "A ticket from POST /api/events/ticket, instead of a token"},
	},
}

// serveWebSocket refuses in the order of the contract, with a plain answer,
// and hands an acceptable request over to the sockets.
func (a *api) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	c, err := a.admit(w, r, &websocketOp)
	if err != nil {
		a.fail(w, r, err, getInstanceFailed)
		return
	}
	if err := a.mayUpgrade(w, c); err != nil {
		a.fail(w, r, err, "Failed to get websocket configuration")
		return
	}
	owner := Owner{
		AccountID: c.principal.AccountID, TokenType: c.principal.TokenType, TokenID: c.principal.TokenID,
		RemoteAddress: a.proxies.remote(r).String(), UserAgent: r.UserAgent(),
	}
	if err := a.Sockets.Serve(w, r, c.instance.ID, owner); err != nil {
		a.fail(w, r, err, fault.MsgInternal)
	}
}

// mayUpgrade makes the checks that follow the instance: origin, upgrade
// headers, configuration, replay, client limit.
func (a *api) mayUpgrade(w http.ResponseWriter, c *call) error {
	if !a.origins.accepts(c.request) {
		return fault.New(fault.Forbidden, "Origin not allowed")
	}
	if err := checkUpgrade(c.request); err != nil {
		w.Header().Set("Sec-WebSocket-Version", "13")
		return err
	}
	ws, _, err := a.Channels.WebSocket(c.request.Context(), c.instance.ID)
	if err != nil {
		return err
	}
	if !ws.Enabled {
		return fault.New(fault.Invalid, "WebSocket is not enabled for this instance. Configure it first "+
			"using POST /api/events/websocket/"+c.instance.Name)
	}
	if c.query.Has("after") {
		return fault.New(fault.Invalid, "Replay is not enabled")
	}
	if a.Sockets.Full(c.instance.ID) {
		return fault.New(fault.RateLimited, "WebSocket client limit reached")
	}
	return nil
}

// checkUpgrade checks the handshake of RFC 6455 section 4.2.1.
func checkUpgrade(r *http.Request) error {
	const expected = "Expected a WebSocket upgrade"
	switch {
	case r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1),
		!hasElement(r.Header, "Connection", "upgrade"),
		!hasElement(r.Header, "Upgrade", "websocket"):
		return fault.New(fault.Invalid, expected)
	case r.Header.Get("Sec-WebSocket-Version") == "":
		return fault.New(fault.Invalid, expected)
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return fault.New(fault.UpgradeRequired, expected)
	case !validKey(r.Header.Get("Sec-WebSocket-Key")):
		return fault.New(fault.Invalid, expected)
	}
	return nil
}

// hasElement reports whether a comma-separated header holds the element, in any
// case.
func hasElement(h http.Header, name, element string) bool {
	for _, line := range h.Values(name) {
		for _, part := range strings.Split(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), element) {
				return true
			}
		}
	}
	return false
}

// validKey reports whether the key is 16 bytes in base64, as RFC 6455 wants.
func validKey(key string) bool {
	const keyLen = 16
	raw, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(raw) == keyLen
}
