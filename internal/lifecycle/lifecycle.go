package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Service is a part of the process that runs in the background.
//
// Start returns once the service is up; its context bounds the start only, not
// what was started. Stop ends everything that Start began and waits for it, no
// longer than its context allows. Stop before Start and a second Stop do
// nothing and return nil. Both may be called from several goroutines. Whether a
// service can be started again is its own affair: if not, Start says so with an
// error.
type Service interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// Funcs makes a Service of two functions; a nil one does nothing. The functions
// themselves must keep the rules of Service: Stack calls Stop only for what it
// has started, and once.
type Funcs struct {
	OnStart func(ctx context.Context) error
	OnStop  func(ctx context.Context) error
}

// Start calls OnStart.
func (f Funcs) Start(ctx context.Context) error {
	if f.OnStart == nil {
		return nil
	}
	return f.OnStart(ctx)
}

// Stop calls OnStop.
func (f Funcs) Stop(ctx context.Context) error {
	if f.OnStop == nil {
		return nil
	}
	return f.OnStop(ctx)
}

// teardownLimit bounds the teardown after a failed start, whose own context may
// be over already.
const teardownLimit = 15 * time.Second

// Stack starts named services in the order in which they were pushed and stops
// them in reverse. It is itself a Service and may be started again after a stop.
type Stack struct {
	// turn holds one token: whoever has it may touch the fields below. It is a
	// channel and not a mutex because services start and stop while it is held,
	// and whoever waits must be able to give up.
	turn     chan struct{}
	services []named
	running  int // services[:running] are started
}

type named struct {
	name    string
	service Service
}

// NewStack returns an empty stack.
func NewStack() *Stack { return &Stack{turn: make(chan struct{}, 1)} }

// Push puts a service on top, to be started last and stopped first. It must not
// be called after Start. The name appears in errors.
func (s *Stack) Push(name string, service Service) {
	s.services = append(s.services, named{name, service})
}

// Start starts the services that do not run yet. If one fails, those that run
// are stopped again and the errors are joined.
func (s *Stack) Start(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	for s.running < len(s.services) {
		next := s.services[s.running]
		if err := next.service.Start(ctx); err != nil {
			return errors.Join(fmt.Errorf("start %s: %w", next.name, err), s.teardown(ctx))
		}
		s.running++
	}
	return nil
}

// Stop stops what runs, the last started first, whatever errors occur, and
// joins them. It waits for a Start in progress.
func (s *Stack) Stop(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	return s.stopAll(ctx)
}

func (s *Stack) teardown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownLimit)
	defer cancel()
	return s.stopAll(ctx)
}

func (s *Stack) stopAll(ctx context.Context) error {
	var errs []error
	for s.running > 0 {
		s.running--
		top := s.services[s.running]
		if err := top.service.Stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", top.name, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Stack) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Stack) give() { <-s.turn }
