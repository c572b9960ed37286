package e2e_test

import (
	"strings"
	"testing"
	"time"

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
	_ = s.Conn.CloseNow() // a stop waits for clients that do not read
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

// TestWebhookWaitsAreOptions: webhook.timeout ends an attempt, webhook.schedule
// says when the next one comes, and media.webhook_wait ends the wait for a file,
// whatever media.wait says.
func TestWebhookWaitsAreOptions(t *testing.T) {
	g, front := apptest.StartBehind(t, "--webhook-timeout", "200ms", "--webhook-schedule", "100s,1h",
		"--media-webhook-wait", "200ms", "--media-wait", "1h")
	g.Create("sales", nil)
	g.Link("sales", olga)
	c := apptest.NewCollector(t)
	c.Always(apptest.Behavior{Stall: true})
	hook(g, c, object{"mediaBase64": true})
	front.Hold()
	send(t, g, ana, aPicture)
	if d := c.Wait(1)[0]; d.Get("message.media.error") != "timeout" || d.Get("message.media.base64") != "" {
		t.Errorf("without its file in time: %s", d.Raw)
	}
	var next, attempt object
	apptest.Eventually(t, func() bool {
		next = logged(g, "pending")[0]
		list := next["attempts"].([]any)
		if len(list) > 0 {
			attempt = list[0].(object)
		}
		return attempt != nil
	}, func() string { return "an attempt in the log" })
	if wait := instant(t, next["nextAttemptAt"]).Sub(instant(t, attempt["at"])); wait < 79*time.Second || wait > 130*time.Second {
		t.Errorf("the next attempt comes after %v, want 100 s", wait)
	}
	if ms := attempt["durationMs"].(float64); attempt["error"] != "timeout" || ms < 200 || ms > 10_000 {
		t.Errorf("the attempt: %v", attempt)
	}
}

func instant(t *testing.T, of any) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, of.(string))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestWebhookPoolsAreOptions: of two receivers that stall, one place in each
// pool lets one attempt run; that of the other is put back.
func TestWebhookPoolsAreOptions(t *testing.T) {
	g := apptest.Start(t, "--webhook-pool", "1", "--webhook-slow-pool", "1")
	g.Create("sales", nil)
	g.Link("sales", olga)
	for _, label := range []string{"a", "b"} {
		c := apptest.NewCollector(t)
		c.Always(apptest.Behavior{Stall: true})
		hook(g, c, object{"label": label})
	}
	say(t, g, ana, "nobody answers")
	var metrics string
	apptest.Eventually(t, func() bool {
		metrics = string(g.Do("GET", "/metrics", "", nil).Raw)
		return strings.Contains(metrics, `chasqui_webhook_attempts_total{outcome="put_back"} 1`)
	}, func() string { return "an attempt to be put back in:\n" + metrics })
}

