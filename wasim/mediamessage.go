package wasim

import (
	"context"
	"fmt"
	"net/http"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"
)

// attachment is what all messages that refer to a file have in common.
type attachment interface {
	whatsmeow.DownloadableMessage
	proto.Message
	GetMimetype() string
	GetURL() string
}

// storeMedia encrypts and keeps a file and returns the message that refers to it.
func (s *Server) storeMedia(_ context.Context, m *Media) (*waE2E.Message, error) {
	build := mediaBuilders[m.Type]
	if build == nil {
		return nil, fmt.Errorf("media type must be image, video, audio, document, sticker, ptt or ptv, not %q", m.Type)
	}
	if len(m.Data) == 0 {
		return nil, fmt.Errorf("media of type %s has no data", m.Type)
	}
	f, err := sealMedia(m.Data, mediaKinds[m.Type])
	if err != nil {
		return nil, err
	}
	mimetype := m.Mimetype
	if mimetype == "" {
		mimetype = defaultMimetype(m)
	}
	return build(m, mimetype, f, s.media.put(f.data)), nil
}

// mediaKinds are the key kinds by media type (whatsmeow: download.go/classToMediaType).
var mediaKinds = map[string]whatsmeow.MediaType{
	"image": whatsmeow.MediaImage, "sticker": whatsmeow.MediaImage,
	"video": whatsmeow.MediaVideo, "ptv": whatsmeow.MediaVideo,
	"audio": whatsmeow.MediaAudio, "ptt": whatsmeow.MediaAudio,
	"document": whatsmeow.MediaDocument,
}

func defaultMimetype(m *Media) string {
	switch m.Type {
	case "sticker":
		return "image/webp"
	case "audio", "ptt":
		return "audio/ogg; codecs=opus"
	case "video", "ptv":
		return "video/mp4"
	default:
		return http.DetectContentType(m.Data)
	}
}

type mediaBuilder func(m *Media, mimetype string, f *sealedFile, path string) *waE2E.Message

var mediaBuilders = map[string]mediaBuilder{
	"image": func(m *Media, mimetype string, f *sealedFile, path string) *waE2E.Message {
		return &waE2E.Message{ImageMessage: &waE2E.ImageMessage{
			URL: proto.String(mediaURL(path)), DirectPath: &path, MediaKey: f.key, FileSHA256: f.hash,
			FileEncSHA256: f.encHash, FileLength: &f.length, Mimetype: &mimetype, Caption: optional(m.Caption),
		}}
	},
	"sticker": func(_ *Media, mimetype string, f *sealedFile, path string) *waE2E.Message {
		return &waE2E.Message{StickerMessage: &waE2E.StickerMessage{
			URL: proto.String(mediaURL(path)), DirectPath: &path, MediaKey: f.key, FileSHA256: f.hash,
			FileEncSHA256: f.encHash, FileLength: &f.length, Mimetype: &mimetype,
		}}
	},
	"video": func(m *Media, mimetype string, f *sealedFile, path string) *waE2E.Message {
		return &waE2E.Message{VideoMessage: videoMessage(m, mimetype, f, path)}
	},
	"ptv": func(m *Media, mimetype string, f *sealedFile, path string) *waE2E.Message {
		return &waE2E.Message{PtvMessage: videoMessage(m, mimetype, f, path)}
	},
	"audio": func(m *Media, mimetype string, f *sealedFile, path string) *waE2E.Message {
		return &waE2E.Message{AudioMessage: audioMessage(mimetype, f, path, false)}
	},
	"ptt": func(m *Media, mimetype string, f *sealedFile, path string) *waE2E.Message {
		return &waE2E.Message{AudioMessage: audioMessage(mimetype, f, path, true)}
	},
	"document": documentMessage,
}

func videoMessage(m *Media, mimetype string, f *sealedFile, path string) *waE2E.VideoMessage {
	return &waE2E.VideoMessage{
		URL: proto.String(mediaURL(path)), DirectPath: &path, MediaKey: f.key, FileSHA256: f.hash,
		FileEncSHA256: f.encHash, FileLength: &f.length, Mimetype: &mimetype, Caption: optional(m.Caption),
	}
}

