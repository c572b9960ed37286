package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/chasqui/chasqui/internal/webhook"
)

// offsets are when a receiver was tried, counted from the first time.
func offsets(posts []post) []time.Duration {
	list := make([]time.Duration, len(posts))
	for i, p := range posts {
		list[i] = p.at.Sub(posts[0].at).Round(time.Second)
	}
	return list
}

func wantOffsets(t *testing.T, posts []post, want ...time.Duration) {
	t.Helper()
	if got := offsets(posts); !slices.Equal(got, want) {
		t.Errorf("tried at %v, want %v", got, want)
	}
}

// Section 5, order: a failure that says nothing about the event holds the line;
// it is tried on the schedule, but at least every 2 min; when it succeeds the
// rest follow in order.
func TestHoldsTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		b.out.tell(b.urls[0], 503)
		b.record(3)
		pass(8 * time.Minute)
		b.want(b.urls[0], "1", "1", "1", "1", "1", "1")
		wantOffsets(t, b.out.posts(b.urls[0]), 0, 5*time.Second, 35*time.Second, 155*time.Second, 275*time.Second, 395*time.Second)
		b.out.tell(b.urls[0], 200)
		pass(2 * time.Minute)
		b.want(b.urls[0], "1", "1", "1", "1", "1", "1", "1", "2", "3")
		attempts := []string{}
		for _, p := range b.out.posts(b.urls[0]) {
			attempts = append(attempts, p.attempt)
		}
		if got := strings.Join(attempts, " "); got != "1 2 3 4 5 6 7 1 1" {
			t.Errorf("webhook-attempt %s", got)
		}
	})
}

// Section 5, order: an answer about the event lets the following deliveries
// overtake it after the third one; it goes on by itself on the schedule.
func TestPoisonIsOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		b.out.say(b.urls[0], func(_ context.Context, r webhook.Request) (webhook.Response, error) {
			if r.Header["webhook-attempt"] < "5" && r.Size == 1 {
				return webhook.Response{Status: 400}, nil
			}
			return webhook.Response{Status: 200}, nil
		})
		b.events = 8
		b.record(3) // "9", which is refused, "10", "11"
		pass(34 * time.Second)
		b.want(b.urls[0], "9", "9")
		pass(time.Minute)
		b.want(b.urls[0], "9", "9", "9", "10", "11")
		b.record(1)
		pass(15 * time.Minute)
		b.want(b.urls[0], "9", "9", "9", "10", "11", "12", "9", "9")
		wantOffsets(t, b.out.posts(b.urls[0])[6:], 0, 10*time.Minute)
		if got := b.states(); got[webhook.Delivered] != 4 {
			t.Errorf("states %v", got)
		}
	})
}

// Section 5, order: ordering relaxed lets every failed delivery be overtaken at
// once.
func TestRelaxed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 0, webhook.WorkerOptions{})
		b.put(webhook.Webhook{ID: "hook", URL: "http://receiver/relaxed", Ordering: webhook.Relaxed})
		var once atomic.Bool
		b.out.say(b.urls[0], func(context.Context, webhook.Request) (webhook.Response, error) {
			if once.CompareAndSwap(false, true) {
				return webhook.Response{}, errors.New("connection refused")
			}
			return webhook.Response{Status: 204}, nil
		})
		b.record(3)
		pass(time.Second)
		b.want(b.urls[0], "1", "2", "3")
		pass(5 * time.Second)
		b.want(b.urls[0], "1", "2", "3", "1")
	})
}

// Section 5: 429 and 503 with Retry-After are honoured up to 1 h.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		ask := func(wait time.Duration) {
			b.out.say(b.urls[0], func(context.Context, webhook.Request) (webhook.Response, error) {
				return webhook.Response{Status: 429, RetryAfter: wait}, nil
			})
		}
		ask(40 * time.Minute)
		b.record(1)
		pass(time.Second)
		ask(5 * time.Hour)
		pass(2 * time.Hour)
		wantOffsets(t, b.out.posts(b.urls[0]), 0, 40*time.Minute, 100*time.Minute)
	})
}

