package wasim_test

import (
	"bytes"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

// fileOf is what the messages with files have in common.
type fileOf interface {
	whatsmeow.DownloadableMessage
	GetContextInfo() *waE2E.ContextInfo
}

// TestViewOnceMedia: the file is wrapped as phones do it, marked itself, and can be opened.
func TestViewOnceMedia(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	for _, kind := range []string{"image", "video", "audio"} {
		data := bytes.Repeat([]byte(kind), 100)
		m := wasim.Message{ViewOnce: true, Media: &wasim.Media{Type: kind, Data: data}}
		id, err := person.Send(t.Context(), bot.Number(), m)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		got := awaitWhere(c, func(m *events.Message) bool { return m.Info.ID == id })
		file := downloadable(got.Message)
		if marked, ok := file.(interface{ GetViewOnce() bool }); !got.IsViewOnceV2 || !ok || !marked.GetViewOnce() {
			t.Errorf("%s: wrapped %v, marked %v", kind, got.IsViewOnceV2, marked)
		}
		if opened, err := c.Download(t.Context(), file); err != nil || !bytes.Equal(opened, data) {
			t.Errorf("%s: %d bytes, %v", kind, len(opened), err)
		}
	}
	id, err := person.Send(t.Context(), bot.Number(), wasim.Message{Media: &wasim.Media{Type: "image", Data: []byte("often")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := awaitWhere(c, func(m *events.Message) bool { return m.Info.ID == id }); got.IsViewOnce || got.Message.GetImageMessage().GetViewOnce() {
		t.Error("a usual picture is to be viewed once")
	}
}

// TestMediaQuotesAndMentions: every type of file can answer a message.
func TestMediaQuotesAndMentions(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	asked := send(t, person, bot, "which one?")
	for _, kind := range []string{"image", "video", "audio", "document", "sticker", "ptt", "ptv"} {
		for _, caption := range []string{"", "this one"} {
			id, err := person.Send(t.Context(), bot.Number(), wasim.Message{
				ReplyTo: asked, Mentions: []string{bot.Number()},
				Media: &wasim.Media{Type: kind, Caption: caption, FileName: "a.bin", Data: []byte(kind)},
			})
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			got := awaitWhere(c, func(m *events.Message) bool { return m.Info.ID == id })
			info := downloadable(got.Message).(fileOf).GetContextInfo()
			if info.GetStanzaID() != asked || info.GetQuotedMessage().GetConversation() != "which one?" || info.GetParticipant() == "" {
				t.Errorf("%s %q: quotes %v", kind, caption, info)
			}
			if len(info.GetMentionedJID()) != 1 {
				t.Errorf("%s %q: mentions %v", kind, caption, info.GetMentionedJID())
			}
		}
	}
	if _, err := person.Send(t.Context(), bot.Number(), wasim.Message{ReplyTo: "3A00", Media: &wasim.Media{Type: "image", Data: []byte("x")}}); err == nil {
		t.Error("a file that answers an unknown message was sent")
	}
}