// TestWebhookMediaTooLarge: a file over media.base64_max is not in the body, and
// nobody waits for it.
func TestWebhookMediaTooLarge(t *testing.T) {
	g, _, c := hooked(t, "--media-base64-max", "3")
	hook(g, c, object{"secret": hookSecret, "mediaBase64": true})
	sent := []string{send(t, g, ana, aPicture), say(t, g, ana, "behind it")}
	got := c.Wait(2)
	if diff := cmp.Diff(sent, ids(got)); diff != "" {
		t.Errorf("(-sent +delivered):\n%s", diff)
	}
	if d := got[0]; d.Get("message.media.error") != "too_large" || d.Get("message.media.base64") != "" {
		t.Errorf("over the limit: %s", d.Raw)
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

// state reads the webhook labelled default.
func state(g *apptest.Gateway) object {
	return g.Must("GET", "/api/events/getWebhook/sales?label=default", nil)["webhook"].(object)
}

// logged are the deliveries in a state, oldest first, as message ids.
func logged(g *apptest.Gateway, state string) []object {
	list := g.Must("GET", "/api/events/deliveries/sales?state="+state, nil)["deliveries"].([]any)
	out := make([]object, len(list))
	for i, d := range list {
		out[len(list)-1-i] = d.(object)
	}
	return out
}

// TestWebhookGone: 410 disables the webhook, what waits dies with reason
// disabled, and can be redelivered once it is enabled.
func TestWebhookGone(t *testing.T) {
	g, s, c := hooked(t, "--webhook-schedule", strings.Repeat("50ms,", 1000))
	c.Next(apptest.Behavior{Status: 503}, apptest.Behavior{Status: 503})
	c.Always(apptest.Behavior{Status: 410})
	sent := []string{say(t, g, ana, "the receiver is gone"), say(t, g, ana, "behind it")}
	apptest.Eventually(t, func() bool { return state(g)["enabled"] == false }, func() string { return "the webhook to be disabled" })
	if now := state(g); now["url"] != c.URL+"/wh" || now["reason"] == nil {
		t.Errorf("disabled by its receiver: %v", now)
	}
	apptest.Eventually(t, func() bool { return len(logged(g, "dead")) == 2 }, func() string { return "two dead deliveries" })
	for _, d := range logged(g, "dead") {
		if d["reason"] != "disabled" {
			t.Errorf("dead because of %v", d["reason"])
		}
	}
	if m := string(g.Do("GET", "/metrics", "", nil).Raw); !strings.Contains(m, "\nchasqui_webhook_deliveries_total{outcome=\"dead\"} 2\n") {
		t.Errorf("not two dead ones in:\n%s", m)
	}
	unwanted := say(t, g, ana, "while it is disabled")
	s.Expect("message.exchange", is{"message.id": unwanted})
	if a := g.Do("POST", "/api/events/redeliver/sales", apptest.Token, object{"label": "default"}); a.Status != 409 {
		t.Errorf("redelivered while disabled: %d %s", a.Status, a.Raw)
	}
	before := len(c.Deliveries())
	c.Always(apptest.Behavior{})
	hook(g, c, object{"secret": hookSecret})
	if n := g.Must("POST", "/api/events/redeliver/sales", object{"label": "default"})["queued"]; n != 2.0 {
		t.Errorf("%v queued, want 2", n)
	}
	if diff := cmp.Diff(sent, ids(c.Wait(before + 2)[before:])); diff != "" {
		t.Errorf("redelivered (-sent +delivered):\n%s", diff)
	}
}

// TestWebhookPausedAndResumed: one that fails for too long is paused and says
// so; events queue, and go out in order after the next set.
func TestWebhookPausedAndResumed(t *testing.T) {
	g, s, c := hooked(t, "--webhook-schedule", strings.Repeat("20ms,", 1000), "--webhook-pause-after", "100ms")
	c.Always(apptest.Behavior{Status: 503})
	sent := []string{say(t, g, ana, "it fails")}
	apptest.Eventually(t, func() bool { return state(g)["paused"] == true }, func() string { return "the webhook to be paused" })
	if now := state(g); now["enabled"] != true || now["reason"] == nil {
		t.Errorf("paused: %v", now)
	}
	sent = append(sent, say(t, g, ana, "while paused"), say(t, g, bruno, "and more"))
	s.Expect("message.exchange", is{"message.id": sent[2]})
	before := len(c.Deliveries())
	c.Always(apptest.Behavior{})
	hook(g, c, nil)
	if now := state(g); now["paused"] != false || now["reason"] != nil {
		t.Errorf("after a set: %v", now)
	}
	if diff := cmp.Diff(sent, ids(c.Wait(before + 3)[before:])); diff != "" {
		t.Errorf("resumed (-sent +delivered):\n%s", diff)
	}
}

// TestWebhookOfADeletedInstance gets nothing more, and nobody stumbles over it.
func TestWebhookOfADeletedInstance(t *testing.T) {
	log := &journal{}
	g := apptest.StartLogged(t, log, "--webhook-schedule", strings.Repeat("20ms,", 1000))
	g.Create("sales", nil)
	g.Link("sales", olga)
	c := apptest.NewCollector(t)
	c.Always(apptest.Behavior{Status: 503})
	hook(g, c, nil)
	say(t, g, ana, "it waits")
	c.Wait(2)
	g.Must("DELETE", "/api/instance/delete/sales", nil)
	g.Must("POST", "/api/instance/new", object{"name": "sales"})
	c.Always(apptest.Behavior{})
	hook(g, c, object{"events": []string{"instance.state"}})
	g.Must("GET", "/api/instance/connect/sales", nil)
	c.Expect("instance.state", is{"state": "qr_ready"})
	got := c.Deliveries()
	if last := got[len(got)-1]; last.Event != "instance.state" {
		t.Errorf("of the deleted one: %s", last.Raw)
	}
	if strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Errorf("an error was logged:\n%s", log.String())
	}
}

// TestWebhookMetrics: section 8, deliveries and attempts by outcome, queue,
// downloads.
func TestWebhookMetrics(t *testing.T) {
	g, _, c := hooked(t, "--webhook-schedule", strings.Repeat("20ms,", 1000))
	c.Next(apptest.Behavior{Status: 503})
	hook(g, c, object{"secret": hookSecret, "mediaBase64": true})
	send(t, g, ana, aPicture)
	c.Wait(2)
	want := []string{
		`chasqui_webhook_deliveries_total{outcome="delivered"} 1`, `chasqui_webhook_attempts_total{outcome="failed"} 1`,
		`chasqui_webhook_attempts_total{outcome="succeeded"} 1`, `chasqui_media_downloads_total{outcome="succeeded"} 1`,
		`chasqui_webhook_queue_depth{state="healthy"} 0`,
	}
	var metrics string
	apptest.Eventually(t, func() bool {
		metrics = string(g.Do("GET", "/metrics", "", nil).Raw)
		for _, line := range want {
			if !strings.Contains(metrics, line+"\n") {
				return false
			}
		}
		return true
	}, func() string { return strings.Join(want, "\n") + "\nin:\n" + metrics })
}

// TestWebhookLogsKeepSecrets: section 8, a log line names instance, webhook,
// event and delivery, never the URL's query, a header, the secret or the text.
func TestWebhookLogsKeepSecrets(t *testing.T) {
	log := &journal{}
	g := apptest.StartLogged(t, log, "--webhook-schedule", strings.Repeat("20ms,", 1000))
	g.Create("sales", nil)
	g.Link("sales", olga)
	c := apptest.NewCollector(t)
	c.Next(apptest.Behavior{Status: 503}, apptest.Behavior{Reset: true})
	hook(g, c, object{
		"url": c.URL + "/wh?key=hidden-in-the-query", "secret": hookSecret, "authorization": "Bearer hidden-authorization",
		"headers": object{"X-Key": "hidden-header"},
	})
	say(t, g, ana, "a confidential word")
	first := c.Wait(3)[0]
	hook(g, c, object{"url": "http://127.0.0.1:1/wh?key=hidden-in-the-query"})
	say(t, g, ana, "a confidential answer")
	apptest.Eventually(t, func() bool { return strings.Count(log.String(), `"a webhook fails"`) == 2 }, log.String)
	g.Shutdown()
	text := log.String()
	for _, secret := range []string{apptest.Token, hookSecret, "hidden-", "confidential"} {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("the log holds %q: ...%s", secret, text[max(0, i-200):min(len(text), i+100)])
		}
	}
	for _, line := range []string{`"label":"default"`, `"delivery_id":"` + first.ID + `","event_id":"` + first.Meta.ID + `"`, `"a webhook works again"`} {
		if !strings.Contains(text, line) {
			t.Errorf("the log does not hold %s:\n%s", line, text)
		}
	}
}
