package wasim

import (
	"go.mau.fi/whatsmeow/types"
)

// handleReceipt acknowledges a client's receipt, forgets the message it answers and passes it on.
func handleReceipt(c *conn, n *Node) {
	ack := Attrs{"class": "receipt", "id": n.Attrs["id"], "from": n.Attrs["to"]}
	for _, key := range []string{"type", "participant", "recipient"} {
		if v, ok := n.Attrs[key]; ok {
			ack[key] = v
		}
	}
	c.send(Node{Tag: "ack", Attrs: ack})
	kind := stringAttr(n, "type")
	if acknowledges(kind) {
		c.device.outbox.acknowledged("message", n)
	}
	if handler := c.server.router.receipt[kind]; handler != nil {
		handler(c, n)
		return
	}
	c.server.routeReceipt(c.origin(), n)
}

// acknowledges reports whether a receipt of this type also acknowledges the message, as all those do that a client
// sends by itself when it has received one (whatsmeow: receipt.go/sendMessageReceipt).
func acknowledges(kind string) bool {
	switch kind {
	case "", "inactive", "sender", "peer_msg", "hist_sync", "retry":
		return true
	default:
		return false
	}
}

// routeReceipt passes a receipt on: a retry receipt to the one device that sent the message, delivered, inactive,
// read and played to all devices of the author, and read and played to the reader's own other devices as well.
func (s *Server) routeReceipt(from origin, n *Node) {
	s.stats.receipts.Add(1)
	kind := stringAttr(n, "type")
	switch kind {
	case "sender", "peer_msg", "hist_sync":
		return
	}
	to := jidAttr(n, "to")
	attrs, target := s.receiptAddress(from, n, to)
	author := s.accounts.find(target)
	forwarded := Node{Tag: "receipt", Attrs: attrs, Content: n.Content}
	switch {
	case kind == "retry" && author != nil:
		author.deliver(target.Device, forwarded)
	case kind == "read-self" || kind == "played-self":
	case author != nil && author != from.account:
		author.deliverAll(forwarded, noDevice)
	}
	switch kind {
	case "read", "played", "read-self", "played-self":
		from.account.deliverAll(ownReceipt(attrs, n, to), from.dev)
	}
}

// receiptAddress makes the attributes of a forwarded receipt and finds the device whose message it is about.
func (s *Server) receiptAddress(from origin, n *Node, to types.JID) (Attrs, types.JID) {
	attrs := Attrs{"id": n.Attrs["id"], "t": timestamp(s.now())}
	if kind := stringAttr(n, "type"); kind != "" {
		attrs["type"] = kind
	}
	switch to.Server {
	case types.GroupServer, types.BroadcastServer:
		attrs["from"], attrs["participant"] = to, from.jid()
		if route, code := s.routeOfGroup(to, from.account); code == 0 && route.lid {
			attrs["participant"] = from.lid()
		}
		return attrs, jidAttr(n, "participant")
	case types.HiddenUserServer:
		attrs["from"] = from.lid()
	default:
		attrs["from"] = from.jid()
	}
	if recipient, ok := n.Attrs["recipient"]; ok { // an own device's retry receipt names the chat
		attrs["recipient"] = recipient
	}
	return attrs, to
}

// ownReceipt is how the reader's other devices learn of a receipt: from the reader, with the chat or, in a group, the
// author as recipient (whatsmeow: message.go/parseMessageSource, types/events/events.go/Receipt.MessageSender).
func ownReceipt(attrs Attrs, n *Node, to types.JID) Node {
	own := withAttrs(attrs, nil)
	if to.Server == types.GroupServer || to.Server == types.BroadcastServer {
		own["recipient"] = n.Attrs["participant"]
	} else {
		own["recipient"] = to.ToNonAD()
	}
	return Node{Tag: "receipt", Attrs: own, Content: n.Content}
}
