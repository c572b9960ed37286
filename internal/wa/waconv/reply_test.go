package waconv_test

import (
	"fmt"
	"slices"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

func bodyOf(t *testing.T, e *events.Message) event.MessageBody {
	t.Helper()
	items := waconv.Convert(e, town{})
	if len(items) != 1 {
		t.Fatalf("%d items", len(items))
	}
	return items[0].Data.(*event.Message).Body
}

func fromAna(m *waE2E.Message) *events.Message {
	info := types.MessageInfo{MessageSource: types.MessageSource{Chat: anaPN, Sender: anaPN}, ID: "3EB0"}
	return &events.Message{Info: info, Message: m}
}

// events.md 7.1: reply.text is what can be read in the answered message.
func TestReplyText(t *testing.T) {
	for quoted, want := range map[string]string{
		`{"conversation":"t"}`:                                                                          "t",
		`{"extendedTextMessage":{"text":"t"}}`:                                                          "t",
		`{"videoMessage":{"caption":"t"}}`:                                                              "t",
		`{"audioMessage":{}}`:                                                                           "",
		`{"pollCreationMessage":{"name":"t"}}`:                                                          "t",
		`{"locationMessage":{"name":"t"}}`:                                                              "t",
		`{"contactMessage":{"displayName":"t"}}`:                                                        "t",
		`{"eventMessage":{"name":"t"}}`:                                                                 "t",
		`{"reactionMessage":{"text":"👍"}}`:                                                              "👍",
		`{"listMessage":{"title":"t"}}`:                                                                 "t",
		`{"listResponseMessage":{"title":"t"}}`:                                                         "t",
		`{"buttonsMessage":{"contentText":"t"}}`:                                                        "t",
		`{"interactiveMessage":{"body":{"text":"t"},"header":{"title":"h"}}}`:                           "t",
		`{"interactiveResponseMessage":{"body":{"text":"t"}}}`:                                          "t",
		`{"buttonsResponseMessage":{"selectedDisplayText":"t"}}`:                                        "t",
		`{"templateButtonReplyMessage":{"selectedDisplayText":"t"}}`:                                    "t",
		`{"templateMessage":{"hydratedFourRowTemplate":{"hydratedTitleText":"t"}}}`:                     "t",
		`{"viewOnceMessage":{"message":{"imageMessage":{"caption":"t"}}}}`:                              "t",
		`{"deviceSentMessage":{"message":{"ephemeralMessage":{"message":{"conversation":"wrapped"}}}}}`: "wrapped",
	} {
		answer := fmt.Sprintf(`{"extendedTextMessage":{"text":"yes","contextInfo":{"stanzaID":"3EB0Q","quotedMessage":%s}}}`, quoted)
		if got := bodyOf(t, fromAna(e2e(t, answer))).Reply; got == nil || got.Text != want {
			t.Errorf("%s: %+v, want %q", quoted, got, want)
		}
	}
}

// An address that WhatsApp spells in a way of its own goes through unchanged.
func TestUnreadableAddressesStay(t *testing.T) {
	answer := e2e(t, `{"extendedTextMessage":{"contextInfo":{"stanzaID":"3EB0Q","participant":"a:b:c@d","mentionedJID":["nobody"]}}}`)
	body := bodyOf(t, fromAna(answer))
	if body.Reply.Participant != "a:b:c@d" || body.Mentions.MentionedUsers[0] != "nobody" {
		t.Errorf("%+v, %+v", body.Reply, body.Mentions)
	}
}

// A message that was not taken out of its wrappers is read all the same.
func TestRawMessageAlone(t *testing.T) {
	e := fromAna(nil)
	e.RawMessage = e2e(t, `{"viewOnceMessageV2":{"message":{"imageMessage":{"caption":"once"}}}}`)
	if body := bodyOf(t, e); body.Type != "image" || !body.ViewOnce || body.Content.Text != "once" {
		t.Errorf("%+v", body)
	}
}

// Wrappers around wrappers end somewhere: the message is told, not read.
func TestTooManyWrappers(t *testing.T) {
	m := &waE2E.Message{Conversation: new(string)}
	for range 100 {
		m = &waE2E.Message{EphemeralMessage: &waE2E.FutureProofMessage{Message: m}}
	}
	if body := bodyOf(t, fromAna(m)); body.Type != "unsupported" || body.RawType != "ephemeralMessage" {
		t.Errorf("%s %s", body.Type, body.RawType)
	}
}

// An edit whose kind of encryption is not that of a message, and an answer
// whose parameters are not JSON.
func TestHalfReadableMessages(t *testing.T) {
	edited := waconv.Opened{Edited: e2e(t, `{"conversation":"x"}`)}
	poll := fromAna(e2e(t, `{"secretEncryptedMessage":{"secretEncType":"POLL_EDIT","targetMessageKey":{"ID":"3EB0OLD"}}}`))
	item := waconv.Convert(poll, town{opened: edited})[0]
	if body := item.Data.(*event.Message).Body; body.RawType != "secretEncryptedMessage" {
		t.Errorf("an edit of a poll is %s %s", body.Type, body.RawType)
	}
	answer := e2e(t, `{"interactiveResponseMessage":{"nativeFlowResponseMessage":{"name":"flow","paramsJSON":"no JSON"}}}`)
	if got := bodyOf(t, fromAna(answer)).ButtonResponse; got.SelectedButtonID != "flow" {
		t.Errorf("%+v", got)
	}
}

// events.md 7.1: a vote shows the names of its options, whichever version the
// poll was.
func TestOptionsOfEveryPollVersion(t *testing.T) {
	const poll = `{"name":"What?","options":[{"optionName":"Pizza"},{"optionName":"Sushi"}]}`
	for _, version := range []string{"", "V2", "V3", "V5", "V6"} {
		m := e2e(t, fmt.Sprintf(`{"pollCreationMessage%s":%s}`, version, poll))
		if got := waconv.PollOptions(m); !slices.Equal(got, []string{"Pizza", "Sushi"}) {
			t.Errorf("version %q: options = %v", version, got)
		}
	}
	wrapped := e2e(t, `{"pollCreationMessageV4":{"message":{"pollCreationMessage":`+poll+`}}}`)
	if got := waconv.PollOptions(wrapped); len(got) != 2 {
		t.Errorf("version V4: options = %v", got)
	}
	if got := waconv.PollOptions(e2e(t, `{"conversation":"What?"}`)); got != nil {
		t.Errorf("a text has options: %v", got)
	}
}
