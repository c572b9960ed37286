package wasim_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waMmsRetry"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/wasim"
)

// TestMediaFromAPerson sends each type of file to a client, which downloads and decrypts it.
func TestMediaFromAPerson(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	for _, kind := range []string{"image", "video", "audio", "document", "sticker", "ptt", "ptv"} {
		t.Run(kind, func(t *testing.T) {
			data := bytes.Repeat([]byte(kind), 1000)
			id, err := person.Send(t.Context(), bot.Number(), wasim.Message{Media: &wasim.Media{Type: kind, FileName: "a.bin", Caption: "see", Data: data}})
			if err != nil {
				t.Fatal(err)
			}
			m := awaitWhere(c, func(m *events.Message) bool { return m.Info.ID == id })
			got, err := c.Download(t.Context(), downloadable(m.Message))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("download: %d bytes, %v", len(got), err)
			}
		})
	}
	if _, err := person.Send(t.Context(), bot.Number(), wasim.Message{Media: &wasim.Media{Type: "hologram", Data: []byte("x")}}); err == nil {
		t.Error("an unknown type was sent")
	}
}

func downloadable(m *waE2E.Message) whatsmeow.DownloadableMessage {
	if inner := m.GetDocumentWithCaptionMessage().GetMessage(); inner != nil {
		m = inner
	}
	switch {
	case m.ImageMessage != nil:
		return m.ImageMessage
	case m.VideoMessage != nil:
		return m.VideoMessage
	case m.PtvMessage != nil:
		return m.PtvMessage
	case m.AudioMessage != nil:
		return m.AudioMessage
	case m.DocumentMessage != nil:
		return m.DocumentMessage
	default:
		return m.StickerMessage
	}
}

// TestMediaFromAClient uploads with whatsmeow and opens the file on the person's phone.
func TestMediaFromAClient(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	data := bytes.Repeat([]byte("picture"), 1000)
	up, err := c.Upload(t.Context(), data, whatsmeow.MediaImage)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.SendMessage(t.Context(), jid(t, person.JID()), &waE2E.Message{ImageMessage: &waE2E.ImageMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileSHA256: up.FileSHA256, FileEncSHA256: up.FileEncSHA256,
		FileLength: &up.FileLength, Mimetype: proto.String("image/jpeg"), Caption: proto.String("a caption"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := received(t, person, "a caption")
	if r.Type != "image" || r.Media == nil || !bytes.Equal(r.Media.Data, data) || r.Media.Mimetype != "image/jpeg" {
		t.Errorf("received: %+v", r)
	}
}

func TestMediaUploadRefused(t *testing.T) {
	server := wasim.Start(t)
	for path, want := range map[string]int{
		"/mms/image/AAAA?auth=wrong":                   http.StatusUnauthorized,
		"/mms/image/AAAA?auth=" + mediaAuth(t, server): http.StatusBadRequest, // the token is not the hash of the body
	} {
		answer, err := server.HTTPClient().Post("https://mmg.whatsapp.net"+path, "application/octet-stream", bytes.NewReader([]byte("data")))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, answer.StatusCode, want)
		}
	}
}

func mediaAuth(t *testing.T, server *wasim.Server) string {
	c := linked(t, server, server.Phone("5511999990001"))
	conn, err := c.DangerousInternals().RefreshMediaConn(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	return conn.Auth
}

// TestMediaRange reads a part of a file, and no file.
func TestMediaRange(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	if _, err := person.Send(t.Context(), bot.Number(), wasim.Message{Media: &wasim.Media{Type: "image", Data: make([]byte, 500)}}); err != nil {
		t.Fatal(err)
	}
	url := awaitWhere(c, func(m *events.Message) bool { return m.Message.ImageMessage != nil }).Message.ImageMessage.GetURL()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Range", "bytes=10-19")
	answer, err := server.HTTPClient().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	part, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusPartialContent || len(part) != 10 {
		t.Errorf("range: %d, %d bytes, %v", answer.StatusCode, len(part), err)
	}
	missing, err := server.HTTPClient().Get("https://mmg.whatsapp.net/v/t62/none?x=1")
	if err != nil {
		t.Fatal(err)
	}
	defer missing.Body.Close()
	if missing.StatusCode != http.StatusNotFound {
		t.Errorf("no file: %d", missing.StatusCode)
	}
}

// TestFaultMediaGone: 404, a media retry works unless final.
func TestFaultMediaGone(t *testing.T) {
	for name, final := range map[string]bool{"retry works": false, "final": true} {
		t.Run(name, func(t *testing.T) {
			server := wasim.Start(t)
			bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
			c := linked(t, server, bot)
			data := bytes.Repeat([]byte("x"), 300)
			id, err := person.Send(t.Context(), bot.Number(), wasim.Message{Media: &wasim.Media{Type: "image", Data: data}})
			if err != nil {
				t.Fatal(err)
			}
			m := awaitWhere(c, func(m *events.Message) bool { return m.Info.ID == id })
			if err = server.Fault(wasim.Fault{Kind: "media_gone", MessageID: id, Final: final}); err != nil {
				t.Fatal(err)
			}
			img := m.Message.ImageMessage
			if _, err = c.Download(t.Context(), img); !errors.Is(err, whatsmeow.ErrMediaDownloadFailedWith404) {
				t.Fatalf("download of what is gone: %v", err)
			}
			if err = c.SendMediaRetryReceipt(t.Context(), &m.Info, img.MediaKey); err != nil {
				t.Fatal(err)
			}
			answer, err := whatsmeow.DecryptMediaRetryNotification(await[*events.MediaRetry](c), img.MediaKey)
			if final {
				if !errors.Is(err, whatsmeow.ErrMediaNotAvailableOnPhone) {
					t.Errorf("answer: %v, %v", answer, err)
				}
				return
			}
			if err != nil || answer.GetResult() != waMmsRetry.MediaRetryNotification_SUCCESS {
				t.Fatalf("answer: %v, %v", answer, err)
			}
			img.DirectPath = answer.DirectPath
			if got, err := c.Download(t.Context(), img); err != nil || !bytes.Equal(got, data) {
				t.Errorf("second download: %v", err)
			}
		})
	}
}