// Section 5: success is any 2xx within 15 s; the log says timeout.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		b.out.stall(b.urls[0])
		b.record(1)
		pass(16 * time.Second)
		list, _, err := b.ListDeliveries(t.Context(), sales, webhook.Query{Limit: 1})
		must(t, err)
		if a := list[0].Attempts; len(a) != 1 || a[0].Error != "timeout" || a[0].Status != 0 || a[0].Duration != 15*time.Second {
			t.Errorf("attempts %+v", a)
		}
	})
}

// Section 5: dead when 9 attempts have failed and 20 h 42 min have passed since
// the first; then the next one has its turn.
func TestScheduleExhausted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		b.out.tell(b.urls[0], 502)
		b.record(1)
		pass(20*time.Hour + 42*time.Minute - time.Second)
		if got := b.states(); got[webhook.Pending] != 1 || len(b.out.bodies(b.urls[0])) < 600 {
			t.Errorf("states %v after %d attempts", got, len(b.out.bodies(b.urls[0])))
		}
		pass(5 * time.Minute)
		list, _, err := b.ListDeliveries(t.Context(), sales, webhook.Query{State: webhook.Dead, Limit: 1})
		must(t, err)
		if len(list) != 1 || list[0].Reason != webhook.ReasonExhausted || len(list[0].Attempts) != webhook.KeptAttempts {
			t.Errorf("dead: %+v", list)
		}
	})
}

// Section 5: 410 disables the webhook; what waits is dead with reason disabled.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		b := open(t, 1, webhook.WorkerOptions{Disabled: func(_ context.Context, id string) { told = append(told, id) }})
		b.out.tell(b.urls[0], 410)
		b.record(700)
		pass(time.Second)
		b.want(b.urls[0], "1")
		if got := b.states(); got[webhook.Dead] != 700 {
			t.Errorf("states %v", got)
		}
		list, err := b.ListWebhooks(t.Context(), sales)
		must(t, err)
		if w := list[0]; w.Enabled || w.Reason == "" || w.URL == "" {
			t.Errorf("webhook %+v", w)
		}
		if !slices.Contains(told, sales) {
			t.Error("nobody was told to withdraw the hook")
		}
	})
}

// Section 5: a webhook that fails for 5 days is paused with the reason; events
// still queue, and go out in order after the set that resumes it.
func TestPauseAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		b.out.tell(b.urls[0], 502)
		b.record(2)
		pass(5*24*time.Hour - time.Minute)
		if w := b.webhook(); w.Paused {
			t.Fatal("paused early")
		}
		for b.webhook().FailingSince.IsZero() || !b.webhook().Paused {
			b.record(1) // the two are dead after less than two days
			pass(time.Hour)
		}
		w := b.webhook()
		if w.Reason == "" {
			t.Error("no reason")
		}
		tried := len(b.out.bodies(b.urls[0]))
		b.out.tell(b.urls[0], 200)
		b.record(5)
		pass(10 * 24 * time.Hour)
		if n := len(b.out.bodies(b.urls[0])); n != tried {
			t.Errorf("%d attempts while paused", n-tried)
		}
		waiting := b.states()[webhook.Pending]
		w.Paused, w.Reason, w.FailingSince = false, "", time.Time{}
		must(t, b.PutWebhook(t.Context(), w))
		b.worker.Changed(w.ID)
		pass(time.Second)
		b.want(b.urls[0], append(b.out.bodies(b.urls[0])[:tried], numbers(b.events-waiting+1, b.events)...)...)
	})
}

func (b *bench) webhook() webhook.Webhook {
	b.t.Helper()
	list, err := b.ListWebhooks(b.t.Context(), sales)
	must(b.t, err)
	return list[0]
}

