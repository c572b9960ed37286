package wasim

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mau.fi/util/random"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// compose turns what a person sends into the message that is encrypted. Errors wrap ErrNotFound when it refers to a
// message that the phone does not know.
func (p *Phone) compose(ctx context.Context, chat types.JID, m Message) (*waE2E.Message, error) {
	quote, err := p.contextInfo(chat, m)
	if err != nil {
		return nil, err
	}
	switch {
	case m.Raw != nil:
		return proto.Clone(m.Raw).(*waE2E.Message), nil
	case m.Media != nil:
		return p.composeMedia(ctx, m, quote)
	case m.Location != nil:
		return composeLocation(m.Location, quote), nil
	case m.Contact != nil:
		return composeContact(m.Contact, quote), nil
	case m.Poll != nil:
		return composePoll(m.Poll, quote), nil
	case m.Vote != nil:
		return p.composeVote(chat, m.Vote)
	case m.Reaction != nil:
		return p.composeReaction(m.Reaction)
	case m.Edit != nil:
		return p.composeEdit(m.Edit)
	case m.Revoke != nil:
		return p.composeRevoke(m.Revoke)
	case m.Text != "":
		return composeText(m.Text, quote), nil
	}
	return nil, errors.New("the message has no content")
}

// contextInfo is what a message says about the one it quotes and whom it mentions, nil for neither.
func (p *Phone) contextInfo(chat types.JID, m Message) (*waE2E.ContextInfo, error) {
	if m.ReplyTo == "" && len(m.Mentions) == 0 {
		return nil, nil
	}
	info := &waE2E.ContextInfo{}
	if m.ReplyTo != "" {
		quoted, err := p.known(m.ReplyTo)
		if err != nil {
			return nil, err
		}
		info.StanzaID = proto.String(quoted.id)
		info.Participant = proto.String(quoted.sender.String())
		info.QuotedMessage = quoted.message
	}
	hidden := p.addressIn(chat).Server == types.HiddenUserServer
	for _, number := range m.Mentions {
		a := p.server().accounts.number(number)
		if a == nil {
			return nil, fmt.Errorf("mentioned number %s: %w", number, ErrNotFound)
		}
		mentioned := a.pn
		if hidden {
			mentioned = a.lid
		}
		info.MentionedJID = append(info.MentionedJID, mentioned.String())
	}
	return info, nil
}

// known finds a message that the phone has sent or received.
func (p *Phone) known(id string) (*logged, error) {
	m := p.history.find(id)
	if m == nil {
		return nil, fmt.Errorf("message %s: %w", id, ErrNotFound)
	}
	return m, nil
}

func composeText(text string, quote *waE2E.ContextInfo) *waE2E.Message {
	if quote == nil {
		return &waE2E.Message{Conversation: proto.String(text)}
	}
	return &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String(text), ContextInfo: quote}}
}

func (p *Phone) composeMedia(ctx context.Context, m Message, quote *waE2E.ContextInfo) (*waE2E.Message, error) {
	out, err := p.server().storeMedia(ctx, m.Media)
	if err != nil {
		return nil, err
	}
	setContext(out, quote)
	if !m.ViewOnce {
		return out, nil
	}
	switch {
	case out.ImageMessage != nil:
		out.ImageMessage.ViewOnce = proto.Bool(true)
	case out.VideoMessage != nil:
		out.VideoMessage.ViewOnce = proto.Bool(true)
	case out.AudioMessage != nil:
		out.AudioMessage.ViewOnce = proto.Bool(true)
	}
	return &waE2E.Message{ViewOnceMessageV2: &waE2E.FutureProofMessage{Message: out}}, nil
}

// setContext puts a quote on a media message.
func setContext(m *waE2E.Message, quote *waE2E.ContextInfo) {
	switch {
	case m.ImageMessage != nil:
		m.ImageMessage.ContextInfo = quote
	case m.VideoMessage != nil:
		m.VideoMessage.ContextInfo = quote
	case m.PtvMessage != nil:
		m.PtvMessage.ContextInfo = quote
	case m.AudioMessage != nil:
		m.AudioMessage.ContextInfo = quote
	case m.StickerMessage != nil:
		m.StickerMessage.ContextInfo = quote
	case m.DocumentMessage != nil:
		m.DocumentMessage.ContextInfo = quote
	case m.DocumentWithCaptionMessage != nil:
		setContext(m.DocumentWithCaptionMessage.GetMessage(), quote)
	}
}

