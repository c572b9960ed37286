package httpapi

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/chasqui/chasqui/internal/chat"
	"github.com/chasqui/chasqui/internal/media"
)

// requestFailed is the text of unknown errors of the chat module.
const requestFailed = "Request failed: "

func (a *api) chatRoutes() {
	const tag = "Chats"
	messageID := []param{{"messageId", "ID of a stored message, received or sent"}}
	register(a, operation{
		method: "GET", path: "/api/chat/getMessage/{instance}", tag: tag, summary: "Read a stored message",
		auth: authAny, params: messageID, failure: requestFailed,
	}, a.getMessage)
	register(a, operation{
		method: "GET", path: "/api/chat/base64/{instance}", tag: tag, summary: "Read the file of a stored message",
		auth: authAny, params: messageID, failure: requestFailed,
	}, a.getBase64)
}

// MessageAnswer is the answer of GET /api/chat/getMessage.
type MessageAnswer struct {
	Envelope
	MessageID string      `json:"messageId"`
	Data      MessageView `json:"data"`
	Status    string      `json:"status" enum:"found"`
}

// MessageView is a stored message. SenderJID is there in groups only.
type MessageView struct {
	Content   string       `json:"content"`
	Type      string       `json:"type"`
	From      string       `json:"from"`
	To        string       `json:"to"`
	Chat      string       `json:"chat"`
	SenderJID string       `json:"senderJid,omitempty"`
	Timestamp time.Time    `json:"timestamp"`
	IsGroup   bool         `json:"isGroup"`
	Status    string       `json:"status" enum:"sent,delivered,received,read,played,error"`
	Media     *MessageFile `json:"media,omitempty"`
}

// MessageFile is what a message says about its file: Size in bytes, Duration in
// seconds of sound or video.
type MessageFile struct {
	Type     string `json:"type" enum:"image,video,audio,document,sticker,ptt,ptv"`
	MimeType string `json:"mimeType"`
	Size     int64  `json:"size"`
	Duration int    `json:"duration"`
}

func (a *api) getMessage(ctx context.Context, c *call, _ *none) (MessageAnswer, error) {
	own := a.Instances.Status(c.instance).NumberJID
	m, err := a.Chats.GetMessage(ctx, c.instance.ID, own, c.query.Get("messageId"))
	return MessageAnswer{
		Envelope: success("Message found"), MessageID: m.ID, Data: viewMessage(&m), Status: "found",
	}, err
}

func viewMessage(m *chat.Message) MessageView {
	view := MessageView{
		Content: m.Text, Type: m.Type, From: m.From, To: m.To, Chat: m.Chat, SenderJID: m.Sender,
		Timestamp: stamp(m.SentAt), IsGroup: m.IsGroup, Status: m.Status,
	}
	if d := m.Media; d != nil {
		view.Media = &MessageFile{Type: d.Ref.Kind, MimeType: d.Ref.Mimetype, Size: d.Ref.Size, Duration: d.Duration}
	}
	return view
}

// Base64Answer is the answer of GET /api/chat/base64. Base64, which must stay
// the last field, is filled while the answer is sent.
type Base64Answer struct {
	Envelope
	MessageID string `json:"message_id"`
	MimeType  string `json:"mime_type"`
	MediaType string `json:"media_type" enum:"image,video,audio,document,sticker,ptt,ptv"`
	Base64    string `json:"base64"`

	file *media.File
}

func (a *api) getBase64(ctx context.Context, c *call, _ *none) (Base64Answer, error) {
	m, err := a.Chats.Media(ctx, c.instance.ID, c.query.Get("messageId"))
	return Base64Answer{
		Envelope:  success("Base64 retrieved successfully"),
		MessageID: m.MessageID, MimeType: m.Mimetype, MediaType: m.Kind, file: m.File,
	}, err
}

// serve implements streamed: it sends the file without ever holding it.
func (b Base64Answer) serve(a *api, w http.ResponseWriter, r *http.Request) {
	defer b.file.Close()
	const tail = "\"}\n"
	head, err := json.Marshal(b)
	var from io.ReadCloser
	if err == nil {
		from, err = b.file.Open()
	}
	if err != nil {
		a.fail(w, r, err, failureText(requestFailed, err))
		return
	}
	defer func() { _ = from.Close() }() // what was read is read
	head = head[:len(head)-len(`"}`)]   // up to the content of the last string
	sendHeader(w, http.StatusOK, "application/json", len(head)+base64.StdEncoding.EncodedLen(int(b.file.Size()))+len(tail))
	if err := writeBase64(w, head, from, tail); err != nil {
		a.log.InfoContext(r.Context(), "a file was not sent whole", slog.Any("error", err), requestAttr(r.Context()))
		panic(http.ErrAbortHandler) // so that the caller does not take it for whole
	}
}

func writeBase64(w io.Writer, head []byte, from io.Reader, tail string) error {
	out := bufio.NewWriterSize(w, 64<<10)
	_, _ = out.Write(head) // an error of the writer stays and comes back from Flush
	enc := base64.NewEncoder(base64.StdEncoding, out)
	if _, err := io.Copy(enc, from); err != nil {
		return err
	}
	if err := enc.Close(); err != nil {
		return err
	}
	_, _ = out.WriteString(tail)
	return out.Flush()
}
