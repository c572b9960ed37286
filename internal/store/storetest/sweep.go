package storetest

import (
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/webhook"
)

var sweepTests = map[string]func(*testing.T, Store){
	"SweptDeliveriesTakeTheirBodiesAlong": testSweepDeliveries,
	"PausedForTooLongIsGivenUp":           testGiveUp,
	"GivingUpCountsFromTheRedelivery":     testGiveUpRedelivered,
	"DeadOnesThatWaitAreSweptLater":       testSweepWaiting,
}

func testSweepDeliveries(t *testing.T, s Store) {
	r := newReceiver(t, s)
	a, b := r.add("a", nil), r.add("b", nil)
	r.texts(3)
	r.claim(owner, false, r.now)
	ja, jb := r.load(a, r.now).Jobs, r.load(b, r.now).Jobs
	r.release(a, delivered(ja[0]), delivered(ja[1]), dead(ja[2]))
	r.release(b, delivered(jb[0]))
	after := r.now.Add(time.Second)
	sweep := func(state webhook.State, before time.Time, want int64) {
		t.Helper()
		n, err := s.SweepDeliveries(t.Context(), state, before, 2)
		must(t, err)
		if n != want {
			t.Errorf("%d %s ones swept, want %d", n, state, want)
		}
	}
	sweep(webhook.Delivered, r.now, 0)
	sweep(webhook.Delivered, after, 2)
	sweep(webhook.Delivered, after, 1)
	sweep(webhook.Delivered, after, 0)
	r.wantStates("dead and pending ones stay", 2, 0, 1)
	sweep(webhook.Dead, after, 1)
	for i, gone := range []bool{true, false, false} {
		rc, err := s.OpenBody(t.Context(), ja[i].BodyID)
		if gone != (err != nil) {
			t.Errorf("body %d: gone %v, want %v", i+1, err != nil, gone)
		}
		if err == nil {
			must(t, rc.Close())
		}
	}
	r.wantJobs("what still waits has its body", b, r.now, 2, 3)
}

func testGiveUp(t *testing.T, s Store) {
	r := newReceiver(t, s)
	paused := r.add("paused", func(w *webhook.Webhook) { w.Paused = true })
	r.add("well", nil)
	r.texts(3) // made at At
	for _, want := range []int64{0, 2, 1, 0} {
		before := At.Add(time.Second)
		if want == 0 {
			before = At
		}
		n, err := s.GiveUpPaused(t.Context(), before, 2)
		must(t, err)
		if n != want {
			t.Errorf("%d given up, want %d", n, want)
		}
	}
	r.wantStates("only those of the paused one", 3, 0, 3)
	if d := r.log(webhook.Query{State: webhook.Dead})[0]; d.Label != paused.Label || d.Reason != webhook.ReasonPaused {
		t.Errorf("dead: %+v", d)
	}
}

// events.md 5: what was sent again is queued from then on, for as long as all
// that is queued.
func testGiveUpRedelivered(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.texts(1) // made at At
	r.claim(owner, false, r.now)
	r.release(w, dead(r.load(w, r.now).Jobs[0]))
	n, err := s.RequeueDead(t.Context(), w.ID, r.now, 10)
	must(t, err)
	w.Paused = true
	must(t, s.PutWebhook(t.Context(), w))
	for i, want := range []int64{0, int64(n)} {
		before := r.now.Add(time.Duration(i) * time.Second)
		if got, err := s.GiveUpPaused(t.Context(), before, 10); got != want || err != nil {
			t.Errorf("before %v: %d given up (%v), want %d", before, got, err, want)
		}
	}
}

// A body that waits for its file is needed to the end of the wait: with it go
// those behind it, whatever became of its own delivery.
func testSweepWaiting(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", base64Hook)
	r.record(photo(1, "1"), inChat(2, "1"))
	list := r.unfilled()
	w.Enabled, w.Generation = false, 1
	must(t, s.PutWebhook(t.Context(), w))
	r.wantStates("disabled", 0, 0, 2)
	for _, want := range []int64{0, 2} {
		n, err := s.SweepDeliveries(t.Context(), webhook.Dead, r.now.Add(time.Hour), 10)
		if n != want || err != nil {
			t.Errorf("%d swept (%v), want %d", n, err, want)
		}
		r.fill(list[0])
	}
}
