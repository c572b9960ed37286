package wasim

import (
	"context"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/types"
)

// fuzzClient is the server's end of a client that is logged in, without a connection behind it. It belongs to a group.
func fuzzClient(f *testing.F) (*conn, *Group) {
	s, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	phone, other := s.Phone("5511999990001"), s.Phone("5511999990002")
	g, err := s.CreateGroup("Fuzz", phone, other)
	if err != nil {
		f.Fatal(err)
	}
	a := phone.account
	startAppState(a)
	d := &device{account: a, id: 1, props: &waCompanionReg.DeviceProps{}, outbox: newOutbox(a), shelf: newPreKeyShelf(&waWa6.ClientPayload_DevicePairingRegistrationData{})}
	a.add(d)
	ctx, cancel := context.WithCancel(s.ctx)
	c := &conn{server: s, ctx: ctx, cancel: cancel, queue: newSendQueue(), device: d, replies: map[string]func(*Node){}}
	d.outbox.attach(c)
	c.activate()
	return c, g
}

// fuzzSeeds are stanzas of each kind, well formed and with something missing.
func fuzzSeeds(g *Group) []Node {
	iq := func(kind, xmlns string, to types.JID, content ...Node) Node {
		return Node{Tag: "iq", Attrs: Attrs{"id": "1", "type": kind, "xmlns": xmlns, "to": to}, Content: content}
	}
	member := Node{Tag: "participant", Attrs: Attrs{"jid": types.NewJID("5511999990002", types.DefaultUserServer)}}
	out := []Node{
		{Tag: "call", Attrs: Attrs{"id": "1", "to": member.Attrs["jid"]}, Content: []Node{{Tag: "reject", Attrs: Attrs{"call-id": "x"}}}},
		{Tag: "call", Attrs: Attrs{"id": "1", "to": member.Attrs["jid"]}},
		{Tag: "chatstate", Attrs: Attrs{"to": member.Attrs["jid"]}, Content: []Node{{Tag: "composing"}}},
		{Tag: "chatstate", Attrs: Attrs{"to": g.jid}},
		{Tag: "presence", Attrs: Attrs{"type": "subscribe", "to": member.Attrs["jid"]}},
		{Tag: "presence", Attrs: Attrs{"name": "n"}},
		{Tag: "receipt", Attrs: Attrs{"id": "1", "type": "server-error", "to": member.Attrs["jid"]}},
		{Tag: "message", Attrs: Attrs{"id": "1", "to": g.jid}, Content: []Node{{Tag: "enc", Attrs: Attrs{"type": "skmsg"}, Content: []byte{1}}}},
		{Tag: "ack", Attrs: Attrs{"id": "1", "class": "message"}},
		iq("get", "w:m", types.ServerJID, Node{Tag: "media_conn"}),
		iq("set", "w:sync:app:state", types.ServerJID, Node{Tag: "sync", Content: []Node{{Tag: "collection", Attrs: Attrs{"name": "regular", "version": "1"}, Content: []Node{{Tag: "patch", Content: []byte{8, 1}}}}}}),
		iq("get", "w:sync:app:state", types.ServerJID, Node{Tag: "sync", Content: []Node{{Tag: "collection", Attrs: Attrs{"name": "regular", "version": "99"}}}}),
		iq("set", "w:g2", types.GroupServerJID, Node{Tag: "create", Attrs: Attrs{"subject": "s"}, Content: []Node{member}}),
		iq("set", "w:g2", types.GroupServerJID, Node{Tag: "invite", Attrs: Attrs{"code": g.InviteCode()}}),
		iq("set", "w:g2", types.GroupServerJID, Node{Tag: "leave", Content: []Node{{Tag: "group"}}}),
		iq("set", "w:mex", types.ServerJID, Node{Tag: "query", Attrs: Attrs{"query_id": textStatusMutation}, Content: []byte("{}")}),
	}
	for tag := range groupHandlers {
		out = append(out, iq("set", "w:g2", g.jid, Node{Tag: tag, Content: []Node{member}}), iq("get", "w:g2", g.jid, Node{Tag: tag}))
	}
	for _, xmlns := range []string{"privacy", "blocklist", "status", "w:profile:picture", "w:biz", "abt", "usync", "encrypt"} {
		out = append(out, iq("get", xmlns, types.ServerJID), iq("set", xmlns, types.ServerJID, Node{Tag: "item", Content: []Node{member}}))
	}
	return out
}

// FuzzStanzas hands whatever decodes to the handlers. Nothing may panic, and everything that is sent in answer must be
// a stanza that a client can read.
func FuzzStanzas(f *testing.F) {
	c, g := fuzzClient(f)
	for _, n := range fuzzSeeds(g) {
		data, err := waBinary.Marshal(n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := decodeNode(data)
		if err != nil {
			return
		}
		c.server.router.dispatch(c, n)
		for _, item := range c.queue.take() {
			sent, err := waBinary.Marshal(item.node)
			if err != nil {
				t.Fatalf("answer %s: %v", item.node.Tag, err)
			}
			if _, err = decodeNode(sent); err != nil {
				t.Errorf("answer to %s cannot be read: %v", n, err)
			}
		}
	})
}
