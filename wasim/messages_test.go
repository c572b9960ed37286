package wasim_test

import (
	"errors"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/wasim"
)

func TestMessageByHiddenIdentity(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	person.UseLID(true)
	send(t, person, bot, "hidden")
	m := c.text("hidden")
	if m.Info.AddressingMode != types.AddressingModeLID || m.Info.Sender.String() != person.LID() || m.Info.SenderAlt.String() != person.JID() {
		t.Errorf("%+v", m.Info)
	}
	c.say(jid(t, person.LID()), "answer")
	if r := received(t, person, "answer"); r.From != bot.Number() || r.Chat != bot.Number() {
		t.Errorf("%+v", r)
	}
	receipt := awaitWhere(c, func(e *events.Receipt) bool { return e.Type == types.ReceiptTypeDelivered })
	if receipt.Chat.String() != person.LID() {
		t.Errorf("receipt %+v", receipt)
	}
}

func TestMessageByNumberNamesTheHiddenIdentity(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	send(t, person, bot, "plain")
	m := c.text("plain")
	if m.Info.Sender.String() != person.JID() || m.Info.SenderAlt.String() != person.LID() {
		t.Errorf("%+v", m.Info)
	}
}

func TestCompanionsOfTwoNumbersTalk(t *testing.T) {
	server := wasim.Start(t)
	one, two := server.Phone("5511999990001"), server.Phone("5511999990002")
	a, b := linked(t, server, one), linked(t, server, two)
	a.say(jid(t, two.JID()), "from a")
	b.text("from a")
	b.say(jid(t, one.JID()), "from b")
	a.text("from b")
	received(t, one, "from b")
	received(t, two, "from a")
}

func TestPeerMessagesReachThePhoneOnly(t *testing.T) {
	server := wasim.Start(t)
	bot := server.Phone("5511999990001")
	c, other := linked(t, server, bot), linked(t, server, bot)
	if _, err := c.SendPeerMessage(t.Context(), c.BuildUnavailableMessageRequest(jid(t, bot.JID()), jid(t, bot.JID()), "3A00")); err != nil {
		t.Fatal(err)
	}
	c.say(jid(t, bot.JID()), "note to self")
	other.text("note to self") // and nothing before it
	if got := bot.Messages(""); len(got) != 0 {
		t.Errorf("the person sees %v", got)
	}
}

func TestEveryKindOfMessageArrives(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	first := send(t, person, bot, "first")
	c.text("first")
	must := func(m wasim.Message) *events.Message {
		t.Helper()
		id, err := person.Send(t.Context(), bot.Number(), m)
		if err != nil {
			t.Fatal(err)
		}
		return awaitWhere(c, func(e *events.Message) bool { return e.Info.ID == id })
	}
	if m := must(wasim.Message{Text: "reply", ReplyTo: first, Mentions: []string{bot.Number()}}).Message.GetExtendedTextMessage(); m.GetText() != "reply" ||
		m.GetContextInfo().GetStanzaID() != first || m.GetContextInfo().GetQuotedMessage().GetConversation() != "first" || m.GetContextInfo().GetMentionedJID()[0] != bot.JID() {
		t.Errorf("reply %v", m)
	}
	if m := must(wasim.Message{Location: &wasim.Location{Latitude: -12.04, Longitude: -77.03, Name: "Lima"}}).Message.GetLocationMessage(); m.GetDegreesLatitude() != -12.04 || m.GetName() != "Lima" {
		t.Errorf("location %v", m)
	}
	if m := must(wasim.Message{Contact: &wasim.Contact{FullName: "Ana", Phone: "+5511988887777"}}).Message.GetContactMessage(); m.GetDisplayName() != "Ana" {
		t.Errorf("contact %v", m)
	}
	if m := must(wasim.Message{Reaction: &wasim.Reaction{MessageID: first, Emoji: "👍"}}).Message.GetReactionMessage(); m.GetText() != "👍" || m.GetKey().GetID() != first {
		t.Errorf("reaction %v", m)
	}
	if e := must(wasim.Message{Edit: &wasim.Edit{MessageID: first, Text: "changed"}}); !e.IsEdit || e.Info.Edit != types.EditAttributeMessageEdit ||
		e.Message.GetProtocolMessage().GetEditedMessage().GetConversation() != "changed" {
		t.Errorf("edit %+v", e)
	}
	if e := must(wasim.Message{Revoke: &wasim.Revoke{MessageID: first}}); e.Info.Edit != types.EditAttributeSenderRevoke ||
		e.Message.GetProtocolMessage().GetType() != waE2E.ProtocolMessage_REVOKE {
		t.Errorf("revoke %+v", e)
	}
	if m := must(wasim.Message{Raw: &waE2E.Message{Conversation: proto.String("raw")}}).Message; m.GetConversation() != "raw" {
		t.Errorf("raw %v", m)
	}
}

