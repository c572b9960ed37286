package httpapi

import (
	"context"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/message"
)

func (a *api) messageRoutes() {
	register(a, operation{
		method: "POST", path: "/api/message/text/{instance}", tag: "Messages", summary: "Send a text",
		auth: authAny, body: bodyRequired, namesProblem: true,
		failure: "Failed to send message: ",
	}, a.sendText)
}

// TextBody is the request of POST /api/message/text. Delay is in seconds.
type TextBody struct {
	Number       *string  `json:"number" nullable:"false" doc:"Phone number, or the address of a person, group or channel"`
	Message      *string  `json:"message" nullable:"false" doc:"At most 65536 characters"`
	Delay        *int     `json:"delay,omitempty" doc:"Seconds of typing before the message, 0 to 30"`
	ReplyTo      *string  `json:"replyTo,omitempty" doc:"ID of a stored message"`
	ReplyPrivate *bool    `json:"replyPrivate,omitempty" doc:"Answer a group message to its author"`
	Mention      []string `json:"mention,omitempty" doc:"Numbers or addresses, in groups"`
	MentionAll   *bool    `json:"mentionAll,omitempty"`
	Source       *string  `json:"source,omitempty" doc:"Label shown in events, at most 64 characters"`
	LinkPreview  *bool    `json:"linkPreview,omitempty" doc:"Preview of the first URL"`
}

// SentAnswer is the answer to a message that WhatsApp acknowledged.
type SentAnswer struct {
	Envelope
	Status string      `json:"status"`
	Data   SentMessage `json:"data"`
}

// SentMessage is a message that was sent.
type SentMessage struct {
	MessageID   string     `json:"messageId"`
	MessageType string     `json:"messageType"`
	Content     string     `json:"content"`
	Direction   string     `json:"direction"`
	Timestamp   time.Time  `json:"timestamp"`
	Source      string     `json:"source"`
	Chat        SentChat   `json:"chat"`
	Sender      SentSender `json:"sender"`
	Mentions    []string   `json:"mentions,omitempty"`
	ReplyTo     *SentReply `json:"replyTo,omitempty"`
}

// SentChat is where a message went.
type SentChat struct {
	JID       string  `json:"jid"`
	LID       *string `json:"lid"`
	Type      string  `json:"type" enum:"private,group,newsletter,status"`
	GroupName string  `json:"groupName,omitempty"`
}

// SentSender is who sent a message: the instance's own number.
type SentSender struct {
	JID string  `json:"jid"`
	LID *string `json:"lid"`
}

// SentReply names the message that was answered.
type SentReply struct {
	MessageID string `json:"messageId"`
}

func (a *api) sendText(ctx context.Context, c *call, b *TextBody) (SentAnswer, error) {
	sent, err := a.Messages.SendText(ctx, c.instance.ID, message.Text{
		Number: deref(b.Number), Message: deref(b.Message), Delay: deref(b.Delay),
		ReplyTo: deref(b.ReplyTo), ReplyPrivate: deref(b.ReplyPrivate),
		Mention: b.Mention, MentionAll: deref(b.MentionAll),
		Source: deref(b.Source), LinkPreview: deref(b.LinkPreview),
	})
	if err != nil {
		return SentAnswer{}, err
	}
	return SentAnswer{
		Envelope: success("Message sent successfully"),
		Status:   "sent", Data: viewSent(sent),
	}, nil
}

func viewSent(m message.Answer) SentMessage {
	view := SentMessage{
		MessageID: m.ID, MessageType: m.Type, Content: m.Content,
		Direction: event.Outgoing, Timestamp: stamp(m.Timestamp), Source: m.Source,
		Chat:     SentChat{JID: m.Chat.JID, LID: optional(m.Chat.LID), Type: m.Chat.Type},
		Sender:   SentSender{JID: m.Sender.JID, LID: optional(m.Sender.LID)},
		Mentions: m.Mentions,
	}
	if m.Chat.Type == event.ChatGroup {
		view.Chat.GroupName = m.Chat.Name
	}
	if m.ReplyTo != "" {
		view.ReplyTo = &SentReply{MessageID: m.ReplyTo}
	}
	return view
}
