package e2e_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/wasim"
)

// This file proves section 7.1, message.exchange, with people who write through
// the simulated network.

// want fails if the frame does not hold the fields.
func want(t *testing.T, f apptest.Frame, fields is) {
	t.Helper()
	for path, value := range fields {
		if got := f.Get(path); got != value {
			t.Errorf("%s is %q, want %q: %s", path, got, value, f.Raw)
		}
	}
}

// received sends a message from Ana and returns its event.
func received(t *testing.T, g *apptest.Gateway, s *apptest.Socket, m wasim.Message) apptest.Frame {
	t.Helper()
	id := send(t, g, ana, m)
	f := s.Expect("message.exchange", is{"message.id": id})
	want(t, f, is{"id": id, "message.direction": "incoming", "message.source": "", "message.chat.type": "private", "message.sender.jid": ana + "@s.whatsapp.net"})
	return f
}

// TestMessageMediaTypes: type, media.type and every other media field.
func TestMessageMediaTypes(t *testing.T) {
	g, s := linked(t)
	set(g, object{"enabled": true, "mediaBase64": true})
	for kind, row := range map[string]struct{ as, mimetype, name string }{
		"image": {"image", "image/jpeg", ""}, "video": {"video", "video/mp4", ""}, "audio": {"audio", "audio/mp4", ""},
		"document": {"document", "application/pdf", "a.pdf"}, "sticker": {"sticker", "image/webp", ""},
		"ptt": {"audio", "audio/ogg; codecs=opus", ""}, "ptv": {"video", "video/mp4", ""},
	} {
		file := []byte("a file of type " + kind)
		caption := map[string]string{"image": "look", "video": "look", "document": "look"}[kind]
		m := wasim.Message{Media: &wasim.Media{Type: kind, Mimetype: row.mimetype, FileName: row.name, Caption: caption, Data: file}}
		f := received(t, g, s, m)
		sum := sha256.Sum256(file)
		want(t, f, is{
			"message.type": row.as, "message.media.type": kind, "message.media.mimetype": row.mimetype,
			"message.media.fileName": row.name, "message.media.caption": caption, "message.content.text": caption,
			"message.media.size": fmt.Sprint(len(file)), "message.media.sha256": base64.StdEncoding.EncodeToString(sum[:]),
			"message.media.base64": base64.StdEncoding.EncodeToString(file), "message.media.error": "", "message.media.s3Url": "",
		})
		if !strings.HasPrefix(f.Get("message.media.url"), "https://mmg.whatsapp.net/") {
			t.Errorf("%s: url %q", kind, f.Get("message.media.url"))
		}
	}
}

// TestMessageLocationContactAndPoll: the blocks of their own.
func TestMessageLocationContactAndPoll(t *testing.T) {
	g, s := linked(t)
	f := received(t, g, s, wasim.Message{Location: &wasim.Location{Latitude: -12.04, Longitude: -77.03, Name: "Plaza Mayor", Address: "Lima"}})
	want(t, f, is{
		"message.type": "location", "message.location.latitude": "-12.04", "message.location.longitude": "-77.03",
		"message.location.name": "Plaza Mayor", "message.location.address": "Lima",
	})
	f = received(t, g, s, wasim.Message{Contact: &wasim.Contact{FullName: "Rui Costa", Phone: "5511988887777"}})
	card := f.Data["message"].(object)["contact"].([]any)[0].(object)
	if f.Get("message.type") != "contact" || card["display_name"] != "Rui Costa" || card["phone_number"] == "" || !strings.HasPrefix(card["vcard"].(string), "BEGIN:VCARD") {
		t.Errorf("contact: %s", f.Raw)
	}
	f = received(t, g, s, wasim.Message{Poll: &wasim.Poll{Title: "Where?", Options: []string{"Lima", "Cusco"}, MaxAnswer: 1}})
	want(t, f, is{"message.type": "poll", "message.poll.title": "Where?", "message.poll.maxAnswer": "1", "message.poll.options": "[map[name:Lima] map[name:Cusco]]"})
}

// TestMessagePollVote: the names of the options; none takes the vote back.
func TestMessagePollVote(t *testing.T) {
	g, s := linked(t)
	poll := received(t, g, s, wasim.Message{Poll: &wasim.Poll{Title: "Where?", Options: []string{"Lima", "Cusco"}, MaxAnswer: 2}})
	id := poll.Get("message.id")
	f := received(t, g, s, wasim.Message{Vote: &wasim.Vote{MessageID: id, Options: []string{"Cusco"}}})
	want(t, f, is{"message.type": "poll_vote", "message.poll_vote.message_id": id, "message.poll_vote.options": "[Cusco]"})
	f = received(t, g, s, wasim.Message{Vote: &wasim.Vote{MessageID: id}})
	want(t, f, is{"message.type": "poll_vote", "message.poll_vote.message_id": id, "message.poll_vote.options": "[]"})
}

