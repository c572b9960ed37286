package waconv

import (
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/message"
)

// FromOutgoing builds the protobuf of a text message. A quote whose protobuf
// is missing or cannot be read still names the message that it answers.
func FromOutgoing(m message.Outgoing) *waE2E.Message {
	text := &waE2E.ExtendedTextMessage{Text: proto.String(m.Text), ContextInfo: contextInfo(m)}
	if p := m.Preview; p != nil {
		text.MatchedText = proto.String(p.URL)
		text.Title = proto.String(p.Title)
		text.Description = proto.String(p.Description)
		text.PreviewType = waE2E.ExtendedTextMessage_NONE.Enum()
		text.JPEGThumbnail = p.JPEG
	}
	return &waE2E.Message{ExtendedTextMessage: text}
}

func contextInfo(m message.Outgoing) *waE2E.ContextInfo {
	if m.Quote == nil && len(m.Mentions) == 0 {
		return nil
	}
	ci := &waE2E.ContextInfo{MentionedJID: m.Mentions}
	if q := m.Quote; q != nil {
		ci.StanzaID = proto.String(q.MessageID)
		ci.Participant = proto.String(q.Participant)
		ci.QuotedMessage = quotedMessage(q.Raw)
		if q.ChatJID != "" && q.ChatJID != m.To.JID && q.ChatJID != m.To.LID {
			// Answered elsewhere (replyPrivate): say where it was written.
			ci.RemoteJID = proto.String(q.ChatJID)
		}
	}
	return ci
}

// quotedMessage is the answered message as WhatsApp puts it under a reply:
// without keys and without what it quoted itself.
func quotedMessage(raw []byte) *waE2E.Message {
	m := new(waE2E.Message)
	if err := proto.Unmarshal(raw, m); err != nil || len(raw) == 0 {
		return &waE2E.Message{Conversation: proto.String("")}
	}
	m.MessageContextInfo = nil
	m.SenderKeyDistributionMessage = nil
	if holder, ok := unwrap(m).value.(interface{ GetContextInfo() *waE2E.ContextInfo }); ok {
		if ci := holder.GetContextInfo(); ci != nil {
			ci.QuotedMessage = nil
		}
	}
	return m
}

// Outgoing is the event of a message that was sent through the API, and its
// record. msg is what was sent.
func Outgoing(m message.Outgoing, sent message.Sent, msg *waE2E.Message, dir Directory) dispatch.Item {
	c := newConverter(dir)
	peer, sender := c.recipient(m.To), c.recipient(sent.Sender)
	if sender == (person{}) {
		sender = c.self
	}
	info := &types.MessageInfo{ID: sent.ID, Timestamp: sent.Timestamp}
	info.Chat, info.RecipientAlt = peer.primary(), peer.lid
	info.Sender, info.SenderAlt = sender.primary(), sender.lid
	info.IsFromMe = true
	info.IsGroup = m.To.Type == event.ChatGroup

	b := c.body(info, nil)
	if b.body.Chat.Name == "" {
		b.body.Chat.Name = m.To.Name
	}
	b.body.Source = m.Source
	b.read(unwrap(msg))
	return b.item(msg)
}
