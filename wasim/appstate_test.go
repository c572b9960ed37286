package wasim_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

// synced is a linked client that has fetched all five collections.
func synced(t *testing.T, server *wasim.Server, phone *wasim.Phone) *client {
	t.Helper()
	c := newClient(t, server, newStore(t).NewDevice())
	c.connect()
	code := await[*events.QR](c).Codes[0]
	if _, err := phone.ScanQR(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	for range appstate.AllPatchNames {
		if e := await[*events.AppStateSyncComplete](c); e.Version == 0 {
			t.Fatalf("collection %s has no version: no events would come", e.Name)
		}
	}
	return c
}

func TestLabelsFromThePhone(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := synced(t, server, bot)
	ctx := t.Context()

	if err := bot.EditLabel(ctx, "7", "Customers", 3, false); err != nil {
		t.Fatal(err)
	}
	if e := await[*events.LabelEdit](c); e.LabelID != "7" || e.Action.GetName() != "Customers" || e.Action.GetColor() != 3 || e.Action.GetDeleted() {
		t.Errorf("edit: %+v", e)
	}
	for _, labeled := range []bool{true, false} {
		if err := bot.LabelChat(ctx, "7", person.Number(), labeled); err != nil {
			t.Fatal(err)
		}
		if e := await[*events.LabelAssociationChat](c); e.JID.String() != person.JID() || e.Action.GetLabeled() != labeled {
			t.Errorf("chat: %+v", e)
		}
		if err := bot.LabelMessage(ctx, "7", person.Number(), "3A01", labeled); err != nil {
			t.Fatal(err)
		}
		if e := await[*events.LabelAssociationMessage](c); e.MessageID != "3A01" || e.Action.GetLabeled() != labeled {
			t.Errorf("message: %+v", e)
		}
	}
	if err := bot.EditLabel(ctx, "7", "", 0, true); err != nil {
		t.Fatal(err)
	}
	if e := await[*events.LabelEdit](c); !e.Action.GetDeleted() {
		t.Errorf("deleted: %+v", e)
	}
}

// TestLabelsFromAClient sends patches from whatsmeow: the phone and the other companion see them.
func TestLabelsFromAClient(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	first, second := synced(t, server, bot), synced(t, server, bot)
	for _, patch := range []appstate.PatchInfo{
		appstate.BuildLabelEdit("9", "Leads", 5, false),
		appstate.BuildLabelChat(jid(t, person.JID()), "9", true),
		appstate.BuildLabelMessage(jid(t, person.JID()), "9", "3A02", true),
	} {
		if err := first.SendAppState(t.Context(), patch); err != nil {
			t.Fatal(err)
		}
	}
	want := []wasim.Label{{ID: "9", Name: "Leads", Color: 5, Chats: []string{person.JID()}, Messages: []string{"3A02"}}}
	if diff := cmp.Diff(want, bot.Labels()); diff != "" {
		t.Errorf("labels on the phone: %s", diff)
	}
	if e := await[*events.LabelAssociationMessage](second); e.MessageID != "3A02" {
		t.Errorf("other companion: %+v", e)
	}
}

// TestAppStateConflict: a patch on an old version is answered 409 with what the client lacks, and whatsmeow's second
// try succeeds.
func TestAppStateConflict(t *testing.T) {
	server := wasim.Start(t)
	bot := server.Phone("5511999990001")
	c := synced(t, server, bot)
	if err := wasim.ChangeQuietly(bot, appstate.BuildLabelEdit("1", "phone", 1, false)); err != nil {
		t.Fatal(err)
	}
	if err := c.SendAppState(t.Context(), appstate.BuildLabelEdit("2", "client", 2, false)); err != nil {
		t.Errorf("client's patch: %v", err)
	}
	want := []wasim.Label{{ID: "1", Name: "phone", Color: 1}, {ID: "2", Name: "client", Color: 2}}
	if diff := cmp.Diff(want, bot.Labels()); diff != "" {
		t.Errorf("labels on the phone: %s", diff)
	}
	if e := await[*events.LabelEdit](c); e.Action.GetName() != "phone" {
		t.Errorf("the client did not learn the phone's change: %+v", e)
	}
}

// TestAppStateSnapshot: after many patches, a new companion that asks for a snapshot gets one.
func TestAppStateSnapshot(t *testing.T) {
	server := wasim.Start(t)
	bot := server.Phone("5511999990001")
	for i := range 60 {
		if err := bot.EditLabel(t.Context(), fmt.Sprint(1+i%3), fmt.Sprint("name ", i), 1, false); err != nil {
			t.Fatal(err)
		}
	}
	c := newClient(t, server, newStore(t).NewDevice())
	c.EmitAppStateEventsOnFullSync = true
	c.connect()
	if _, err := bot.ScanQR(t.Context(), await[*events.QR](c).Codes[0]); err != nil {
		t.Fatal(err)
	}
	var names []string
	for range 3 {
		names = append(names, await[*events.LabelEdit](c).Action.GetName())
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"name 57", "name 58", "name 59"}, names); diff != "" {
		t.Errorf("labels of the snapshot: %s", diff)
	}
	if err := c.SendAppState(t.Context(), appstate.BuildLabelEdit("9", "after", 1, false)); err != nil {
		t.Errorf("patch after a snapshot: %v", err)
	}
}

// TestAppStateKeyRequest: a companion that lost its key gets it again from the phone.
func TestAppStateKeyRequest(t *testing.T) {
	server := wasim.Start(t)
	bot := server.Phone("5511999990001")
	c := synced(t, server, bot)
	id, err := c.Store.AppStateKeys.GetLatestAppStateSyncKeyID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.SendPeerMessage(t.Context(), &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type:                   waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_REQUEST.Enum(),
		AppStateSyncKeyRequest: &waE2E.AppStateSyncKeyRequest{KeyIDs: []*waE2E.AppStateSyncKeyId{{KeyID: id}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	m := awaitWhere(c, func(m *events.Message) bool { return m.Message.GetProtocolMessage().GetAppStateSyncKeyShare() != nil })
	share := m.Message.GetProtocolMessage().GetAppStateSyncKeyShare()
	if len(share.Keys) != 1 || string(share.Keys[0].GetKeyID().GetKeyID()) != string(id) || len(share.Keys[0].GetKeyData().GetKeyData()) != 32 {
		t.Errorf("share: %v", share)
	}
}

// TestAppStateOfOtherKinds: mute, pin and archive of a client are on the phone, and its name is the account's.
func TestAppStateOfOtherKinds(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := synced(t, server, bot)
	chat := jid(t, person.JID())
	for _, patch := range []appstate.PatchInfo{
		appstate.BuildMute(chat, true, 0), appstate.BuildPin(chat, true), appstate.BuildSettingPushName("Bot"),
	} {
		if err := c.SendAppState(t.Context(), patch); err != nil {
			t.Fatal(err)
		}
	}
	state := map[string]bool{}
	for _, m := range bot.AppState() {
		if len(m.Index) == 2 && m.Index[1] == person.JID() {
			state[m.Index[0]] = m.Value.GetMuteAction().GetMuted() || m.Value.GetPinAction().GetPinned()
		}
	}
	if diff := cmp.Diff(map[string]bool{"mute": true, "pin_v1": true}, state); diff != "" {
		t.Errorf("state: %s", diff)
	}
	if bot.Name() != "Bot" {
		t.Errorf("name %q", bot.Name())
	}
}
