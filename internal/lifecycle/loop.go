package lifecycle

import (
	"context"
	"sync"
)

// Loop is the Start and Stop of a Service that is one goroutine. Its zero value
// is ready.
type Loop struct {
	mu      sync.Mutex // guards the fields below, never held while the run is waited for
	running bool       // and not told to end
	cancel  context.CancelFunc
	done    chan struct{} // closed when the run has ended
}

// Start runs f in the background until Stop, which ends its context, unless a run
// is in progress. f gets the values of ctx, but not its end.
func (l *Loop) Start(ctx context.Context, f func(ctx context.Context)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running {
		return
	}
	before, done := l.done, make(chan struct{})
	ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.running, l.done = true, done
	go func() {
		defer close(done)
		if before != nil {
			<-before // the run before this one is told to end, but may not have
		}
		f(ctx)
	}()
}

// Stop ends the run and waits for it, no longer than ctx allows.
func (l *Loop) Stop(ctx context.Context) error {
	l.mu.Lock()
	cancel, done := l.cancel, l.done
	l.running = false
	l.mu.Unlock()
	if done == nil {
		return nil
	}
	cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
