package wasim

import (
	"maps"
	"strconv"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// Node is one stanza, or an element of one, in WhatsApp's binary XML.
type Node = waBinary.Node

// Attrs are the attributes of a Node. Values are strings or types.JID on the wire.
type Attrs = waBinary.Attrs

// stringAttr is the string value of an attribute, "" when it is absent or an address.
func stringAttr(n *Node, key string) string {
	v, _ := n.Attrs[key].(string)
	return v
}

// jidAttr is the address in an attribute, empty when it is absent or plain text.
func jidAttr(n *Node, key string) types.JID {
	v, _ := n.Attrs[key].(types.JID)
	return v
}

// uintAttr is the number in an attribute, 0 when it is absent or not a number.
func uintAttr(n *Node, key string) uint64 {
	v, err := strconv.ParseUint(stringAttr(n, key), 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// bytesOf is the binary content of an element. Content made of digits or hexadecimal letters only may arrive as a
// string, since the encoding packs it (whatsmeow: binary/decoder.go).
func bytesOf(n Node) []byte {
	switch v := n.Content.(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	default:
		return nil
	}
}

// childBytes is the binary content of the element at the path of tags below n.
func childBytes(n *Node, tags ...string) []byte {
	return bytesOf(n.GetChildByTag(tags...))
}

// firstChild is the first element inside n, or an empty Node.
func firstChild(n *Node) Node {
	if c := n.GetChildren(); len(c) > 0 {
		return c[0]
	}
	return Node{}
}

// withAttrs copies attributes and adds others. Stanzas that were handed to a connection are shared: whoever changes
// one copies it first.
func withAttrs(base, more Attrs) Attrs {
	out := make(Attrs, len(base)+len(more))
	maps.Copy(out, base)
	maps.Copy(out, more)
	return out
}

// timestamp is the form of times on the wire: Unix seconds.
func timestamp(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// result answers an iq.
func result(iq *Node, children ...Node) Node {
	from := jidAttr(iq, "to")
	if from.IsEmpty() {
		from = types.ServerJID
	}
	n := Node{Tag: "iq", Attrs: Attrs{"type": "result", "id": iq.Attrs["id"], "from": from}}
	if len(children) > 0 {
		n.Content = children
	}
	return n
}

// failure answers an iq with an error. The texts known from whatsmeow (errors.go): 400 bad-request, 401
// not-authorized, 403 forbidden, 404 item-not-found, 405 not-allowed, 406 not-acceptable, 409 conflict, 410 gone,
// 429 rate-overlimit, 500 internal-server-error, 501 feature-not-implemented, 503 service-unavailable.
func failure(iq *Node, code int, text string) Node {
	return Node{
		Tag:     "iq",
		Attrs:   Attrs{"type": "error", "id": iq.Attrs["id"], "from": types.ServerJID},
		Content: []Node{{Tag: "error", Attrs: Attrs{"code": strconv.Itoa(code), "text": text}}},
	}
}

// notification starts a notification stanza, which the receiver must acknowledge.
func (s *Server) notification(kind string, from types.JID, more Attrs, children ...Node) Node {
	attrs := withAttrs(Attrs{"type": kind, "from": from, "id": s.nextID(), "t": timestamp(s.now())}, more)
	return Node{Tag: "notification", Attrs: attrs, Content: children}
}