func TestPollsAreVotedOnBothWays(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)

	poll, err := person.Send(t.Context(), bot.Number(), wasim.Message{Poll: &wasim.Poll{Title: "Lunch?", Options: []string{"soup", "bread"}, MaxAnswer: 1}})
	if err != nil {
		t.Fatal(err)
	}
	asked := await[*events.Message](c)
	vote, err := c.BuildPollVote(t.Context(), &asked.Info, []string{"bread"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.SendMessage(t.Context(), asked.Info.Chat, vote); err != nil {
		t.Fatal(err)
	}
	if r := received(t, person, "bread"); r.Type != "vote" {
		t.Errorf("vote on %s: %+v", poll, r)
	}

	own, err := c.SendMessage(t.Context(), jid(t, person.JID()), c.BuildPollCreation("Dinner?", []string{"rice", "beans"}, 2))
	if err != nil {
		t.Fatal(err)
	}
	received(t, person, "Dinner?")
	if _, err = person.Send(t.Context(), bot.Number(), wasim.Message{Vote: &wasim.Vote{MessageID: own.ID, Options: []string{"rice", "beans"}}}); err != nil {
		t.Fatal(err)
	}
	answer := awaitWhere(c, func(e *events.Message) bool { return e.Message.GetPollUpdateMessage() != nil })
	chosen, err := c.DecryptPollVote(t.Context(), answer)
	if err != nil {
		t.Fatal(err)
	}
	want := whatsmeow.HashPollOptions([]string{"rice", "beans"})
	if got := chosen.GetSelectedOptions(); len(got) != 2 || string(got[0]) != string(want[0]) || string(got[1]) != string(want[1]) {
		t.Errorf("chosen %x", got)
	}
}

func TestWhatThePhoneDoesNotKnowCannotBeReferredTo(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	other := send(t, bot, person, "by the bot")
	received(t, person, "by the bot")
	for name, m := range map[string]wasim.Message{
		"reply":    {Text: "x", ReplyTo: "nothing"},
		"reaction": {Reaction: &wasim.Reaction{MessageID: "nothing"}},
		"vote":     {Vote: &wasim.Vote{MessageID: "nothing"}},
		"mention":  {Text: "x", Mentions: []string{"5511000000000"}},
	} {
		if _, err := person.Send(t.Context(), bot.Number(), m); !errors.Is(err, wasim.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, m := range map[string]wasim.Message{
		"edit of another's":       {Edit: &wasim.Edit{MessageID: other, Text: "x"}},
		"revocation of another's": {Revoke: &wasim.Revoke{MessageID: other}},
		"vote on a text":          {Vote: &wasim.Vote{MessageID: other}},
		"nothing":                 {},
	} {
		if _, err := person.Send(t.Context(), bot.Number(), m); err == nil {
			t.Errorf("%s was sent", name)
		}
	}
	if _, err := person.Send(t.Context(), "5511000000000", wasim.Message{Text: "x"}); !errors.Is(err, wasim.ErrNotFound) {
		t.Errorf("to nobody: %v", err)
	}
}

func TestPeopleWithoutCompanionsTalk(t *testing.T) {
	server := wasim.Start(t)
	one, two := server.Phone("5511999990001"), server.Phone("5511999990002")
	first := send(t, one, two, "first")
	send(t, one, two, "second")
	received(t, two, "second")
	if after := two.Messages(first); len(after) != 1 || after[0].Text != "second" {
		t.Errorf("after the first: %v", after)
	}
}
