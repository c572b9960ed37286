package e2e_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/wasim"
)

// This file proves what section 5, webhooks, says of the whole system: from a
// person who writes to a receiver that answers.

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hooked is linked with a signed webhook that wants messages and goes to a
// collector.
func hooked(t *testing.T, flags ...string) (*apptest.Gateway, *apptest.Socket, *apptest.Collector) {
	t.Helper()
	g := apptest.Start(t, flags...)
	g.Create("sales", nil)
	s := g.Listen("sales", apptest.Token)
	g.Link("sales", olga)
	c := apptest.NewCollector(t)
	c.Verify(hookSecret)
	hook(g, c, object{"secret": hookSecret})
	return g, s, c
}

// hook points a webhook of sales for messages at the collector.
func hook(g *apptest.Gateway, c *apptest.Collector, more object) {
	body := object{"enabled": true, "url": c.URL + "/wh", "events": []string{"message.exchange"}}
	for k, v := range more {
		body[k] = v
	}
	g.Must("POST", "/api/events/webhook/sales", body)
}

// ids are the messages that deliveries are about, in order.
func ids(list []apptest.Delivery) []string {
	out := make([]string, len(list))
	for i, d := range list {
		out[i] = d.Get("message.id")
	}
	return out
}

// TestWebhookGetsTheEnvelopeOfTheWebSocket: the body is the envelope of section
// 6, signed, and the order is that of the events.
func TestWebhookGetsTheEnvelopeOfTheWebSocket(t *testing.T) {
	g, s, c := hooked(t)
	var frames []string
	for _, text := range []string{"one", "two", "three"} {
		frames = append(frames, string(received(t, g, s, wasim.Message{Text: text}).Raw))
	}
	var bodies []string
	for _, d := range c.Wait(3) {
		bodies = append(bodies, string(d.Raw))
		got := []string{d.Path, d.Header.Get("Content-Type"), d.Header.Get("User-Agent"), d.Header.Get("Authorization")}
		if diff := cmp.Diff([]string{"/wh", "application/json", "chasqui/test", ""}, got); diff != "" || d.Attempt != 1 {
			t.Errorf("attempt %d (-want +got):\n%s", d.Attempt, diff)
		}
	}
	if diff := cmp.Diff(frames, bodies); diff != "" {
		t.Errorf("bodies (-WebSocket +webhook):\n%s", diff)
	}
}

// TestWebhookHoldsTheLineOverARestart: a receiver that is busy gets nothing out
// of order; what it did not take is sent again after a restart, byte for byte,
// under the same webhook-id, and what was written meanwhile follows.
func TestWebhookHoldsTheLineOverARestart(t *testing.T) {
	g, s, c := hooked(t, "--webhook-schedule", strings.Repeat("50ms,", 1000))
	c.Always(apptest.Behavior{Status: 503})
	sent := []string{say(t, g, ana, "while it is busy"), say(t, g, bruno, "behind it")}
	first := c.Wait(2)
	s.Expect("message.exchange", is{"message.id": sent[1]})
	g.Shutdown()
	sent = append(sent, say(t, g, ana, "while the gateway is down"))
	before := len(c.Deliveries())
	c.Always(apptest.Behavior{})
	g.Boot()
	got := c.Wait(before + 3)
	if diff := cmp.Diff(sent, ids(got[before:])); diff != "" {
		t.Errorf("after the restart (-sent +delivered):\n%s", diff)
	}
	for _, d := range got[:before] {
		if d.Get("message.id") != sent[0] {
			t.Errorf("%s overtook %s", d.Get("message.id"), sent[0])
		}
	}
	again := got[before]
	if again.ID != first[0].ID || string(again.Raw) != string(first[0].Raw) || again.Attempt <= first[1].Attempt {
		t.Errorf("sent again as %s, attempt %d: %s", again.ID, again.Attempt, again.Raw)
	}
}

// TestWebhookLogAndRedelivery: the log shows what was delivered, and redeliver
// sends it again under the same webhook-id.
func TestWebhookLogAndRedelivery(t *testing.T) {
	g, _, c := hooked(t)
	say(t, g, ana, "hello")
	d := c.Wait(1)[0]
	var logged object
	apptest.Eventually(t, func() bool {
		list := g.Must("GET", "/api/events/deliveries/sales?state=delivered", nil)["deliveries"].([]any)
		if len(list) == 1 {
			logged = list[0].(object)
		}
		return logged != nil
	}, func() string { return "the delivery in the log" })
	if logged["id"] != d.ID || logged["label"] != "default" || logged["event"] != "message.exchange" || logged["eventId"] != d.Meta.ID {
		t.Errorf("the log says %v of %s", logged, d.Raw)
	}
	g.Must("POST", "/api/events/redeliver/sales", object{"id": d.ID})
	again := c.Wait(2)[1]
	if again.ID != d.ID || string(again.Raw) != string(d.Raw) {
		t.Errorf("sent again as %s: %s", again.ID, again.Raw)
	}
}

// TestWebhookMediaBase64: a webhook that asks for it gets the file in the body,
// and what was written behind it in the same chat comes after it.
func TestWebhookMediaBase64(t *testing.T) {
	g, front := apptest.StartBehind(t)
	g.Create("sales", nil)
	s := g.Listen("sales", apptest.Token)
	g.Link("sales", olga)
	with, without := apptest.NewCollector(t), apptest.NewCollector(t)
	hook(g, with, object{"label": "with", "mediaBase64": true})
	hook(g, without, object{"label": "without"})
	front.Hold()
	picture := send(t, g, ana, aPicture)
	behind := say(t, g, ana, "behind it")
	other := say(t, g, bruno, "another chat")
	s.Expect("message.exchange", is{"message.id": other})
	if diff := cmp.Diff([]string{picture, behind, other}, ids(without.Wait(3))); diff != "" {
		t.Errorf("the webhook without base64 (-sent +delivered):\n%s", diff)
	}
	if got := with.Wait(1); got[0].Get("message.id") != other {
		t.Errorf("before the file: %s", got[0].Raw)
	}
	front.Release()
	got := with.Wait(3)
	if diff := cmp.Diff([]string{other, picture, behind}, ids(got)); diff != "" {
		t.Errorf("the webhook with base64 (-want +delivered):\n%s", diff)
	}
	if got[1].Get("message.media.base64") != aPictureBase64 {
		t.Errorf("no file in %s", got[1].Raw)
	}
}

// TestADeadWebhookDelaysNobody: one that accepts and never answers holds up
// neither another webhook of the instance nor the WebSocket.
func TestADeadWebhookDelaysNobody(t *testing.T) {
	g, s, c := hooked(t)
	dead := apptest.NewCollector(t)
	dead.Always(apptest.Behavior{Stall: true})
	hook(g, dead, object{"label": "dead"})
	sent := []string{say(t, g, ana, "one"), say(t, g, ana, "two"), say(t, g, ana, "three")}
	s.Expect("message.exchange", is{"message.id": sent[2]})
	if diff := cmp.Diff(sent, ids(c.Wait(3))); diff != "" {
		t.Errorf("the living one (-sent +delivered):\n%s", diff)
	}
	if n := len(dead.Wait(1)); n != 1 {
		t.Errorf("the dead one got %d at once", n)
	}
}
