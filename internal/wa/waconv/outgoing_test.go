package waconv_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

func raw(t *testing.T, json string) []byte {
	t.Helper()
	b, err := proto.Marshal(e2e(t, json))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func e2e(t *testing.T, json string) *waE2E.Message {
	t.Helper()
	m := new(waE2E.Message)
	if err := protojson.Unmarshal([]byte(json), m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFromOutgoing(t *testing.T) {
	toAna := message.Recipient{JID: anaPN.String(), LID: anaLID.String(), Type: event.ChatPrivate}
	quoted := raw(t, `{"extendedTextMessage":{"text":"old","contextInfo":{"stanzaID":"3EB0OLDER","quotedMessage":{"conversation":"older"}}},
		"messageContextInfo":{"messageSecret":"AAAA"}}`)
	tests := map[string]struct {
		in   message.Outgoing
		want string
	}{
		"text": {message.Outgoing{To: toAna, Text: "hi"}, `{"extendedTextMessage":{"text":"hi"}}`},
		"mentions": {
			message.Outgoing{To: toAna, Text: "@100200300", Mentions: []string{"100200300@lid"}},
			`{"extendedTextMessage":{"text":"@100200300","contextInfo":{"mentionedJID":["100200300@lid"]}}}`,
		},
		"quote without its keys and quotes": {
			message.Outgoing{To: toAna, Text: "yes", Quote: &message.Quote{
				MessageID: "3EB0OLD", ChatJID: anaPN.String(), Participant: anaPN.String(), Raw: quoted,
			}},
			`{"extendedTextMessage":{"text":"yes","contextInfo":{"stanzaID":"3EB0OLD","participant":"5511999999999@s.whatsapp.net",
				"quotedMessage":{"extendedTextMessage":{"text":"old","contextInfo":{"stanzaID":"3EB0OLDER"}}}}}}`,
		},
		"quote from another chat": {
			message.Outgoing{To: toAna, Text: "in private", Quote: &message.Quote{
				MessageID: "3EB0OLD", ChatJID: devTeam.String(), Participant: anaPN.String(), Raw: raw(t, `{"conversation":"old"}`),
			}},
			`{"extendedTextMessage":{"text":"in private","contextInfo":{"stanzaID":"3EB0OLD","participant":"5511999999999@s.whatsapp.net",
				"remoteJID":"120363000000000001@g.us","quotedMessage":{"conversation":"old"}}}}`,
		},
		"quote that cannot be read": {
			message.Outgoing{To: toAna, Text: "yes", Quote: &message.Quote{MessageID: "3EB0OLD", Raw: []byte{0xff}}},
			`{"extendedTextMessage":{"text":"yes","contextInfo":{"stanzaID":"3EB0OLD","participant":"","quotedMessage":{"conversation":""}}}}`,
		},
		"preview": {
			message.Outgoing{To: toAna, Text: "see https://example.com", Preview: &message.Preview{
				URL: "https://example.com", Title: "Example", Description: "A site", JPEG: []byte("jpeg"),
			}},
			`{"extendedTextMessage":{"text":"see https://example.com","matchedText":"https://example.com","title":"Example",
				"description":"A site","previewType":"NONE","JPEGThumbnail":"anBlZw=="}}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(e2e(t, tt.want), waconv.FromOutgoing(tt.in), protocmp.Transform()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// events.md 7.1: a message sent through the API, with its source.
func TestOutgoing(t *testing.T) {
	at := time.Date(2026, 4, 28, 7, 30, 0, 0, time.FixedZone("", -3*3600))
	m := message.Outgoing{
		ID: "3EB0NEW", Text: "yes @5511777777777", Source: "crm", Mentions: []string{ruiPN.String()},
		To: message.Recipient{JID: devTeam.String(), Type: event.ChatGroup, Name: "given name"},
		Quote: &message.Quote{
			MessageID: "3EB0OLD", ChatJID: devTeam.String(), Participant: anaLID.String(), Raw: raw(t, `{"conversation":"old"}`),
		},
	}
	sent := message.Sent{ID: "3EB0NEW", Timestamp: at, Sender: message.Recipient{JID: ourPN.String(), LID: ourLID.String()}}
	msg := waconv.FromOutgoing(m)
	want := dispatch.Item{
		Data: &event.Message{ID: "3EB0NEW", Body: event.MessageBody{
			ID: "3EB0NEW", Direction: event.Outgoing, Timestamp: at.UTC(), Type: "text",
			Chat:    event.Chat{Address: event.Address{JID: text(devTeam), Name: "Dev team"}, Type: event.ChatGroup},
			Sender:  event.Address{JID: text(ourPN), LID: text(ourLID), Name: "Sales"},
			Content: &event.Content{Text: m.Text}, Source: "crm",
			Reply:    &event.Reply{MessageID: "3EB0OLD", Text: "old", Participant: anaPN.String()},
			Mentions: &event.Mentions{MentionedUsers: []string{ruiPN.String()}},
		}},
		Message: &dispatch.MessageRecord{
			ID: "3EB0NEW", ChatKey: devTeam.String(), SenderKey: ourPN.String(), FromMe: true, Type: "text",
			Text: m.Text, Source: "crm", Timestamp: at.UTC(),
		},
	}
	got := waconv.Outgoing(m, sent, msg, town{})
	kept := new(waE2E.Message)
	if err := proto.Unmarshal(got.Message.Raw, kept); err != nil || !proto.Equal(kept, msg) {
		t.Errorf("the record keeps %v, %v", kept, err)
	}
	got.Message.Raw = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func text(j types.JID) *string {
	s := j.String()
	return &s
}

// events.md 7: both addresses are filled whenever the store can map them; the
// sender is known even if the acknowledgement does not say.
func TestOutgoingFillsAddresses(t *testing.T) {
	for name, to := range map[string]message.Recipient{
		"number": {JID: anaPN.String()}, "LID": {JID: anaLID.String()}, "LID apart": {LID: anaLID.String()},
	} {
		m := message.Outgoing{ID: "3EB0NEW", To: to, Text: "hi"}
		item := waconv.Outgoing(m, message.Sent{ID: "3EB0NEW"}, waconv.FromOutgoing(m), town{})
		body := item.Data.(*event.Message).Body
		want := event.Chat{Address: event.Address{JID: text(anaPN), LID: text(anaLID), Name: "Ana"}, Type: event.ChatPrivate}
		if diff := cmp.Diff(want, body.Chat); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got := item.Message; got.ChatKey != anaPN.String() || got.SenderKey != ourPN.String() {
			t.Errorf("%s: keys %s, %s", name, got.ChatKey, got.SenderKey)
		}
	}
}

// A reply that arrives is recorded under the keys under which its original was:
// whatever address WhatsApp uses, repeats are one message.
func TestRepeatsHaveOneKey(t *testing.T) {
	phone := func(j types.JID, device uint16) types.JID { j.Device = device; return j }
	sources := []types.MessageSource{
		{Chat: anaPN, Sender: phone(anaPN, 3)},
		{Chat: anaPN, Sender: phone(anaPN, 3), SenderAlt: phone(anaLID, 3)},
		{Chat: anaLID, Sender: phone(anaLID, 8), SenderAlt: phone(anaPN, 8)},
		{Chat: anaLID, Sender: anaLID},
		{Chat: anaPN, Sender: types.JID{User: anaPN.User, Device: 99, Server: types.HostedServer}},
	}
	for _, src := range sources {
		e := &events.Message{Info: types.MessageInfo{MessageSource: src, ID: "3EB0"}, Message: e2e(t, `{"conversation":"x"}`)}
		record := waconv.Convert(e, town{})[0].Message
		if record.ChatKey != anaPN.String() || record.SenderKey != anaPN.String() {
			t.Errorf("%v: keys %s, %s", src, record.ChatKey, record.SenderKey)
		}
	}
}

// events.md 7.3: with autoRejectCalls the rejection is an event too.
func TestAutomaticReject(t *testing.T) {
	at := time.Date(2026, 4, 28, 10, 30, 1, 0, time.UTC)
	offer := &events.CallOffer{
		BasicCallMeta: types.BasicCallMeta{From: anaLID, CallCreator: anaLID, CallCreatorAlt: anaPN, CallID: "0A1B"},
		Data:          &waBinary.Node{Tag: "offer", Content: []waBinary.Node{{Tag: "video"}}},
	}
	ana := event.Address{JID: text(anaPN), LID: text(anaLID), Name: "Ana"}
	want := dispatch.Item{Data: &event.Call{
		Type: "rejected", CallID: "0A1B", Timestamp: at, From: ana, Creator: ana, IsVideo: true, Automatic: true,
	}}
	if diff := cmp.Diff(want, waconv.AutomaticReject(offer, at, town{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
