package e2e_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/wasim"
)

// This file proves what mediaBase64 does to the order of section 4, with a
// network whose files can be held back.

var (
	aPicture       = wasim.Message{Media: &wasim.Media{Type: "image", Mimetype: "image/png", Caption: "look", Data: []byte("picture")}}
	aPictureBase64 = base64.StdEncoding.EncodeToString([]byte("picture"))
)

// linkedBehind is linked with files that can be held back, all wanted.
func linkedBehind(t *testing.T, flags ...string) (*apptest.Gateway, *apptest.Socket, *apptest.Front) {
	t.Helper()
	g, front := apptest.StartBehind(t, flags...)
	g.Create("sales", object{"websocketMediaBase64": true})
	s := g.Listen("sales", apptest.Token)
	g.Link("sales", olga)
	return g, s, front
}

// wrote makes the gateway write to somebody and waits for its event.
func wrote(t *testing.T, g *apptest.Gateway, s *apptest.Socket, to, text string) string {
	t.Helper()
	g.Network.Phone(to)
	answer := g.Must("POST", "/api/message/text/sales", object{"number": to, "message": text})
	id := answer["data"].(object)["messageId"].(string)
	s.Expect("message.exchange", is{"message.id": id, "message.direction": "outgoing"})
	return id
}

func read(t *testing.T, g *apptest.Gateway, who, id, status string) {
	t.Helper()
	if err := g.Network.Phone(who).Receipt(background(t), olga, []string{id}, status); err != nil {
		t.Fatal(err)
	}
}

// TestOrderMediaWait: message.exchange and message.status of the chat wait behind
// its picture, everything else goes on; the sequence shows the original order.
func TestOrderMediaWait(t *testing.T) {
	g, s, front := linkedBehind(t)
	id := wrote(t, g, s, ana, "hello")
	s.Expect("message.status", is{"status": "delivered"})
	fence(t, g, s)
	front.Hold()
	picture := send(t, g, ana, aPicture)
	read(t, g, ana, id, "read")
	text := say(t, g, ana, "behind it")
	call := ring(t, g, wasim.CallAction{Action: "offer"})
	other := say(t, g, bruno, "another chat")
	first, second := s.Next(), s.Next()
	if first.Get("callId") != call || second.Get("message.id") != other {
		t.Fatalf("while the file is held back: %s, %s", first.Raw, second.Raw)
	}
	front.Release()
	frames := []apptest.Frame{s.Next(), s.Next(), s.Next()}
	got := []string{
		frames[0].Get("message.id") + frames[0].Get("message.media.base64"), frames[1].Get("status"), frames[2].Get("message.id"),
	}
	if diff := cmp.Diff([]string{picture + aPictureBase64, "read", text}, got); diff != "" {
		t.Error(diff)
	}
	for i, f := range append(frames, first, second) {
		if want := frames[0].Meta.Sequence + int64(i); f.Meta.Sequence != want {
			t.Errorf("sequence %d, want %d: %s", f.Meta.Sequence, want, f.Raw)
		}
	}
}

// TestOrderMediaWaitEnds: after media.wait the event goes out without its bytes.
func TestOrderMediaWaitEnds(t *testing.T) {
	g, s, front := linkedBehind(t, "--media-wait", "300ms")
	front.Hold()
	start := time.Now()
	id := send(t, g, ana, aPicture)
	behind := say(t, g, ana, "behind it")
	f := s.Expect("message.exchange", is{"message.id": id})
	if f.Get("message.media.error") != "timeout" || f.Get("message.media.base64") != "" {
		t.Errorf("after media.wait: %s", f.Raw)
	}
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("it waited only %s", took)
	}
	s.Expect("message.exchange", is{"message.id": behind})
}

// TestFilterAndMediaAreReadWhenTheEventIsProduced: what waits for its file keeps
// the configuration under which it was produced.
func TestFilterAndMediaAreReadWhenTheEventIsProduced(t *testing.T) {
	g, s, front := linkedBehind(t)
	fence(t, g, s)
	front.Hold()
	id := send(t, g, ana, aPicture)
	behind := say(t, g, ana, "behind it")
	other := say(t, g, bruno, "both are produced")
	s.Expect("message.exchange", is{"message.id": other})
	set(g, only("call.update"))
	unwanted := say(t, g, ana, "produced under the new filter")
	call := ring(t, g, wasim.CallAction{Action: "offer"})
	s.Expect("call.update", is{"callId": call})
	front.Release()
	s.Expect("message.exchange", is{"message.id": id, "message.media.base64": aPictureBase64})
	s.Expect("message.exchange", is{"message.id": behind})
	set(g, only("message.exchange"))
	for _, f := range fence(t, g, s) {
		t.Errorf("not wanted (the unwanted one is %s): %s", unwanted, f.Raw)
	}
}

// TestMediaIsDownloadedOnceForAllClients and decoded for each.
func TestMediaIsDownloadedOnceForAllClients(t *testing.T) {
	g, s, front := linkedBehind(t)
	second := g.Listen("sales", apptest.Token)
	id := send(t, g, ana, aPicture)
	for _, c := range []*apptest.Socket{s, second} {
		c.Expect("message.exchange", is{"message.id": id, "message.media.base64": aPictureBase64})
	}
	if n := front.Downloads(); n != 1 {
		t.Errorf("%d downloads, want 1", n)
	}
}

// TestMediaErrorTooLarge: over media.base64_max nothing is downloaded.
func TestMediaErrorTooLarge(t *testing.T) {
	g, s, front := linkedBehind(t, "--media-base64-max", "6B")
	id := send(t, g, ana, aPicture)
	f := s.Expect("message.exchange", is{"message.id": id, "message.media.error": "too_large"})
	if f.Get("message.media.base64") != "" || front.Downloads() != 0 {
		t.Errorf("%d downloads, %s", front.Downloads(), f.Raw)
	}
}
