package wa_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/wasim"
)

func TestDownload(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	file := bytes.Repeat([]byte("chasqui "), 4096)
	for _, kind := range []string{"image", "video", "audio", "document", "sticker", "ptt", "ptv"} {
		t.Run(kind, func(t *testing.T) {
			id := r.send(ana, ownNumber, wasim.Message{Media: &wasim.Media{Type: kind, Mimetype: "application/octet-stream", FileName: "f.bin", Data: file}})
			ref := r.mediaOf(t, id)
			got, err := r.engine.Download(r.ctx(), instanceID, *ref, int64(len(file)))
			if err != nil || !bytes.Equal(got, file) {
				t.Fatalf("Download: %d bytes, %v", len(got), err)
			}
		})
	}
}

func (r *rig) mediaOf(t *testing.T, id string) *media.Ref {
	t.Helper()
	item := r.events.wait(t, "media "+id, func(i dispatch.Item) bool {
		m, ok := i.Data.(*event.Message)
		return ok && m.ID == id
	})
	if item.Media == nil {
		t.Fatalf("message %s has no media: %+v", id, item.Data)
	}
	return item.Media
}

func TestDownloadLimit(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	file := bytes.Repeat([]byte{7}, 100_000)
	ref := *r.mediaOf(t, r.send(ana, ownNumber, wasim.Message{Media: &wasim.Media{Type: "image", Mimetype: "image/jpeg", Data: file}}))
	if _, err := r.engine.Download(r.ctx(), instanceID, ref, 99_999); !errors.Is(err, media.ErrTooLarge) {
		t.Errorf("one byte over: %v", err)
	}
	ref.Size = 10 // a sender that lies
	if _, err := r.engine.Download(r.ctx(), instanceID, ref, 50_000); !errors.Is(err, media.ErrTooLarge) {
		t.Errorf("a file larger than claimed: %v", err)
	}
}

func TestDownloadOfAFileThatIsGone(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	id := r.send(ana, ownNumber, wasim.Message{Media: &wasim.Media{Type: "image", Mimetype: "image/jpeg", Data: []byte("jpeg")}})
	ref := *r.mediaOf(t, id)
	if err := r.net.Fault(wasim.Fault{Kind: "media_gone", MessageID: id, Final: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.engine.Download(r.ctx(), instanceID, ref, 1000); !errors.Is(err, media.ErrExpired) {
		t.Errorf("error = %v, want media.ErrExpired", err)
	}
	if _, err := r.engine.Download(r.ctx(), "i-2", ref, 1000); err == nil {
		t.Error("an unknown instance downloaded")
	}
}
