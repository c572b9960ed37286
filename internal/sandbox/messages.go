package sandbox

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/chasqui/chasqui/wasim"
)

// contents are the fields of a message of which exactly one is given.
var contents = []string{"text", "media", "location", "contact", "poll", "vote", "reaction", "edit", "revoke"}

func (s *sandbox) sendMessage(r *http.Request) (answer, error) {
	p, f, err := s.phoneForm(r)
	if err != nil {
		return answer{}, err
	}
	to, m := f.chat("to"), readMessage(f)
	if err = f.err(); err != nil {
		return answer{}, err
	}
	id, err := p.Send(r.Context(), to, m)
	if err != nil {
		return answer{}, fromNetwork(err, missingField(m))
	}
	return answer{status: http.StatusCreated, fields: map[string]any{"messageId": id}}, nil
}

// missingField names what the network did not know.
func missingField(m wasim.Message) string {
	switch {
	case m.Vote != nil:
		return "vote.messageId"
	case m.Reaction != nil:
		return "reaction.messageId"
	case m.Edit != nil:
		return "edit.messageId"
	case m.Revoke != nil:
		return "revoke.messageId"
	case m.ReplyTo != "":
		return "replyTo"
	default:
		return "to"
	}
}

func readMessage(f *form) wasim.Message {
	m := wasim.Message{ReplyTo: f.text("replyTo"), Mentions: f.numbers("mentions"), ViewOnce: f.boolean("viewOnce")}
	var given []string
	for _, name := range contents {
		if f.has(name) {
			given = append(given, name)
		}
	}
	if len(given) != 1 {
		f.wrong("text", fmt.Sprintf("give exactly one of %s", strings.Join(contents, ", ")))
		return m
	}
	if given[0] == "text" {
		m.Text = f.requiredText("text")
		return m
	}
	if inner := f.object(given[0]); inner != nil {
		contentReaders[given[0]](&m, inner)
	}
	return m
}

var contentReaders = map[string]func(m *wasim.Message, f *form){
	"media": func(m *wasim.Message, f *form) {
		m.Media = &wasim.Media{
			Type:     f.oneOf("type", "image", "video", "audio", "document", "sticker", "ptt", "ptv"),
			Mimetype: f.text("mimetype"), FileName: f.text("fileName"), Caption: f.text("caption"), Data: f.bytes("base64"),
		}
	},
	"location": func(m *wasim.Message, f *form) {
		m.Location = &wasim.Location{
			Latitude: f.decimal("latitude", -90, 90), Longitude: f.decimal("longitude", -180, 180),
			Name: f.text("name"), Address: f.text("address"),
		}
	},
	"contact": func(m *wasim.Message, f *form) {
		m.Contact = &wasim.Contact{FullName: f.requiredText("fullName"), Phone: f.phone("phone")}
	},
	"poll": readPoll,
	"vote": func(m *wasim.Message, f *form) {
		m.Vote = &wasim.Vote{MessageID: f.requiredText("messageId"), Options: f.texts("options")}
	},
	"reaction": func(m *wasim.Message, f *form) {
		m.Reaction = &wasim.Reaction{MessageID: f.requiredText("messageId"), Emoji: f.text("emoji")}
	},
	"edit": func(m *wasim.Message, f *form) {
		m.Edit = &wasim.Edit{MessageID: f.requiredText("messageId"), Text: f.requiredText("text")}
	},
	"revoke": func(m *wasim.Message, f *form) {
		m.Revoke = &wasim.Revoke{MessageID: f.requiredText("messageId")}
	},
}

// maxPollOptions is how many options a poll may have on a phone.
const maxPollOptions = 12

func readPoll(m *wasim.Message, f *form) {
	m.Poll = &wasim.Poll{Title: f.requiredText("title"), Options: f.texts("options")}
	if n := len(m.Poll.Options); n < 2 || n > maxPollOptions {
		f.wrong("options", fmt.Sprintf("must be 2 to %d texts", maxPollOptions))
	}
	m.Poll.MaxAnswer = f.integer("maxAnswer", 0, max(1, len(m.Poll.Options)))
}

// messageView is a received message as answers show one.
type messageView struct {
	ID        string     `json:"id"`
	From      string     `json:"from"`
	Chat      string     `json:"chat"`
	Type      string     `json:"type"`
	Text      string     `json:"text"`
	Media     *mediaView `json:"media,omitempty"`
	Timestamp time.Time  `json:"timestamp"`
}

type mediaView struct {
	Type     string `json:"type"`
	Mimetype string `json:"mimetype"`
	FileName string `json:"fileName,omitempty"`
	Caption  string `json:"caption,omitempty"`
	Base64   []byte `json:"base64"` // encoded as base64 by encoding/json
}

func (s *sandbox) listMessages(r *http.Request) (answer, error) {
	p, err := s.phone(r)
	if err != nil {
		return answer{}, err
	}
	messages := []messageView{}
	for _, m := range p.Messages(r.URL.Query().Get("after")) {
		v := messageView{ID: m.ID, From: m.From, Chat: m.Chat, Type: m.Type, Text: m.Text, Timestamp: m.Timestamp.UTC()}
		if m.Media != nil {
			v.Media = &mediaView{m.Media.Type, m.Media.Mimetype, m.Media.FileName, m.Media.Caption, m.Media.Data}
		}
		messages = append(messages, v)
	}
	return answer{fields: map[string]any{"messages": messages}}, nil
}
