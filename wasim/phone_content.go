package wasim

import (
	"context"
	"errors"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// compose turns what a person sends into the message that is encrypted.
func (p *Phone) compose(ctx context.Context, chat types.JID, m Message) (*waE2E.Message, error) {
	switch {
	case m.Raw != nil:
		return m.Raw, nil
	case m.Text != "":
		return &waE2E.Message{Conversation: proto.String(m.Text)}, nil
	}
	return nil, errors.New("message has no content")
}

// stanzaType is the type attribute of a message stanza (whatsmeow: send.go/getTypeFromMessage).
func stanzaType(m *waE2E.Message) string { return "text" }

// editAttribute marks edits and revocations (whatsmeow: send.go/getEditAttribute).
func editAttribute(m *waE2E.Message) string { return "" }

// describe fills in what a received message says.
func (p *Phone) describe(r *Received) {
	r.Type = "text"
	r.Text = r.Raw.GetConversation()
	if t := r.Raw.GetExtendedTextMessage(); t != nil {
		r.Text = t.GetText()
	}
}
