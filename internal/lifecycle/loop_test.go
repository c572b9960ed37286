package lifecycle_test

import (
	"context"
	"errors"
	"testing"

	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/lifecycle/lifecycletest"
)

// looping is a service that is a loop.
type looping struct {
	lifecycle.Loop
	run func(ctx context.Context)
}

func (s *looping) Start(ctx context.Context) error {
	s.Loop.Start(ctx, s.run)
	return nil
}

func TestLoopUnderStress(t *testing.T) {
	lifecycletest.Stress(t, func(*testing.T) lifecycle.Service {
		return &looping{run: func(ctx context.Context) { <-ctx.Done() }}
	})
}

// A loop that is started again while the run before it has not ended yet waits
// for that: there are never two.
func TestLoopRunsOnce(t *testing.T) {
	var l lifecycle.Loop
	began, end := make(chan int, 2), make(chan struct{})
	l.Start(t.Context(), func(context.Context) {
		began <- 1
		<-end
	})
	<-began
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Stop(over); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop of a run that goes on: %v", err)
	}
	l.Start(t.Context(), func(context.Context) { began <- 2 })
	select {
	case n := <-began:
		t.Errorf("run %d began beside the first", n)
	default:
	}
	close(end)
	if n := <-began; n != 2 {
		t.Errorf("run %d began", n)
	}
	if err := l.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
