package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/webhook"
	"github.com/chasqui/chasqui/internal/webhook/webhooktest"
)

var errBroken = errors.New("broken")

// A clean stop puts running deliveries back: the attempt is not counted, what
// is known is settled, and another worker goes on at once.
func TestStopPutsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 2, webhook.WorkerOptions{Owner: "first"})
		b.out.stall(b.urls[0])
		b.record(3)
		pass(time.Second)
		start := time.Now()
		b.stop()
		if took := time.Since(start); took > 0 {
			t.Errorf("the stop took %v", took)
		}
		if got := b.states(); got[webhook.Delivered] != 3 || got[webhook.Pending] != 3 {
			t.Errorf("states %v", got)
		}
		b.out.tell(b.urls[0], 200)
		b.worker = webhook.NewWorker(b, b.out, webhook.WorkerOptions{Owner: "second"})
		must(t, b.worker.Start(t.Context()))
		pass(time.Second)
		b.want(b.urls[0], "1", "1", "2", "3")
		b.want(b.urls[1], "1", "2", "3")
		if p := b.out.posts(b.urls[0]); p[0].attempt != "1" || p[1].attempt != "1" || p[0].id != p[1].id {
			t.Errorf("attempts %+v", p[:2])
		}
	})
}

// Stop keeps to its context when the store is gone.
func TestStopWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		b.record(1)
		pass(time.Second)
		b.Fail(errBroken)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := b.worker.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop: %v", err)
		}
		b.Fail(nil)
	})
}

// When outcomes cannot be settled the lines stall instead of running on, and
// nothing that is known is forgotten.
func TestSettleFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 3, webhook.WorkerOptions{})
		b.record(1)
		pass(time.Second)
		for _, url := range b.urls {
			b.out.slow(url, time.Millisecond)
		}
		b.record(500)
		pass(5 * time.Millisecond)
		b.Fail(errBroken)
		pass(10 * time.Minute)
		for _, url := range b.urls {
			if n := len(b.out.bodies(url)); n > 1+64 {
				t.Errorf("%s got %d", url, n)
			}
		}
		if s := b.worker.Stats(); s.SettleFailures < 100 || s.SettleFailures > 130 {
			t.Errorf("%d failures of settling in 10 min", s.SettleFailures)
		}
		b.Fail(nil)
		pass(time.Minute)
		for _, url := range b.urls {
			b.want(url, numbers(1, 501)...)
		}
		if got := b.states(); got[webhook.Delivered] != 3*501 {
			t.Errorf("states %v", got)
		}
	})
}

// Claims and loads that fail are tried again.
func TestStoreComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 2, webhook.WorkerOptions{})
		b.record(1)
		b.Fail(errBroken)
		pass(time.Hour)
		b.Fail(nil)
		pass(20 * time.Second)
		b.record(1)
		pass(20 * time.Second)
		for _, url := range b.urls {
			b.want(url, "1", "2")
		}
	})
}

// A worker that lost its lease stops its attempt and leaves the line to the new
// owner; what it learned is dropped.
func TestLeaseLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{Owner: "first", Lease: time.Minute})
		b.out.stall(b.urls[0])
		b.record(2)
		pass(12 * time.Second) // into the attempt
		must(t, b.ReleaseAll(t.Context(), "first"))
		lines, err := b.Claim(t.Context(), "second", false, time.Now(), time.Now().Add(time.Hour), 1)
		if err != nil || len(lines) != 1 {
			t.Fatal(lines, err)
		}
		pass(time.Hour - 13*time.Second)
		b.want(b.urls[0], "1")
		if s := b.worker.Stats(); s.Held != 0 {
			t.Errorf("stats %+v", s)
		}
		b.out.tell(b.urls[0], 200)
		pass(time.Minute) // the second owner's lease ends
		b.want(b.urls[0], "1", "1", "2")
	})
}

// A change of the configuration holds for what was loaded before, and what the
// old one failed at is not counted.
func TestChangedWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		b.out.slow(b.urls[0], time.Second)
		b.record(5)
		pass(1500 * time.Millisecond)
		b.out.say(b.urls[0], func(context.Context, webhook.Request) (webhook.Response, error) {
			return webhook.Response{Status: 410}, nil
		})
		w := b.webhook()
		w.URL = "http://receiver/new"
		must(t, b.PutWebhook(t.Context(), w))
		b.worker.Changed(w.ID)
		pass(2 * time.Second)
		b.want("http://receiver/0", "1", "2")
		b.want("http://receiver/new", "3", "4", "5")
	})
}

