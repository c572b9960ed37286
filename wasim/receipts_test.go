package wasim_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

func (c *client) receipt(kind types.ReceiptType) *events.Receipt {
	c.t.Helper()
	return awaitWhere(c, func(e *events.Receipt) bool { return e.Type == kind })
}

func TestPersonReadsAndPlays(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	var ids []string
	for _, text := range numbered(3) {
		ids = append(ids, c.say(jid(t, person.JID()), text).ID)
	}
	received(t, person, "text 2")
	for status, kind := range map[string]types.ReceiptType{"read": types.ReceiptTypeRead, "played": types.ReceiptTypePlayed, "delivered": types.ReceiptTypeDelivered} {
		if err := person.Receipt(t.Context(), bot.Number(), ids, status); err != nil {
			t.Fatal(err)
		}
		r := awaitWhere(c, func(e *events.Receipt) bool { return e.Type == kind && len(e.MessageIDs) == 3 })
		if !slices.Equal(r.MessageIDs, ids) || r.IsFromMe {
			t.Errorf("%s: %+v", status, r)
		}
	}
	if err := person.Receipt(t.Context(), bot.Number(), ids, "seen"); err == nil {
		t.Error("status seen was accepted")
	}
}

func TestClientsReceiptsReachTheAuthorAndOwnDevices(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	reader, ownOther := linked(t, server, bot), linked(t, server, bot)
	author := linked(t, server, person)

	id := send(t, person, bot, "read me")
	m := reader.text("read me")
	inactive := author.receipt(types.ReceiptTypeInactive)
	if inactive.MessageIDs[0] != id {
		t.Errorf("inactive %+v", inactive)
	}
	if err := reader.MarkRead(t.Context(), []string{id}, time.Now(), m.Info.Chat, m.Info.Sender); err != nil {
		t.Fatal(err)
	}
	if r := author.receipt(types.ReceiptTypeRead); r.MessageIDs[0] != id || r.Sender.User == person.Number() {
		t.Errorf("read %+v", r)
	}
	if r := ownOther.receipt(types.ReceiptTypeRead); !r.IsFromMe || r.Chat.User != m.Info.Chat.User {
		t.Errorf("own read %+v", r)
	}
}

func TestPhoneAnswersRetryReceipts(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	send(t, person, bot, "hello")
	c.text("hello")
	// The client loses its session and cannot read what comes next until it is encrypted again.
	if err := c.Store.Sessions.DeleteAllSessions(t.Context(), jid(t, person.LID()).SignalAddressUser()); err != nil {
		t.Fatal(err)
	}
	id := send(t, person, bot, "again please")
	await[*events.UndecryptableMessage](c)
	if m := c.text("again please"); m.Info.ID != id {
		t.Errorf("came as %s", m.Info.ID)
	}
}

func TestPhoneAsksForARetry(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	send(t, person, bot, "hello")
	c.text("hello")
	c.say(jid(t, person.JID()), "established")
	received(t, person, "established")
	wasim.ForgetSessions(person)
	sent := c.say(jid(t, person.JID()), "lost")
	if r := received(t, person, "lost"); r.ID != sent.ID {
		t.Errorf("came as %s", r.ID)
	}
	c.receipt(types.ReceiptTypeRetry)
}

func TestNegativeAcknowledgementIsOne(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	wasim.Deliver(bot, binary.Node{Tag: "message", Attrs: binary.Attrs{
		"from": jid(t, person.JID()), "id": "3A99", "t": "1700000000", "type": "text",
	}, Content: []binary.Node{{Tag: "nothing"}}})
	eventually(t, "the client has refused it", func() bool { return wasim.Waiting(bot) == 0 })
	if !c.IsLoggedIn() {
		t.Error("client is not logged in")
	}
}

func TestReceiptsOfSeveralPeopleForOneMessageAreKeptApart(t *testing.T) {
	server := wasim.Start(t)
	bot := server.Phone("5511999990001")
	c := linked(t, server, bot)
	c.Disconnect()
	eventually(t, "the device is offline", func() bool { return !bot.Devices()[0].Online })
	group := types.NewJID("120363000000000001", types.GroupServer)
	for _, number := range []string{"5511999990002", "5511999990003", "5511999990004"} {
		wasim.Deliver(bot, binary.Node{Tag: "receipt", Attrs: binary.Attrs{
			"from": group, "participant": jid(t, server.Phone(number).JID()), "id": "3EB0AA", "t": "1700000000",
		}})
	}
	c.connect()
	seen := map[string]bool{}
	for range 3 {
		seen[await[*events.Receipt](c).Sender.User] = true
	}
	if len(seen) != 3 {
		t.Errorf("receipts of %v", seen)
	}
	eventually(t, "all are acknowledged", func() bool { return wasim.Waiting(bot) == 0 })
}

func TestWaitEndsWithItsContext(t *testing.T) {
	server := wasim.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := server.Phone("5511999990001").Wait(ctx, func(wasim.Received) bool { return true }); err == nil {
		t.Error("something was received")
	}
}
