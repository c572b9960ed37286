package waconv

import (
	"encoding/base64"
	"math"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/media"
)

// mediaHost serves the files for which WhatsApp gives only a path.
const mediaHost = "https://mmg.whatsapp.net"

// file is what all of WhatsApp's messages with a file have.
type file interface {
	GetURL() string
	GetDirectPath() string
	GetMediaKey() []byte
	GetFileSHA256() []byte
	GetFileEncSHA256() []byte
	GetFileLength() uint64
	GetMimetype() string
}

// readMedia reads a message that is a file.
func (b *builder) readMedia(p payload) bool {
	switch m := p.value.(type) {
	case *waE2E.ImageMessage:
		b.kind("image", m.GetCaption())
		b.file("image", m, event.Media{Caption: m.GetCaption()})
		b.body.ViewOnce = b.body.ViewOnce || m.GetViewOnce()
	case *waE2E.VideoMessage:
		kind := "video"
		if p.name == "ptvMessage" {
			kind = "ptv"
		}
		b.kind("video", m.GetCaption())
		b.file(kind, m, event.Media{Caption: m.GetCaption()})
		b.body.ViewOnce = b.body.ViewOnce || m.GetViewOnce()
	case *waE2E.AudioMessage:
		kind := "audio"
		if m.GetPTT() {
			kind = "ptt"
		}
		b.kind("audio", "")
		b.file(kind, m, event.Media{})
		b.body.ViewOnce = b.body.ViewOnce || m.GetViewOnce()
	case *waE2E.DocumentMessage:
		b.kind("document", m.GetCaption())
		b.file("document", m, event.Media{Caption: m.GetCaption(), FileName: documentName(m)})
	case *waE2E.StickerMessage:
		b.kind("sticker", "")
		b.file("sticker", m, event.Media{})
	default:
		return false
	}
	return true
}

func documentName(m *waE2E.DocumentMessage) string { return firstText(m.GetFileName(), m.GetTitle()) }

// file fills the media block, which may hold a caption and a name already, and
// the reference to fetch the file by.
func (b *builder) file(kind string, f file, block event.Media) {
	size := fileSize(f.GetFileLength())
	block.Type = kind
	block.URL = fileURL(f)
	block.Mimetype = f.GetMimetype()
	block.Size = size
	block.SHA256 = base64.StdEncoding.EncodeToString(f.GetFileSHA256())
	b.body.Media = &block
	b.media = &media.Ref{
		Kind:          kind,
		URL:           f.GetURL(),
		DirectPath:    f.GetDirectPath(),
		Key:           f.GetMediaKey(),
		FileSHA256:    f.GetFileSHA256(),
		FileEncSHA256: f.GetFileEncSHA256(),
		Size:          size,
		Mimetype:      f.GetMimetype(),
		FileName:      block.FileName,
		SentAt:        b.body.Timestamp,
		Chat:          b.info.Chat.String(),
		Sender:        b.info.Sender.ToNonAD().String(),
		FromMe:        b.info.IsFromMe,
	}
}

func fileURL(f file) string {
	if f.GetURL() == "" && f.GetDirectPath() != "" {
		return mediaHost + f.GetDirectPath()
	}
	return f.GetURL()
}

// fileSize keeps what a sender claims within what an int64 can hold.
func fileSize(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