// Section 5: a delivery goes to the URL of the moment. A receiver that is not
// that any more when it answers 410 disables nothing, and its answer is no
// attempt.
func TestAnswerOfTheOldURLDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		b.out.say(b.urls[0], func(context.Context, webhook.Request) (webhook.Response, error) {
			<-time.After(time.Second)
			return webhook.Response{Status: 410}, nil
		})
		b.record(2)
		pass(500 * time.Millisecond)
		w := b.webhook()
		w.URL = "http://receiver/new"
		must(t, b.PutWebhook(t.Context(), w))
		b.worker.Changed(w.ID)
		pass(2 * time.Second)
		b.want(b.urls[0], "1")
		b.want("http://receiver/new", "1", "2")
		if !b.webhook().Enabled {
			t.Error("the old receiver disabled the webhook")
		}
		for _, again := range b.out.posts("http://receiver/new") {
			if again.attempt != "1" {
				t.Errorf("%s was sent again as attempt %s", again.body, again.attempt)
			}
		}
	})
}

// A redelivery goes out though its line has nothing else to do, and though its
// first delivery is held.
func TestRedeliveryGoesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		b.record(1)
		pass(time.Minute)
		b.out.tell(b.urls[0], 503)
		b.record(1)
		pass(time.Second)
		list, _, err := b.ListDeliveries(t.Context(), sales, webhook.Query{State: webhook.Delivered, Limit: 1})
		must(t, err)
		_, id, _, err := b.Requeue(t.Context(), sales, list[0].ID, time.Now())
		must(t, err)
		b.worker.Changed(id)
		pass(time.Second)
		b.want(b.urls[0], "1", "2", "1")
	})
}

// A line that was disabled and enabled again delivers nothing of before.
func TestOldGenerationIsBuried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		b.out.tell(b.urls[0], 503)
		b.record(1200)
		pass(time.Second)
		w := b.webhook()
		w.Generation++
		b.out.tell(b.urls[0], 200)
		must(t, b.PutWebhook(t.Context(), w))
		b.hooks[0] = w.Hook()
		b.worker.Changed(w.ID)
		b.record(2)
		pass(time.Minute)
		b.want(b.urls[0], "1", "1201", "1202")
		if got := b.states(); got[webhook.Dead] != 1200 {
			t.Errorf("states %v", got)
		}
	})
}

// CPU: at 500 events/s one webhook is loaded and settled some 50 times a
// second, and claimed once. An idle line gives its lease back.
func TestEventsAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		claims := b.Calls("Claim")
		for range 5000 {
			b.record(1)
			pass(2 * time.Millisecond)
		}
		pass(time.Second)
		b.want(b.urls[0], numbers(1, 5000)...)
		if n := b.Calls("Load"); n > 10*60 {
			t.Errorf("%d loads in 10 s", n)
		}
		if n := b.Calls("Settle"); n > 10*60 {
			t.Errorf("%d settlements in 10 s", n)
		}
		if n := b.Calls("Claim") - claims; n > 8 {
			t.Errorf("%d claims in 10 s", n)
		}
		pass(10 * time.Second)
		if s := b.worker.Stats(); s.Held != 0 {
			t.Errorf("idle: %+v", s)
		}
	})
}

// A line that has nothing to do costs no goroutine, held or not.
func TestIdleLinesCostNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 300, webhook.WorkerOptions{})
		synctest.Wait()
		before := runtime.NumGoroutine()
		b.record(1)
		pass(time.Second)
		if s := b.worker.Stats(); s.Held != 300 || s.Delivered != 300 {
			t.Fatalf("stats %+v", s)
		}
		if n := runtime.NumGoroutine() - before; n > 10 {
			t.Errorf("%d goroutines more", n)
		}
	})
}

// An event after silence goes out at once, whether its line is held or has to be
// claimed.
func TestNoDelayAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		for _, silence := range []time.Duration{63 * time.Second, time.Second, 61 * time.Minute} {
			pass(silence)
			at := time.Now()
			b.record(1)
			pass(time.Second)
			p := b.out.posts(b.urls[0])
			if late := p[len(p)-1].at.Sub(at); late != 0 {
				t.Errorf("%v late after %v", late, silence)
			}
		}
	})
}

// A delivery that is parked counts as one, however often it is tried since.
func TestParkedDeliveryCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		b.out.tell(b.urls[0], 400)
		b.record(1)
		pass(3 * time.Hour)
		if s := b.worker.Stats(); s.Parked != 1 || s.Failed < 5 {
			t.Errorf("stats %+v", s)
		}
	})
}