// Section 5: one slow or dead target never delays another webhook. The fast
// lane never holds one that is slow, and both lanes keep to their size.
func TestDeadTargetsDelayNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 60, webhook.WorkerOptions{Pool: 20, SlowPool: 5})
		for _, url := range b.urls[:40] {
			b.out.stall(url)
		}
		b.record(1)
		pass(10 * time.Second) // two turns of dead ones go through the fast lane
		for range 50 {
			b.record(1)
			pass(200 * time.Millisecond)
			for _, url := range b.urls[40:] {
				if got := len(b.out.bodies(url)); got != b.events {
					t.Fatalf("%s got %d of %d", url, got, b.events)
				}
			}
			if s := b.worker.Stats(); s.FastRunning > 0 || s.SlowRunning > 5 {
				t.Fatalf("stats %+v", s)
			}
		}
		if b.out.most > 25 {
			t.Errorf("%d attempts at once", b.out.most)
		}
		for _, url := range b.urls[:40] {
			b.out.tell(url, 200)
		}
		pass(30 * time.Minute)
		if got := b.states(); got[webhook.Delivered] != 60*b.events {
			t.Errorf("states %v", got)
		}
		for _, url := range b.urls[:40] {
			if got := slices.Compact(b.out.bodies(url)); !slices.Equal(got, numbers(1, b.events)) {
				t.Errorf("%s got %v", url, got)
			}
		}
	})
}

// A receiver that needs 3 s is served from the slow lane, each event once.
func TestSlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		b.out.slow(b.urls[0], 3*time.Second)
		b.record(5)
		pass(16 * time.Second)
		b.want(b.urls[0], numbers(1, 5)...)
		if got := b.states(); got[webhook.Delivered] != 5 {
			t.Errorf("states %v", got)
		}
	})
}

// Section 5, signing: webhook-id, webhook-timestamp and webhook-signature of
// the Standard Webhooks specification, also for a body that is read in pieces.
func TestSignedDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 0, webhook.WorkerOptions{UserAgent: "chasqui/1.2"})
		secret := "whsec_" + strings.Repeat("QUJD", 8)
		auth := "Bearer abc"
		b.put(webhook.Webhook{
			ID: "hook", URL: "http://receiver/wh?x=1", Secret: secret, ByEvents: true,
			Authorization: &auth, Headers: map[string]string{"X-Team": "ops"},
		})
		oracle, err := standardwebhooks.NewWebhook(secret)
		must(t, err)
		verified := 0
		b.out.say("http://receiver/wh/message.exchange?x=1", func(_ context.Context, r webhook.Request) (webhook.Response, error) {
			p := b.out.posts(r.URL)
			h := http.Header{}
			for k, v := range r.Header {
				h.Set(k, v)
			}
			if err := oracle.VerifyIgnoringTimestamp([]byte(p[len(p)-1].body), h); err != nil {
				t.Error(err)
			}
			verified++
			if h.Get("User-Agent") != "chasqui/1.2" || h.Get("Authorization") != auth || h.Get("X-Team") != "ops" || h.Get("Content-Type") != "application/json" {
				t.Errorf("headers %v", h)
			}
			return webhook.Response{Status: 200}, nil
		})
		b.record(1)
		_, err = b.Record(t.Context(), sales, b.hooks, "message.exchange", []byte(strings.Repeat("x", webhook.InlineBody+1)))
		must(t, err)
		pass(time.Second)
		b.worker.Wake([]string{"hook"})
		pass(time.Second)
		if verified != 2 {
			t.Errorf("%d verified", verified)
		}
	})
}

// A body that is gone is a failure about that event alone.
func TestBodyGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		_, err := b.Record(t.Context(), sales, b.hooks, "message.exchange", make([]byte, webhook.InlineBody+1))
		must(t, err)
		b.DropBodies()
		b.record(1)
		pass(time.Minute)
		b.want(b.urls[0], "1")
		if w := b.webhook(); !w.FailingSince.IsZero() {
			t.Error("the receiver was blamed")
		}
	})
}