func composeLocation(l *Location, quote *waE2E.ContextInfo) *waE2E.Message {
	return &waE2E.Message{LocationMessage: &waE2E.LocationMessage{
		DegreesLatitude: proto.Float64(l.Latitude), DegreesLongitude: proto.Float64(l.Longitude),
		Name: proto.String(l.Name), Address: proto.String(l.Address), ContextInfo: quote,
	}}
}

// composeContact makes a card as phones do: waid names the WhatsApp account behind the number.
func composeContact(c *Contact, quote *waE2E.ContextInfo) *waE2E.Message {
	digits := strings.TrimPrefix(c.Phone, "+")
	card := fmt.Sprintf("BEGIN:VCARD\nVERSION:3.0\nN:;%[1]s;;;\nFN:%[1]s\nTEL;type=CELL;waid=%[2]s:+%[2]s\nEND:VCARD", c.FullName, digits)
	return &waE2E.Message{ContactMessage: &waE2E.ContactMessage{
		DisplayName: proto.String(c.FullName), Vcard: proto.String(card), ContextInfo: quote,
	}}
}

// composePoll asks a question. Votes are encrypted with the message secret.
func composePoll(poll *Poll, quote *waE2E.ContextInfo) *waE2E.Message {
	content := &waE2E.PollCreationMessage{
		Name: proto.String(poll.Title), SelectableOptionsCount: proto.Uint32(uint32(max(0, poll.MaxAnswer))), ContextInfo: quote,
	}
	for _, option := range poll.Options {
		content.Options = append(content.Options, &waE2E.PollCreationMessage_Option{OptionName: proto.String(option)})
	}
	return &waE2E.Message{
		PollCreationMessage: content,
		MessageContextInfo:  &waE2E.MessageContextInfo{MessageSecret: random.Bytes(32)},
	}
}

// messageKey refers to a message (whatsmeow: send.go/BuildMessageKey).
func (m *logged) messageKey() *waCommon.MessageKey {
	key := &waCommon.MessageKey{
		RemoteJID: proto.String(m.chat.String()), FromMe: proto.Bool(m.fromMe), ID: proto.String(m.id),
	}
	if m.chat.Server == types.GroupServer && !m.fromMe {
		key.Participant = proto.String(m.sender.String())
	}
	return key
}

func (p *Phone) composeReaction(r *Reaction) (*waE2E.Message, error) {
	m, err := p.known(r.MessageID)
	if err != nil {
		return nil, err
	}
	return &waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{
		Key: m.messageKey(), Text: proto.String(r.Emoji), SenderTimestampMS: proto.Int64(p.server().now().UnixMilli()),
	}}, nil
}

// own finds a message that the person has sent, from the phone or a companion.
func (p *Phone) own(id string) (*logged, error) {
	m, err := p.known(id)
	if err == nil && !m.fromMe {
		err = fmt.Errorf("message %s is not by %s", id, p.Number())
	}
	return m, err
}

// composeEdit changes an own message (whatsmeow: send.go/BuildEdit).
func (p *Phone) composeEdit(e *Edit) (*waE2E.Message, error) {
	m, err := p.own(e.MessageID)
	if err != nil {
		return nil, err
	}
	return &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{
		ProtocolMessage: &waE2E.ProtocolMessage{
			Key: m.messageKey(), Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(),
			EditedMessage: composeText(e.Text, nil), TimestampMS: proto.Int64(p.server().now().UnixMilli()),
		},
	}}}, nil
}

// composeRevoke deletes an own message for everyone (whatsmeow: send.go/BuildRevoke).
func (p *Phone) composeRevoke(r *Revoke) (*waE2E.Message, error) {
	m, err := p.own(r.MessageID)
	if err != nil {
		return nil, err
	}
	return &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Key: m.messageKey(), Type: waE2E.ProtocolMessage_REVOKE.Enum(),
	}}, nil
}
