package waconv

import (
	"strconv"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/media"
)

// The types of message that this file decides on; the others are named where
// their content is read.
const (
	typeUnsupported = "unsupported"
	typeEdit        = "message_edit"
	typeRevoke      = "message_revoke"
)

// categoryPeer marks what our own devices tell each other.
const categoryPeer = "peer"

// message is one message.exchange, or nothing for what only machines read.
func (c converter) message(e *events.Message) []dispatch.Item {
	if e.Info.Category == categoryPeer {
		return nil
	}
	raw := e.Message
	if raw == nil {
		raw = e.RawMessage
	}
	p := unwrap(raw)
	if p.isMachinery() {
		return nil
	}
	b := c.body(&e.Info, e)
	b.body.ViewOnce = e.IsViewOnce || p.viewOnce
	b.read(p)
	if e.NewsletterMeta != nil && !e.NewsletterMeta.EditTS.IsZero() {
		b.newsletterEdit(e.NewsletterMeta)
	}
	return []dispatch.Item{b.item(raw)}
}

// Placeholder reports a message whose content did not come. rawType is
// view_once, unavailable or undecryptable. The real message may follow.
func Placeholder(info types.MessageInfo, rawType string, dir Directory) dispatch.Item {
	b := newConverter(dir).body(&info, nil)
	b.unsupported(rawType)
	b.body.ViewOnce = rawType == string(events.UnavailableTypeViewOnce)
	item := b.item(nil)
	item.Message.Placeholder = true
	return item
}

// builder fills one message body while its content is read.
type builder struct {
	c      converter
	evt    *events.Message // nil where there is nothing to decrypt
	info   *types.MessageInfo
	src    source
	body   event.MessageBody
	media  *media.Ref
	suffix string // sets later versions of one message apart in the store
}

func (c converter) body(info *types.MessageInfo, evt *events.Message) *builder {
	name := senderName(info)
	src := c.messageSource(info.MessageSource, name)
	b := &builder{c: c, evt: evt, info: info, src: src}
	b.body = event.MessageBody{
		ID:        info.ID,
		Direction: event.Incoming,
		Timestamp: c.at(info.Timestamp),
		Chat:      src.chat,
		Sender:    c.address(src.sender, name),
	}
	if info.IsFromMe {
		b.body.Direction = event.Outgoing
	}
	return b
}

// senderName is what the message calls its sender: the push name ("-" stands
// for none), else the verified name of a business. Messages of our own come with
// our push name, which the directory knows better.
func senderName(info *types.MessageInfo) string {
	switch {
	case info.IsFromMe:
		return ""
	case info.PushName != "" && info.PushName != "-":
		return info.PushName
	case info.VerifiedName != nil:
		return info.VerifiedName.Details.GetVerifiedName()
	}
	return ""
}

func (b *builder) unsupported(rawType string) {
	b.body.Type = typeUnsupported
	b.body.RawType = rawType
}

// newsletterEdit marks the later version of a post, which comes as the new
// content under the post's own ID.
func (b *builder) newsletterEdit(meta *events.NewsletterMessageMeta) {
	b.suffix = ":" + strconv.FormatInt(meta.EditTS.UnixMilli(), 10)
	if b.body.Type == typeUnsupported {
		return
	}
	b.body.Type = typeEdit
	b.body.Edit = &event.Edit{OriginalID: b.info.ID}
	if b.body.Content != nil {
		b.body.Edit.Text = b.body.Content.Text
	}
}

// item is the finished event with what the store keeps of it. raw may be nil.
func (b *builder) item(raw *waE2E.Message) dispatch.Item {
	record := &dispatch.MessageRecord{
		ID:        b.info.ID + b.suffix,
		ChatKey:   b.src.chatKey,
		SenderKey: b.src.sender.key(),
		ChatLID:   b.src.chatLID,
		SenderLID: b.c.formerKey(b.src.sender),
		FromMe:    b.info.IsFromMe,
		Type:      b.body.Type,
		Source:    b.body.Source,
		Timestamp: b.body.Timestamp,
		Raw:       serialise(raw),
	}
	if b.body.Content != nil {
		record.Text = b.body.Content.Text
	}
	item := dispatch.Item{
		Data:    &event.Message{ID: b.body.ID, Body: b.body},
		Media:   b.media,
		Message: record,
	}
	if name := senderName(b.info); name != "" && record.SenderKey != "" && b.info.Chat.Server != types.NewsletterServer {
		item.Names = []dispatch.NameRecord{{JID: record.SenderKey, Name: name}}
	}
	return item
}

// serialise is the protobuf to be kept for quotes. What was read can be written
// again; if it could not, the message would be told all the same and only not be
// quoted.
func serialise(m *waE2E.Message) []byte {
	if m == nil {
		return nil
	}
	raw, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(m)
	if err != nil {
		return nil
	}
	return raw
}
