package lifecycle_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/lifecycle/lifecycletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal notes what is called, in order.
type journal struct{ lines []string }

func (j *journal) service(name string, startErr, stopErr error) lifecycle.Service {
	return lifecycle.Funcs{
		OnStart: func(context.Context) error {
			j.lines = append(j.lines, "start "+name)
			return startErr
		},
		OnStop: func(context.Context) error {
			j.lines = append(j.lines, "stop "+name)
			return stopErr
		},
	}
}

func (j *journal) stack(b lifecycle.Service) *lifecycle.Stack {
	s := lifecycle.NewStack()
	s.Push("a", j.service("a", nil, nil))
	s.Push("b", b)
	s.Push("c", j.service("c", nil, nil))
	return s
}

func (j *journal) check(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, j.lines); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestStackStopsInReverseOrder(t *testing.T) {
	var j journal
	s := j.stack(j.service("b", nil, nil))
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.check(t, "start a", "start b", "start c", "stop c", "stop b", "stop a")
}

func TestStackTearsDownPartialStart(t *testing.T) {
	var j journal
	broken := errors.New("broken")
	s := j.stack(j.service("b", broken, nil))
	err := s.Start(t.Context())
	if !errors.Is(err, broken) || err.Error() != "start b: broken" {
		t.Errorf("Start: %v", err)
	}
	j.check(t, "start a", "start b", "stop a")
}

func TestStackTearsDownAfterItsContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var stopped error
	s := lifecycle.NewStack()
	s.Push("a", lifecycle.Funcs{OnStop: func(ctx context.Context) error {
		stopped = ctx.Err()
		return nil
	}})
	s.Push("b", lifecycle.Funcs{OnStart: func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	}})
	if err := s.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Start: %v", err)
	}
	if stopped != nil {
		t.Errorf("teardown got a context that was over: %v", stopped)
	}
}

func TestStackJoinsErrorsOfStop(t *testing.T) {
	var j journal
	broken := errors.New("broken")
	s := j.stack(j.service("b", nil, broken))
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := s.Stop(t.Context())
	if !errors.Is(err, broken) || err.Error() != "stop b: broken" {
		t.Errorf("Stop: %v", err)
	}
	j.check(t, "start a", "start b", "start c", "stop c", "stop b", "stop a")
}

func TestStackStopGivesUpWithItsContext(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := lifecycle.NewStack()
	s.Push("slow", lifecycle.Funcs{OnStart: func(context.Context) error {
		close(entered)
		<-leave
		return nil
	}})
	started := make(chan error)
	go func() { started <- s.Start(t.Context()) }()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop during a slow Start: %v", err)
	}
	close(leave)
	if err := <-started; err != nil {
		t.Error(err)
	}
}

func TestStackUnderStress(t *testing.T) {
	lifecycletest.Stress(t, func(*testing.T) lifecycle.Service {
		s := lifecycle.NewStack()
		s.Push("nothing", lifecycle.Funcs{})
		return s
	})
}
