package lifecycletest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/lifecycle"
)

const (
	// limit is how long one call may take before it counts as stuck.
	limit  = 20 * time.Second
	rounds = 20
	racers = 4
)

// Stress checks the promises of lifecycle.Service on services from fresh: one
// may be stopped before it was started, stopped twice, and started and stopped
// by several goroutines at once. In that last part Start may refuse, Stop may
// not, and when all is over a final Stop leaves nothing running.
//
// Leaked goroutines are for goleak in the caller's TestMain to find.
func Stress(t *testing.T, fresh func(t *testing.T) lifecycle.Service) {
	t.Helper()
	t.Run("stopped before started", func(t *testing.T) {
		s := fresh(t)
		must(t, "Stop before Start", s.Stop)
	})
	t.Run("stopped twice", func(t *testing.T) {
		s := fresh(t)
		must(t, "Start", s.Start)
		must(t, "first Stop", s.Stop)
		must(t, "second Stop", s.Stop)
	})
	t.Run("started and stopped at once", func(t *testing.T) {
		for range rounds {
			race(t, fresh(t))
		}
	})
}

// race lets several goroutines start and stop one service.
func race(t *testing.T, s lifecycle.Service) {
	t.Helper()
	var wg sync.WaitGroup
	for range racers {
		wg.Go(func() { _ = within(t, "Start in a race", s.Start) })
		wg.Go(func() {
			if err := within(t, "Stop in a race", s.Stop); err != nil {
				t.Errorf("Stop in a race: %v", err)
			}
		})
	}
	wg.Wait()
	must(t, "Stop after the race", s.Stop)
}

func must(t *testing.T, what string, call func(context.Context) error) {
	t.Helper()
	if err := within(t, what, call); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// within runs call and reports it as stuck when it ignores its context.
func within(t *testing.T, what string, call func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- call(ctx) }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit + time.Second):
		t.Errorf("%s: still running after %v", what, limit)
		return nil
	}
}
