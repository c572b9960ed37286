package wasim_test

import (
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

// tellGroup sends a text to a group as a person.
func tellGroup(t testing.TB, from *wasim.Phone, group *wasim.Group, text string) string {
	t.Helper()
	id, err := from.Send(t.Context(), group.JID(), wasim.Message{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// keyPart reports whether an event carries a sender key, as the library reports it beside the message itself.
func keyPart(m *waE2E.Message) bool { return m.GetSenderKeyDistributionMessage() != nil }

func TestSenderKeyIsSentOnceToEachDevice(t *testing.T) {
	server := wasim.Start(t)
	bot, owner, third := server.Phone("5511999990001"), server.Phone("5511999990002"), server.Phone("5511999990003")
	c := linked(t, server, bot)
	group, err := server.CreateGroup("keys", owner, bot, third)
	if err != nil {
		t.Fatal(err)
	}
	keys := func(text string) (n int) {
		t.Helper()
		tellGroup(t, owner, group, text)
		awaitWhere(c, func(m *events.Message) bool {
			if keyPart(m.RawMessage) {
				n++
			}
			return m.Message.GetConversation() == text
		})
		return n
	}
	if n := keys("one"); n != 1 {
		t.Errorf("%d keys with the first message", n)
	}
	if n := keys("two"); n != 0 {
		t.Errorf("%d keys with the second message", n)
	}
	received(t, third, "two")
	if err = group.Participants(t.Context(), owner, "remove", third); err != nil {
		t.Fatal(err)
	}
	if n := keys("three"); n != 1 {
		t.Errorf("%d keys after somebody was removed", n)
	}
	companion := linked(t, server, bot)
	tellGroup(t, owner, group, "four")
	companion.text("four")
	for _, r := range third.Messages("") {
		if r.Text == "three" || r.Text == "four" {
			t.Errorf("a person who was removed reads %q", r.Text)
		}
	}
}

func TestGroupMessageReachesOwnDevicesOnce(t *testing.T) {
	server := wasim.Start(t)
	bot, owner := server.Phone("5511999990001"), server.Phone("5511999990002")
	first, second := linked(t, server, bot), linked(t, server, bot)
	group, err := server.CreateGroup("own", owner, bot)
	if err != nil {
		t.Fatal(err)
	}
	sent := first.say(jid(t, group.JID()), "from one device")
	if m := second.text("from one device"); !m.Info.IsFromMe || m.Info.ID != sent.ID {
		t.Errorf("own copy %+v", m.Info)
	}
	received(t, owner, "from one device")
	tellGroup(t, owner, group, "after") // had the message come back to its sender, it would come before this
	m := awaitWhere(first, func(m *events.Message) bool { return m.Info.ID == sent.ID || m.Message.GetConversation() == "after" })
	if m.Info.ID == sent.ID {
		t.Error("the sending device got its own message")
	}
}

func TestPhoneAsksForARetryInAGroup(t *testing.T) {
	server := wasim.Start(t)
	bot, owner := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	group, err := server.CreateGroup("retry", owner, bot)
	if err != nil {
		t.Fatal(err)
	}
	c.say(jid(t, group.JID()), "readable")
	received(t, owner, "readable")
	wasim.ForgetSessions(owner)
	wasim.ForgetSenderKeys(owner)
	sent := c.say(jid(t, group.JID()), "unreadable")
	if r := received(t, owner, "unreadable"); r.ID != sent.ID || r.Chat != group.JID() {
		t.Errorf("came as %+v", r)
	}
}

func TestPhoneAnswersRetryReceiptsInAGroup(t *testing.T) {
	server := wasim.Start(t)
	bot, owner := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	group, err := server.CreateGroup("retry", owner, bot)
	if err != nil {
		t.Fatal(err)
	}
	tellGroup(t, owner, group, "readable")
	c.text("readable")
	author := jid(t, owner.LID())
	if err = c.Store.SenderKeys.PutSenderKey(t.Context(), group.JID(), author.SignalAddress().String(), []byte{}); err != nil {
		t.Fatal(err)
	}
	id := tellGroup(t, owner, group, "unreadable")
	await[*events.UndecryptableMessage](c)
	if m := c.text("unreadable"); m.Info.ID != id || m.Info.Chat.String() != group.JID() {
		t.Errorf("came as %+v", m.Info)
	}
}

func TestGroupReceiptsNameReaderAndAuthor(t *testing.T) {
	server := wasim.Start(t)
	bot, owner := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	group, err := server.CreateGroup("receipts", owner, bot)
	if err != nil {
		t.Fatal(err)
	}
	sent := c.say(jid(t, group.JID()), "read this")
	received(t, owner, "read this")
	if err = owner.Receipt(t.Context(), group.JID(), []string{sent.ID}, "read"); err != nil {
		t.Fatal(err)
	}
	r := c.receipt(types.ReceiptTypeRead)
	if r.Chat.String() != group.JID() || r.Sender.User != jid(t, owner.LID()).User || r.MessageIDs[0] != sent.ID {
		t.Errorf("%+v", r)
	}
	if err = owner.Receipt(t.Context(), group.JID(), []string{"unknown"}, "read"); err == nil {
		t.Error("a receipt for an unknown message was sent")
	}
}
