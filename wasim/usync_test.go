package wasim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"github.com/chasqui/chasqui/wasim"
)

func TestIsOnWhatsAppAnswersUnderTheHiddenIdentity(t *testing.T) {
	server := wasim.Start(t)
	person := server.Phone("5511999990002")
	c := linked(t, server, server.Phone("5511999990001"))
	answers, err := c.IsOnWhatsApp(t.Context(), []string{"+" + person.Number(), "+5511000000000"})
	if err != nil || len(answers) != 2 {
		t.Fatalf("%v, %v", answers, err)
	}
	want := []types.IsOnWhatsAppResponse{
		{Query: "+" + person.Number(), JID: jid(t, person.LID()), PhoneNumber: jid(t, person.JID()), IsIn: true},
		{Query: "+5511000000000", JID: jid(t, "5511000000000@s.whatsapp.net"), PhoneNumber: jid(t, "5511000000000@s.whatsapp.net")},
	}
	if diff := cmp.Diff(want, answers); diff != "" {
		t.Error(diff)
	}
	if lid, err := c.Store.LIDs.GetLIDForPN(t.Context(), jid(t, person.JID())); err != nil || lid.String() != person.LID() {
		t.Errorf("mapping %s, %v", lid, err)
	}
}

func TestUserInfoHasDevicesAndHiddenIdentity(t *testing.T) {
	server := wasim.Start(t)
	person := server.Phone("5511999990002")
	c := linked(t, server, server.Phone("5511999990001"))
	linked(t, server, person)
	for _, address := range []types.JID{jid(t, person.JID()), jid(t, person.LID())} {
		info, err := c.GetUserInfo(t.Context(), []types.JID{address})
		if err != nil {
			t.Fatal(err)
		}
		got := info[address]
		if got.LID.String() != person.LID() || len(got.Devices) != 2 || got.Devices[1].User != address.User {
			t.Errorf("info of %s: %+v", address, got)
		}
	}
	info, err := c.GetUserInfo(t.Context(), []types.JID{types.NewJID("5511000000000", types.DefaultUserServer)})
	if err != nil {
		t.Fatal(err)
	}
	for _, nobody := range info {
		if len(nobody.Devices) != 0 || !nobody.LID.IsEmpty() {
			t.Errorf("info of nobody: %+v", nobody)
		}
	}
}

func TestDevicesAndLIDAskedTogether(t *testing.T) {
	server := wasim.Start(t)
	person := server.Phone("5511999990002")
	c := linked(t, server, server.Phone("5511999990001"))
	linked(t, server, person)
	answer := c.mustQuery("get", "usync", binary.Node{
		Tag: "usync", Attrs: binary.Attrs{"sid": "1", "mode": "query", "last": "true", "index": "0", "context": "message"},
		Content: []binary.Node{
			{Tag: "query", Content: []binary.Node{{Tag: "devices", Attrs: binary.Attrs{"version": "2"}}, {Tag: "lid"}}},
			{Tag: "list", Content: []binary.Node{{Tag: "user", Attrs: binary.Attrs{"jid": jid(t, person.JID())}}}},
		},
	})
	user := answer.GetChildByTag("usync", "list", "user")
	if lid := user.GetChildByTag("lid"); lid.Attrs["val"] != jid(t, person.LID()) {
		t.Errorf("hidden identity in %s", &user)
	}
	list := user.GetChildByTag("devices", "device-list")
	devices := list.GetChildren()
	if len(devices) != 2 || devices[0].Attrs["id"] != "0" || devices[1].Attrs["key-index"] != "1" {
		t.Errorf("devices in %s: a companion needs its key-index", &user)
	}
	if index := user.GetChildByTag("devices", "key-index-list"); index.Attrs["ts"] == nil {
		t.Errorf("no key-index-list in %s", &user)
	}
}
