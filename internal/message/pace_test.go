package message_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/message"
)

// paced is the default of serve: 60 a minute, 20 at once.
var paced = message.Options{Rate: 60, Burst: 20}

// flood starts n sends at once and returns a function that waits for them and
// gives their errors.
func flood(ctx context.Context, t *testing.T, s *message.Service, n int) func() []error {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { _, errs[i] = s.SendText(ctx, instance, text(ana)) })
		synctest.Wait()
	}
	return func() []error {
		wg.Wait()
		return errs
	}
}

// rest.md 3.1: send.burst at once, then send.rate a minute with up to 20 %
// jitter, in order.
func TestPacing(t *testing.T) {
	within(t, paced, func(t *testing.T, w *wire, s *message.Service) {
		start := time.Now()
		for _, err := range flood(t.Context(), t, s, 50)() {
			if err != nil {
				t.Fatal(err)
			}
		}
		jittered := false
		for i, at := range w.at {
			since := at.Sub(start)
			if i < 20 {
				if since != 0 {
					t.Errorf("message %d of the burst after %v", i, since)
				}
				continue
			}
			gap := at.Sub(w.at[i-1])
			if gap < time.Second || gap > 1200*time.Millisecond {
				t.Errorf("message %d came %v after the one before", i, gap)
			}
			jittered = jittered || gap != time.Second
			if w.sent[i].ID < w.sent[i-1].ID {
				t.Errorf("message %d overtook another", i)
			}
		}
		if !jittered {
			t.Error("no jitter")
		}
	})
}

func TestTheBurstComesBackWithTime(t *testing.T) {
	within(t, paced, func(t *testing.T, w *wire, s *message.Service) {
		flood(t.Context(), t, s, 20)()
		<-time.After(5 * time.Second)
		start := time.Now()
		flood(t.Context(), t, s, 6)()
		at := w.at[20:]
		if !at[4].Equal(start) || at[5].Equal(start) {
			t.Errorf("after 5 s the 5th waits %v and the 6th %v", at[4].Sub(start), at[5].Sub(start))
		}
	})
}

// rest.md 3.1: with at most 50 others, else 429 with Retry-After.
func TestTooManyMessagesWaiting(t *testing.T) {
	within(t, message.Options{Rate: 600, Burst: 1}, func(t *testing.T, w *wire, s *message.Service) {
		done := flood(t.Context(), t, s, 51)
		_, err := s.SendText(t.Context(), instance, text(ana))
		wantFault(t, err, fault.RateLimited, "Too many messages are waiting for this instance")
		wantRetryAfter(t, err, time.Second)
		if _, err := s.SendText(t.Context(), "id-2", text(ana)); err != nil {
			t.Errorf("another instance: %v", err)
		}
		for _, err := range done() {
			if err != nil {
				t.Error(err)
			}
		}
		if _, err := s.SendText(t.Context(), instance, text(ana)); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// rest.md 3.1: a call waits at most 60 s.
func TestAWaitOverAMinuteIsRefused(t *testing.T) {
	within(t, message.Options{Rate: 2, Burst: 1}, func(t *testing.T, w *wire, s *message.Service) {
		start := time.Now()
		done := flood(t.Context(), t, s, 2) // one at once, one in 30 s
		third := flood(t.Context(), t, s, 1)()
		wantFault(t, third[0], fault.RateLimited, "Too many messages are waiting for this instance")
		if time.Since(start) != 0 {
			t.Error("the refusal came late")
		}
		for _, err := range done() {
			if err != nil {
				t.Error(err)
			}
		}
	})
}

func wantRetryAfter(t *testing.T, err error, want time.Duration) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.RetryAfter != want {
		t.Errorf("Retry-After = %v, want %v", f.RetryAfter, want)
	}
}

func TestRateZeroIsNotPaced(t *testing.T) {
	within(t, message.Options{}, func(t *testing.T, w *wire, s *message.Service) {
		start := time.Now()
		flood(t.Context(), t, s, 200)()
		if took := time.Since(start); took != 0 || len(w.sent) != 200 {
			t.Errorf("%d sent in %v", len(w.sent), took)
		}
	})
}

func TestACallerThatHangsUpLeavesTheQueue(t *testing.T) {
	within(t, message.Options{Rate: 60, Burst: 1}, func(t *testing.T, w *wire, s *message.Service) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		errs := flood(ctx, t, s, 2)()
		if errs[0] != nil || !errors.Is(errs[1], context.DeadlineExceeded) {
			t.Errorf("errors = %v", errs)
		}
		if len(w.sent) != 1 {
			t.Errorf("%d sent", len(w.sent))
		}
	})
}

func TestStopTurnsAwayWhatWaits(t *testing.T) {
	within(t, message.Options{Rate: 60, Burst: 1}, func(t *testing.T, w *wire, s *message.Service) {
		done := flood(t.Context(), t, s, 3)
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		errs := done()
		wantFault(t, errs[1], fault.Unavailable, "Server is shutting down")
		wantFault(t, errs[2], fault.Unavailable, "Server is shutting down")
		if len(w.sent) != 1 {
			t.Errorf("%d sent", len(w.sent))
		}
	})
}

// The connection that a message waited for may be gone when its turn comes.
func TestDisconnectedWhileWaiting(t *testing.T) {
	within(t, message.Options{Rate: 60, Burst: 1}, func(t *testing.T, w *wire, s *message.Service) {
		done := flood(t.Context(), t, s, 2)
		w.mu.Lock()
		w.offline = true
		w.mu.Unlock()
		wantFault(t, done()[1], fault.Unavailable, "Instance is not connected to WhatsApp")
	})
}