// TestMessageReaction: to ours and to their own; an empty emoji removes it.
func TestMessageReaction(t *testing.T) {
	g, s := linked(t)
	theirs := received(t, g, s, wasim.Message{Text: "mine"}).Get("message.id")
	ours := wrote(t, g, s, ana, "yours")
	if _, err := g.Network.Phone(ana).Wait(background(t), func(r wasim.Received) bool { return r.ID == ours }); err != nil {
		t.Fatal(err)
	}
	for id, fromMe := range map[string]string{theirs: "false", ours: "true"} {
		for _, emoji := range []string{"👍", ""} {
			f := received(t, g, s, wasim.Message{Reaction: &wasim.Reaction{MessageID: id, Emoji: emoji}})
			want(t, f, is{"message.type": "reaction", "message.reaction.message_id": id, "message.reaction.emoji": emoji, "message.reaction.fromMe": fromMe})
			if !strings.Contains(string(f.Raw), `"reaction":{"emoji":"`) {
				t.Errorf("no emoji field: %s", f.Raw)
			}
		}
	}
}

// TestMessageEditAndRevoke name the message that they change.
func TestMessageEditAndRevoke(t *testing.T) {
	g, s := linked(t)
	id := received(t, g, s, wasim.Message{Text: "tpyo"}).Get("message.id")
	f := received(t, g, s, wasim.Message{Edit: &wasim.Edit{MessageID: id, Text: "typo"}})
	want(t, f, is{"message.type": "message_edit", "message.edit.original_id": id, "message.edit.text": "typo"})
	f = received(t, g, s, wasim.Message{Revoke: &wasim.Revoke{MessageID: id}})
	want(t, f, is{"message.type": "message_revoke", "message.revoke.original_id": id})
}

// TestMessageReplyAndMentions: who and what is quoted, who is named.
func TestMessageReplyAndMentions(t *testing.T) {
	g, s := linked(t)
	g.Network.Phone(bruno)
	id := received(t, g, s, wasim.Message{Text: "the first"}).Get("message.id")
	f := received(t, g, s, wasim.Message{Text: "@" + bruno + " see above", ReplyTo: id, Mentions: []string{bruno}})
	want(t, f, is{
		"message.type": "text", "message.content.text": "@" + bruno + " see above",
		"message.reply.message_id": id, "message.reply.text": "the first", "message.reply.participant": ana + "@s.whatsapp.net",
		"message.mentions.mentionedUsers": "[" + bruno + "@s.whatsapp.net]",
	})
}

// TestMessageForwardedEphemeralAndViewOnce: the three marks.
func TestMessageForwardedEphemeralAndViewOnce(t *testing.T) {
	g, s := linked(t)
	f := received(t, g, s, wasim.Message{Raw: &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{
		Text:        proto.String("passed on"),
		ContextInfo: &waE2E.ContextInfo{IsForwarded: proto.Bool(true), ForwardingScore: proto.Uint32(1), Expiration: proto.Uint32(86400)},
	}}})
	want(t, f, is{"message.type": "text", "message.forwarded": "true", "message.ephemeral.seconds": "86400", "message.viewOnce": ""})
	once := aPicture
	once.ViewOnce = true
	f = received(t, g, s, once)
	want(t, f, is{"message.type": "image", "message.viewOnce": "true", "message.forwarded": ""})
}

// TestMessageButtonsListsAndTheirAnswers, interactive ones and events, as other
// programs send them.
func TestMessageButtonsListsAndTheirAnswers(t *testing.T) {
	g, s := linked(t)
	for kind, m := range map[string]*waE2E.Message{
		"buttons":          {ButtonsMessage: &waE2E.ButtonsMessage{ContentText: proto.String("choose")}},
		"list":             {ListMessage: &waE2E.ListMessage{Title: proto.String("choose")}},
		"interactive":      {InteractiveMessage: &waE2E.InteractiveMessage{Body: &waE2E.InteractiveMessage_Body{Text: proto.String("choose")}}},
		"event":            {EventMessage: &waE2E.EventMessage{Name: proto.String("Party")}},
		"buttons_response": {ButtonsResponseMessage: &waE2E.ButtonsResponseMessage{SelectedButtonID: proto.String("yes"), Response: &waE2E.ButtonsResponseMessage_SelectedDisplayText{SelectedDisplayText: "Yes"}}},
		"list_response":    {ListResponseMessage: &waE2E.ListResponseMessage{Title: proto.String("Two"), SingleSelectReply: &waE2E.ListResponseMessage_SingleSelectReply{SelectedRowID: proto.String("2")}}},
		"interactive_response": {InteractiveResponseMessage: &waE2E.InteractiveResponseMessage{
			Body: &waE2E.InteractiveResponseMessage_Body{Text: proto.String("Done")},
		}},
	} {
		f := received(t, g, s, wasim.Message{Raw: m})
		want(t, f, is{"message.type": kind})
		switch kind {
		case "event":
			want(t, f, is{"message.event.name": "Party"})
		case "buttons_response":
			want(t, f, is{"message.button_response.selected_button_id": "yes", "message.button_response.title": "Yes"})
		case "list_response":
			want(t, f, is{"message.list_response.selected_row_id": "2", "message.list_response.title": "Two"})
		}
	}
}

