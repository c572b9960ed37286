package wasim

import (
	"go.mau.fi/whatsmeow/proto/waE2E"
)

// stanzaHandler handles a stanza on the reader goroutine of its connection. It must not block on anything but short
// locks: the client's next stanza waits for it.
type stanzaHandler func(c *conn, n *Node)

// router knows who handles what. It is filled once, before the server listens, by coreHandlers and featureHandlers,
// and only read from then on.
type router struct {
	// iq handlers by xmlns. They must answer with exactly one result or failure.
	iq map[string]stanzaHandler
	// unregistered are the xmlns that a client may use before it is linked.
	unregistered map[string]bool
	// stanza handlers by tag. A client that is not logged in reaches only iq.
	stanza map[string]stanzaHandler
	// receipt handlers by type, for receipts that are not simply forwarded.
	receipt map[string]stanzaHandler
	// phone handlers by tag, for stanzas delivered to a simulated phone. They run on the phone's own goroutine, in
	// order, and may encrypt and send.
	phone map[string]func(p *Phone, n *Node)
	// peer handlers by kind, for what a companion asks of its phone in the message with that id. They run like phone
	// handlers.
	peer map[waE2E.ProtocolMessage_Type]func(p *Phone, from *device, id string, m *waE2E.ProtocolMessage)
	// linking runs before a device of the account exists, when a phone has accepted its code.
	linking []func(a *account)
	// linked runs once for each new device, on the phone's goroutine, after its first offline queue went out.
	linked []func(p *Phone, d *device)
	// offlines run when a logged-in client's connection has ended, if no newer one took over.
	offlines []func(c *conn)
}

func newRouter() *router {
	r := &router{
		iq:           map[string]stanzaHandler{},
		unregistered: map[string]bool{},
		stanza:       map[string]stanzaHandler{},
		receipt:      map[string]stanzaHandler{},
		phone:        map[string]func(*Phone, *Node){},
		peer:         map[waE2E.ProtocolMessage_Type]func(*Phone, *device, string, *waE2E.ProtocolMessage){},
	}
	coreHandlers(r)
	featureHandlers(r)
	return r
}

// coreHandlers registers what this package cannot do without: pairing, login, keys, messages, receipts.
func coreHandlers(r *router) {
	r.stanza["iq"] = r.handleIQ
	r.stanza["message"] = handleMessage
	r.stanza["receipt"] = handleReceipt
	r.stanza["ack"] = handleAck
	r.stanza["ib"] = func(*conn, *Node) {} // offline_batch, unified_session: nothing to answer

	r.iq["md"] = handleMultiDevice
	r.unregistered["md"] = true
	r.iq["w:p"] = handleKeepAlive
	r.unregistered["w:p"] = true
	r.iq["passive"] = handlePassive
	r.iq["encrypt"] = handleEncrypt
	r.iq["usync"] = handleUsync

	r.phone["message"] = (*Phone).receiveMessage
	r.phone["receipt"] = (*Phone).receiveReceipt
}

// dispatch handles one stanza of a client.
func (r *router) dispatch(c *conn, n *Node) {
	handler := r.stanza[n.Tag]
	switch {
	case handler == nil:
		r.unknown(c, n)
	case c.device != nil || n.Tag == "iq":
		handler(c, n)
	}
}

// unknown acknowledges a stanza that nothing handles with an error, so that a client never waits for nothing.
func (r *router) unknown(c *conn, n *Node) {
	c.server.stats.unknown.Add(1)
	c.server.log.Debug("unknown stanza", "client", c, "stanza", n.String())
	if id := n.Attrs["id"]; id != nil && n.Tag != "ack" {
		c.send(Node{Tag: "ack", Attrs: Attrs{"class": n.Tag, "id": id, "from": n.Attrs["to"], "error": "501"}})
	}
}

func (r *router) handleIQ(c *conn, n *Node) {
	switch stringAttr(n, "type") {
	case "result", "error":
		c.replied(n)
		return
	}
	xmlns := stringAttr(n, "xmlns")
	if c.device == nil && !r.unregistered[xmlns] {
		c.send(failure(n, 401, "not-authorized"))
		return
	}
	handler := r.iq[xmlns]
	if handler == nil {
		c.unanswerable(n)
		return
	}
	handler(c, n)
}

// unanswerable refuses an iq at once. Silence would cost whatsmeow 75 seconds (whatsmeow: request.go).
func (c *conn) unanswerable(iq *Node) {
	c.server.stats.unknown.Add(1)
	c.server.log.Debug("unknown iq", "client", c, "stanza", iq.String())
	c.send(failure(iq, 501, "feature-not-implemented"))
}

func (r *router) offline(c *conn) {
	for _, f := range r.offlines {
		f(c)
	}
}