// Events of a webhook whose first delivery is held, or that is paused, cause no
// claims.
func TestHeldLineIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 1, webhook.WorkerOptions{})
		b.out.tell(b.urls[0], 503)
		b.record(1)
		pass(6 * time.Minute) // held for 2 min at a time
		claims := b.Calls("Claim")
		for range 1000 {
			b.record(1)
			pass(20 * time.Millisecond)
		}
		if n := b.Calls("Claim") - claims; n > 12 {
			t.Errorf("%d claims in 20 s", n)
		}
		w := b.webhook()
		w.Paused = true
		must(t, b.PutWebhook(t.Context(), w))
		b.worker.Changed(w.ID)
		claims = b.Calls("Claim")
		for range 1000 {
			b.record(1)
			pass(20 * time.Millisecond)
		}
		if n := b.Calls("Claim") - claims; n > 24 {
			t.Errorf("%d claims of a paused one in 20 s", n)
		}
	})
}

// Fairness: with more lines than slots, a line with a long backlog yields after
// a batch.
func TestFairness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 10, webhook.WorkerOptions{Pool: 2})
		for _, url := range b.urls {
			b.out.slow(url, 10*time.Millisecond)
		}
		b.record(200)
		for range 10 { // 100 ms are 20 deliveries
			pass(320 * time.Millisecond * 10 / 2)
			least, most := 1<<20, 0
			for _, url := range b.urls {
				n := len(b.out.bodies(url))
				least, most = min(least, n), max(most, n)
			}
			if most-least > 2*32 {
				t.Fatalf("from %d to %d", least, most)
			}
		}
		pass(10 * time.Second)
		for _, url := range b.urls {
			b.want(url, numbers(1, 200)...)
		}
		if b.out.most > 2 || b.out.overlap {
			t.Errorf("%d at once, overlap %v", b.out.most, b.out.overlap)
		}
	})
}

// jumping is a wall clock that somebody sets.
type jumping struct {
	mu sync.Mutex // guards by
	by time.Duration
}

func (j *jumping) now() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return time.Now().Add(j.by)
}

func (j *jumping) jump(by time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.by += by
}

// A clock that jumps kills, stalls and repeats nothing: not a held delivery
// with many failures, not a parked one, not what comes afterwards.
func TestClockJumps(t *testing.T) {
	for _, by := range []time.Duration{30 * 24 * time.Hour, -30 * 24 * time.Hour, time.Hour, -time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var wall jumping
				b := open(t, 2, webhook.WorkerOptions{Now: wall.now})
				b.out.tell(b.urls[0], 503)
				b.record(1)
				pass(30 * time.Minute) // more than nine failures
				wall.jump(by)
				b.record(1)
				pass(10 * time.Minute)
				b.want(b.urls[1], "1", "2")
				tried := len(b.out.bodies(b.urls[0]))
				b.out.tell(b.urls[0], 200)
				pass(2 * time.Minute)
				b.want(b.urls[0], append(slices.Repeat([]string{"1"}, tried+1), "2")...)
				if tried < 18 || tried > 23 {
					t.Errorf("%d attempts in 40 min", tried)
				}
				if got := b.states(); got[webhook.Delivered] != 4 {
					t.Errorf("states %v", got)
				}
			})
		})
	}
}

// A worker that dies leaves leases behind; a successor of the same name ends
// them when it starts.
func TestSuccessorEndsLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &webhooktest.Memory{}
		w := webhook.Webhook{ID: "hook", InstanceID: sales, Enabled: true, URL: "http://receiver/0", Ordering: webhook.Strict}
		must(t, m.PutWebhook(t.Context(), w))
		for i := range 3 {
			_, err := m.Record(t.Context(), sales, []webhook.Hook{w.Hook()}, event.TypeCall, []byte(fmt.Sprint(i+1)))
			must(t, err)
		}
		_, err := m.Claim(t.Context(), "node", false, time.Now(), time.Now().Add(time.Hour), 1)
		must(t, err)
		out := newReceivers()
		worker := webhook.NewWorker(m, out, webhook.WorkerOptions{Owner: "node"})
		must(t, worker.Start(t.Context()))
		pass(time.Second)
		must(t, worker.Stop(t.Context()))
		if got := out.bodies(w.URL); !slices.Equal(got, numbers(1, 3)) {
			t.Errorf("got %v", got)
		}
	})
}