// TestMessageUnsupportedIsNeverDropped: it carries rawType.
func TestMessageUnsupportedIsNeverDropped(t *testing.T) {
	g, s := linked(t)
	f := received(t, g, s, wasim.Message{Raw: &waE2E.Message{SendPaymentMessage: &waE2E.SendPaymentMessage{}}})
	want(t, f, is{"message.type": "unsupported"})
	if !strings.Contains(strings.ToLower(f.Get("message.rawType")), "payment") {
		t.Errorf("rawType %q", f.Get("message.rawType"))
	}
}

// TestMessageDirections: those received, those sent through the API, and those
// typed on the phone.
func TestMessageDirections(t *testing.T) {
	g, s := linked(t)
	received(t, g, s, wasim.Message{Text: "in"})
	g.Must("POST", "/api/message/text/sales", object{"number": ana, "message": "out", "source": "crm"})
	f := s.Expect("message.exchange", is{"message.content.text": "out"})
	want(t, f, is{"message.direction": "outgoing", "message.source": "crm", "message.sender.jid": olga + "@s.whatsapp.net", "message.chat.jid": ana + "@s.whatsapp.net"})
	id, err := g.Network.Phone(olga).Send(background(t), ana, wasim.Message{Text: "typed"})
	if err != nil {
		t.Fatal(err)
	}
	f = s.Expect("message.exchange", is{"message.id": id})
	want(t, f, is{"message.direction": "outgoing", "message.source": "", "message.chat.jid": ana + "@s.whatsapp.net", "message.chat.lid": g.Network.Phone(ana).LID()})
	g.Must("POST", "/api/message/text/sales", object{"number": ana, "message": "out again"})
	want(t, s.Expect("message.exchange", is{"message.content.text": "out again"}), is{"message.source": "api"})
}

// TestMessageAddressesAreFilledBothWays: number and hidden identity, whichever
// the sender's phone uses.
func TestMessageAddressesAreFilledBothWays(t *testing.T) {
	g, s := linked(t)
	for _, hidden := range []bool{true, false} {
		g.Network.Phone(ana).UseLID(hidden)
		f := received(t, g, s, wasim.Message{Text: fmt.Sprint("hidden ", hidden)})
		for _, who := range []string{"message.chat", "message.sender"} {
			want(t, f, is{who + ".jid": ana + "@s.whatsapp.net", who + ".lid": g.Network.Phone(ana).LID()})
		}
	}
}

// TestMessageInAGroup and in a community's announcement group.
func TestMessageInAGroup(t *testing.T) {
	g, s := linked(t)
	group := aGroup(t, g, "Friends")
	id, err := g.Network.Phone(ana).Send(background(t), group.JID(), wasim.Message{Text: "hello all"})
	if err != nil {
		t.Fatal(err)
	}
	f := s.Expect("message.exchange", is{"message.id": id})
	want(t, f, is{
		"message.chat.type": "group", "message.chat.jid": group.JID(), "message.chat.name": "Friends", "message.chat.lid": "",
		"message.chat.isCommunity": "", "message.sender.jid": ana + "@s.whatsapp.net", "message.sender.lid": g.Network.Phone(ana).LID(),
	})
}

// settle waits until everything sent before has been handled.
func settle(t *testing.T, g *apptest.Gateway, s *apptest.Socket, unwanted func(apptest.Frame) bool) {
	t.Helper()
	for _, f := range fence(t, g, s) {
		if unwanted(f) {
			t.Errorf("not wanted: %s", f.Raw)
		}
	}
}

// TestIgnoreGroupMessages: those cause no event; without the setting they do.
func TestIgnoreGroupMessages(t *testing.T) {
	g := apptest.Start(t)
	g.Create("sales", object{"ignoreGroupMessages": true})
	s := g.Listen("sales", apptest.Token)
	g.Link("sales", olga)
	group := aGroup(t, g, "Friends")
	post := func(text string) {
		t.Helper()
		if _, err := g.Network.Phone(ana).Send(background(t), group.JID(), wasim.Message{Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	post("ignored")
	settle(t, g, s, func(f apptest.Frame) bool { return f.Event == "message.exchange" })
	g.Must("POST", "/api/instance/settings/sales", object{"ignoreGroupMessages": false})
	post("not ignored")
	s.Expect("message.exchange", is{"message.content.text": "not ignored", "message.chat.type": "group"})
}

// TestHistoryCausesNoEvents: what was written before the link is not told.
func TestHistoryCausesNoEvents(t *testing.T) {
	g := apptest.Start(t)
	g.Create("sales", object{"disableHistorySync": false})
	s := g.Listen("sales", apptest.Token)
	g.Network.Phone(olga)
	old := say(t, g, ana, "long ago")
	g.Link("sales", olga)
	settle(t, g, s, func(f apptest.Frame) bool { return f.Event == "message.exchange" })
	id := received(t, g, s, wasim.Message{Text: "now", ReplyTo: old}).Get("message.id")
	if id == old {
		t.Error("one id for two messages")
	}
}