func audioMessage(mimetype string, f *sealedFile, path string, voice bool) *waE2E.AudioMessage {
	return &waE2E.AudioMessage{
		URL: proto.String(mediaURL(path)), DirectPath: &path, MediaKey: f.key, FileSHA256: f.hash,
		FileEncSHA256: f.encHash, FileLength: &f.length, Mimetype: &mimetype, PTT: proto.Bool(voice),
	}
}

// documentMessage wraps a document that has a caption, as phones do.
func documentMessage(m *Media, mimetype string, f *sealedFile, path string) *waE2E.Message {
	name := m.FileName
	if name == "" {
		name = "document"
	}
	inner := &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{
		URL: proto.String(mediaURL(path)), DirectPath: &path, MediaKey: f.key, FileSHA256: f.hash,
		FileEncSHA256: f.encHash, FileLength: &f.length, Mimetype: &mimetype, FileName: &name, Title: &name,
		Caption: optional(m.Caption),
	}}
	if m.Caption == "" {
		return inner
	}
	return &waE2E.Message{DocumentWithCaptionMessage: &waE2E.FutureProofMessage{Message: inner}}
}

// optional is nil for an empty text.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// attachmentOf finds the file that a message refers to and describes it, without its bytes. Both are nil if it refers
// to none.
func attachmentOf(m *waE2E.Message) (attachment, *Media) {
	switch m = unwrap(m); {
	case m.GetImageMessage() != nil:
		return m.ImageMessage, &Media{Type: "image", Caption: m.ImageMessage.GetCaption()}
	case m.GetVideoMessage() != nil:
		return m.VideoMessage, &Media{Type: "video", Caption: m.VideoMessage.GetCaption()}
	case m.GetPtvMessage() != nil:
		return m.PtvMessage, &Media{Type: "ptv"}
	case m.GetAudioMessage() != nil:
		if m.AudioMessage.GetPTT() {
			return m.AudioMessage, &Media{Type: "ptt"}
		}
		return m.AudioMessage, &Media{Type: "audio"}
	case m.GetDocumentMessage() != nil:
		d := m.DocumentMessage
		return d, &Media{Type: "document", Caption: d.GetCaption(), FileName: d.GetFileName()}
	case m.GetStickerMessage() != nil:
		return m.StickerMessage, &Media{Type: "sticker"}
	default:
		return nil, nil
	}
}

// unwrap takes a message out of the envelopes that mark it as disappearing, view once or a document with a caption.
func unwrap(m *waE2E.Message) *waE2E.Message {
	for {
		inner := firstInner(m.GetDocumentWithCaptionMessage(), m.GetEphemeralMessage(), m.GetViewOnceMessage(),
			m.GetViewOnceMessageV2(), m.GetViewOnceMessageV2Extension())
		if inner == nil {
			return m
		}
		m = inner
	}
}

func firstInner(wrappers ...*waE2E.FutureProofMessage) *waE2E.Message {
	for _, w := range wrappers {
		if w.GetMessage() != nil {
			return w.GetMessage()
		}
	}
	return nil
}

// openMedia fetches and decrypts the file a message refers to; nil if it refers to none.
func (s *Server) openMedia(m *waE2E.Message) (*Media, error) {
	a, media := attachmentOf(m)
	if a == nil {
		return nil, nil // a message without a file is not an error
	}
	media.Mimetype = a.GetMimetype()
	path := a.GetDirectPath()
	if path == "" {
		path = pathOf(a.GetURL())
	}
	data, ok := s.media.get(path)
	if !ok {
		return media, fmt.Errorf("media of type %s: %w", media.Type, ErrNotFound)
	}
	plain, err := openSealed(data, a.GetMediaKey(), mediaKinds[media.Type])
	if err != nil {
		return media, err
	}
	media.Data = plain
	return media, nil
}
