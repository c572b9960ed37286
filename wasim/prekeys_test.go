package wasim_test

import (
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"

	"github.com/chasqui/chasqui/wasim"
)

// query sends an iq as an application that knows the protocol would.
func (c *client) query(kind, xmlns string, content ...binary.Node) (*binary.Node, error) {
	c.t.Helper()
	query := whatsmeow.DangerousInfoQuery{Namespace: xmlns, To: types.ServerJID, Content: content}
	query.Type = "get"
	if kind == "set" {
		query.Type = "set"
	}
	return c.DangerousInternals().SendIQ(c.t.Context(), query)
}

func (c *client) mustQuery(kind, xmlns string, content ...binary.Node) *binary.Node {
	c.t.Helper()
	answer, err := c.query(kind, xmlns, content...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", kind, xmlns, err)
	}
	return answer
}

func TestFewPreKeysAreUploadedWhenOneIsSaidToBeLeft(t *testing.T) {
	server := wasim.Start(t)
	phone := server.Phone("5511999990001")
	c := linked(t, server, phone)
	if n := wasim.PreKeysLeft(phone); n != 49 { // the phone's greeting has used one
		t.Errorf("%d prekeys left, want 49", n)
	}
	if n, err := c.DangerousInternals().GetServerPreKeyCount(t.Context()); err != nil || n != 49 {
		t.Errorf("count %d, %v", n, err)
	}
}

func TestAllPreKeysAreUploadedByDefault(t *testing.T) {
	wasim.Install()
	server, err := wasim.New(wasim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	phone := server.Phone("5511999990001")
	linked(t, server, phone)
	if n := wasim.PreKeysLeft(phone); n != 811 { // the phone's greeting has used one
		t.Errorf("%d prekeys left, want 811", n)
	}
}

func TestBundlesEchoTheAddressAndUseUpKeys(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	device := *c.Store.ID
	hidden := c.Store.LID
	for _, address := range []types.JID{device, hidden} {
		bundle := wasim.TakeBundle(server, address)
		if bundle.Attrs["jid"] != address {
			t.Errorf("asked for %s, answered %v", address, bundle.Attrs["jid"])
		}
	}
	if n := wasim.PreKeysLeft(bot); n != 47 {
		t.Errorf("%d prekeys left", n)
	}
	for _, address := range []types.JID{jid(t, person.JID()), jid(t, person.LID())} {
		answer, err := c.DangerousInternals().FetchPreKeys(t.Context(), []types.JID{address})
		if err != nil || len(answer) != 1 {
			t.Fatalf("bundle of %s: %v, %v", address, answer, err)
		}
	}
	answer := c.mustQuery("get", "encrypt", binary.Node{Tag: "key", Content: []binary.Node{
		{Tag: "user", Attrs: binary.Attrs{"jid": types.NewJID("5511000000000", types.DefaultUserServer)}},
	}})
	if e := answer.GetChildByTag("list", "user", "error"); e.Attrs["code"] != "404" {
		t.Errorf("bundle of nobody: %s", answer)
	}
}

func TestClientIsAskedToRefillBelowFive(t *testing.T) {
	server := wasim.Start(t)
	bot := server.Phone("5511999990001")
	c := linked(t, server, bot)
	for wasim.PreKeysLeft(bot) >= 5 {
		wasim.TakeBundle(server, *c.Store.ID)
	}
	eventually(t, "the client has uploaded more", func() bool { return wasim.PreKeysLeft(bot) >= 50 })
	for range 60 {
		if bundle := wasim.TakeBundle(server, *c.Store.ID); len(bundle.GetChildren()) < 4 {
			t.Fatalf("no signed key in %s", &bundle)
		}
	}
}

func TestSignedKeyIsRotated(t *testing.T) {
	server := wasim.Start(t)
	c := linked(t, server, server.Phone("5511999990001"))
	fresh := keys.NewKeyPair()
	signature := c.Store.IdentityKey.Sign(fresh)
	c.mustQuery("set", "encrypt", binary.Node{Tag: "rotate", Content: []binary.Node{{Tag: "skey", Content: []binary.Node{
		{Tag: "id", Content: []byte{0, 0, 9}}, {Tag: "value", Content: fresh.Pub[:]}, {Tag: "signature", Content: signature[:]},
	}}}})
	bundle := wasim.TakeBundle(server, *c.Store.ID)
	value, _ := bundle.GetChildByTag("skey", "value").Content.([]byte)
	if string(value) != string(fresh.Pub[:]) {
		t.Errorf("signed key in %s", &bundle)
	}
}

func TestDigestListsWhatTheServerHolds(t *testing.T) {
	server := wasim.Start(t)
	c := linked(t, server, server.Phone("5511999990001"))
	answer := c.mustQuery("get", "encrypt", binary.Node{Tag: "digest"})
	list := answer.GetChildByTag("digest", "list")
	if n := len(list.GetChildren()); n != 49 {
		t.Errorf("%d ids in the digest", n)
	}
	for _, tag := range []string{"registration", "type", "identity", "skey", "hash"} {
		if _, ok := answer.GetOptionalChildByTag("digest", tag); !ok {
			t.Errorf("no %s in %s", tag, answer)
		}
	}
}
