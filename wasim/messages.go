package wasim

import (
	"strconv"

	"go.mau.fi/whatsmeow/types"
)

// origin is the device that sends a stanza; device 0 is the phone.
type origin struct {
	account *account
	dev     uint16
}

func (c *conn) origin() origin { return origin{account: c.device.account, dev: c.device.id} }

func (o origin) jid() types.JID { return o.account.jid(o.dev) }
func (o origin) lid() types.JID { return o.account.lidJID(o.dev) }

// handleMessage acknowledges a client's message and passes it on, in this order: no receipt for it can come before the
// acknowledgement. That has an error when the message is refused (whatsmeow: send.go/SendMessage).
func handleMessage(c *conn, n *Node) {
	s := c.server
	m, code := s.admit(c.origin(), n)
	ack := Attrs{"class": "message", "id": n.Attrs["id"], "from": n.Attrs["to"], "t": timestamp(s.now())}
	if code != 0 {
		ack["error"] = strconv.Itoa(code)
	}
	c.send(Node{Tag: "ack", Attrs: ack})
	if code == 0 {
		s.distribute(m)
	}
}

// outgoing is a message stanza taken apart.
type outgoing struct {
	from         origin
	stanza       *Node
	to           types.JID
	participants []Node // <to jid>, one for each device the sender encrypted for
	direct       *Node  // the only <enc>: a peer message or the answer to a retry receipt
	group        *Node  // <enc type=skmsg>
	rest         []Node // what every receiver gets: device-identity, meta, biz, bot, ...
	base         Attrs
	route        groupRoute
}

// routeMessage passes a phone's message on to every device it is for. It returns 0 or the error it was refused with.
func (s *Server) routeMessage(from origin, n *Node) int {
	m, code := s.admit(from, n)
	if code == 0 {
		s.distribute(m)
	}
	return code
}

// admit takes a message apart that the network is to pass on. code is 0, or why it is refused.
func (s *Server) admit(from origin, n *Node) (m *outgoing, code int) {
	now := s.now()
	s.stats.messages.Add(1)
	s.arrivals.record(stringAttr(n, "id"), now)
	m = &outgoing{from: from, stanza: n, to: jidAttr(n, "to")}
	if m.to.Server == types.GroupServer {
		if m.route, code = s.routeOfGroup(m.to, from.account); code != 0 {
			return nil, code
		}
	}
	m.takeApart()
	m.base = Attrs{"id": n.Attrs["id"], "t": timestamp(now), "type": n.Attrs["type"], "notify": from.account.pushName()}
	for _, key := range []string{"edit", "category", "push_priority"} {
		if v := stringAttr(n, key); v != "" {
			m.base[key] = v
		}
	}
	return m, 0
}

// takeApart sorts the children. Privacy tokens are for the server.
func (m *outgoing) takeApart() {
	for _, child := range m.stanza.GetChildren() {
		switch {
		case child.Tag == "participants":
			m.participants = child.GetChildren()
		case child.Tag == "enc" && stringAttr(&child, "type") == "skmsg":
			m.group = &child
		case child.Tag == "enc":
			m.direct = &child
		case child.Tag != "tctoken" && child.Tag != "cstoken":
			m.rest = append(m.rest, child)
		}
	}
}

func (s *Server) distribute(m *outgoing) {
	if m.direct != nil && m.participants == nil {
		target := m.to
		if p := jidAttr(m.stanza, "participant"); !p.IsEmpty() {
			target = p
		}
		s.deliverMessage(m, target, *m.direct)
		return
	}
	reached := map[origin]bool{}
	for _, p := range m.participants {
		encs := p.GetChildren()
		if m.group != nil {
			encs = append(encs[:len(encs):len(encs)], *m.group)
		}
		reached[s.deliverMessage(m, jidAttr(&p, "jid"), encs...)] = true
	}
	if m.group == nil {
		return
	}
	for _, member := range m.route.members {
		for _, dev := range member.deviceNumbers() {
			if !reached[origin{member, dev}] {
				s.deliverMessage(m, member.jid(dev), *m.group)
			}
		}
	}
}

// deliverMessage hands the message to one device and returns which it was. The sending device never gets its own
// message back, though whatsmeow encrypts group messages for it too.
func (s *Server) deliverMessage(m *outgoing, target types.JID, encs ...Node) origin {
	to := s.accounts.find(target)
	if to == nil || (to == m.from.account && target.Device == m.from.dev) {
		return origin{account: to, dev: target.Device}
	}
	if m.to.Server != types.GroupServer && to.blocks(m.from.account) {
		return origin{account: to, dev: target.Device}
	}
	attrs := withAttrs(m.base, m.address(s, to))
	to.deliver(target.Device, Node{Tag: "message", Attrs: attrs, Content: append(encs[:len(encs):len(encs)], m.rest...)})
	return origin{account: to, dev: target.Device}
}

// address makes the attributes that say where a message comes from, as one receiver sees it (whatsmeow:
// message.go/parseMessageSource).
func (m *outgoing) address(s *Server, receiver *account) Attrs {
	switch m.to.Server {
	case types.GroupServer:
		if m.route.lid {
			return Attrs{"from": m.to, "participant": m.from.lid(), "participant_pn": m.from.account.pn, "addressing_mode": "lid"}
		}
		return Attrs{"from": m.to, "participant": m.from.jid(), "participant_lid": m.from.account.lid, "addressing_mode": "pn"}
	case types.BroadcastServer:
		return Attrs{"from": m.to, "participant": m.from.jid(), "participant_lid": m.from.account.lid}
	}
	hidden := m.to.Server == types.HiddenUserServer
	attrs := Attrs{"from": m.from.jid(), "sender_lid": m.from.account.lid}
	if hidden {
		attrs = Attrs{"from": m.from.lid(), "sender_pn": m.from.account.pn, "addressing_mode": "lid"}
	}
	if receiver == m.from.account && stringAttr(m.stanza, "category") != "peer" {
		m.addRecipient(s, attrs, hidden)
	}
	return attrs
}

// addRecipient says on a copy for an own device which chat the message went to.
func (m *outgoing) addRecipient(s *Server, attrs Attrs, hidden bool) {
	chat := jidAttr(m.stanza, "recipient") // named in the answer to an own device's retry receipt
	if chat.IsEmpty() {
		chat = m.to.ToNonAD()
	}
	attrs["recipient"] = chat
	other := s.accounts.find(chat)
	if other == nil {
		return
	}
	if hidden {
		attrs["peer_recipient_pn"] = other.pn
	} else {
		attrs["peer_recipient_lid"] = other.lid
	}
}
