package wasim_test

import (
	"fmt"
	"testing"

	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

// TestHistoryAtPairing: a new companion gets the chats that the phone has, and the names; inside the message only if
// the registration asks for that, else as a file.
func TestHistoryAtPairing(t *testing.T) {
	for name, inline := range map[string]bool{"as a file": false, "inside the message": true} {
		t.Run(name, func(t *testing.T) { historyAtPairing(t, inline) })
	}
}

// askInline makes new clients ask for history inside the message or not, until the test ends.
func askInline(t *testing.T, inline bool) {
	config := store.DeviceProps.HistorySyncConfig
	before := config.InlineInitialPayloadInE2EeMsg
	config.InlineInitialPayloadInE2EeMsg = &inline
	t.Cleanup(func() { config.InlineInitialPayloadInE2EeMsg = before })
}

func historyAtPairing(t *testing.T, inline bool) {
	askInline(t, inline)
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	if _, err := server.AddPhone(person.Number(), "Ana"); err != nil {
		t.Fatal(err)
	}
	if _, err := person.Send(t.Context(), bot.Number(), wasim.Message{Text: "before you came"}); err != nil {
		t.Fatal(err)
	}
	received(t, bot, "before you came")
	c := newClient(t, server, newStore(t).NewDevice())
	c.connect()
	if _, err := bot.ScanQR(t.Context(), await[*events.QR](c).Codes[0]); err != nil {
		t.Fatal(err)
	}
	h := await[*events.HistorySync](c)
	if h.Data.GetSyncType() != waHistorySync.HistorySync_INITIAL_BOOTSTRAP || len(h.Data.Conversations) != 1 {
		t.Fatalf("history: %v", h.Data)
	}
	if inside := h.Notification.GetInitialHistBootstrapInlinePayload() != nil; inside != inline || (h.Notification.GetDirectPath() == "") != inline {
		t.Errorf("inside the message: %v", inside)
	}
	m, err := c.ParseWebMessage(jid(t, h.Data.Conversations[0].GetID()), h.Data.Conversations[0].Messages[0].Message)
	if err != nil || m.Message.GetConversation() != "before you came" || m.Info.Timestamp.Unix() == 0 {
		t.Errorf("message: %+v, %v", m, err)
	}
	names := await[*events.HistorySync](c)
	if names.Data.GetSyncType() != waHistorySync.HistorySync_PUSH_NAME || names.Data.Pushnames[0].GetPushname() != "Ana" {
		t.Errorf("names: %v", names.Data)
	}
}

// TestHistoryOnDemand: what is older than a message, by a peer data operation.
func TestHistoryOnDemand(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	var last *events.Message
	for i := range 5 {
		text := fmt.Sprint("text ", i)
		if _, err := person.Send(t.Context(), bot.Number(), wasim.Message{Text: text}); err != nil {
			t.Fatal(err)
		}
		last = c.text(text)
	}
	received(t, bot, "text 4")
	request := c.BuildHistorySyncRequest(&last.Info, 2)
	sent, err := c.SendPeerMessage(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	h := awaitWhere(c, func(h *events.HistorySync) bool { return h.Data.GetSyncType() == waHistorySync.HistorySync_ON_DEMAND })
	if h.Notification.GetPeerDataRequestSessionID() != sent.ID {
		t.Errorf("answer to %q, want %q", h.Notification.GetPeerDataRequestSessionID(), sent.ID)
	}
	var texts []string
	for _, m := range h.Data.Conversations[0].Messages {
		texts = append(texts, m.GetMessage().GetMessage().GetConversation())
	}
	if fmt.Sprint(texts) != "[text 3 text 2]" {
		t.Errorf("messages: %v", texts)
	}
}

// TestHistoryPlaceholderResend: one message again that the client could not read.
func TestHistoryPlaceholderResend(t *testing.T) {
	_, bot, person, c := callParty(t)
	id, err := person.Send(t.Context(), bot.Number(), wasim.Message{Text: "again please"})
	if err != nil {
		t.Fatal(err)
	}
	c.text("again please")
	received(t, bot, "again please")
	if _, err = c.SendPeerMessage(t.Context(), c.BuildUnavailableMessageRequest(jid(t, person.JID()), types.EmptyJID, id)); err != nil {
		t.Fatal(err)
	}
	m := awaitWhere(c, func(m *events.Message) bool { return m.Info.ID == id })
	if m.Message.GetConversation() != "again please" || m.UnavailableRequestID == "" {
		t.Errorf("message: %+v", m)
	}
}
