package store

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// SweeperOptions tune a Sweeper. The zero value keeps messages for ever.
type SweeperOptions struct {
	Retention time.Duration // store.retention; 0: for ever
	Every     time.Duration // between two sweeps; default 1 h
	Step      int           // messages deleted in one transaction; default 200
	Pause     time.Duration // between two steps, for other writers; default 50 ms
	Logger    *slog.Logger
}

func (o SweeperOptions) withDefaults() SweeperOptions {
	if o.Every <= 0 {
		o.Every = time.Hour
	}
	if o.Step <= 0 {
		o.Step = 200
	}
	if o.Pause <= 0 {
		o.Pause = 50 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Sweeper deletes messages that were stored longer ago than the retention: at
// start, and then from time to time. It is a lifecycle.Service and may be
// started again after a stop.
type Sweeper struct {
	db   *DB
	opts SweeperOptions

	mu      sync.Mutex // guards the fields below, never held while the run is waited for
	running bool       // and not told to end
	cancel  context.CancelFunc
	done    chan struct{} // closed when the run has ended
}

// NewSweeper returns a sweeper of db that does not run yet.
func NewSweeper(db *DB, opts SweeperOptions) *Sweeper {
	return &Sweeper{db: db, opts: opts.withDefaults()}
}

// Start begins to sweep in the background; it does nothing if that runs already
// or messages are kept for ever.
func (s *Sweeper) Start(ctx context.Context) error {
	if s.opts.Retention <= 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return nil
	}
	before, done := s.done, make(chan struct{})
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.running, s.done = true, done
	go func() {
		defer close(done)
		if before != nil {
			<-before // the run before this one is told to end, but may not have
		}
		s.run(ctx)
	}()
	return nil
}

// Stop ends the sweeping and waits for the step in progress.
func (s *Sweeper) Stop(ctx context.Context) error {
	s.mu.Lock()
	cancel, done := s.cancel, s.done
	s.running = false
	s.mu.Unlock()
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

func (s *Sweeper) run(ctx context.Context) {
	for ctx.Err() == nil {
		s.sweep(ctx)
		wait(ctx, s.opts.Every)
	}
}

// sweep deletes all that is too old now, in steps.
func (s *Sweeper) sweep(ctx context.Context) {
	before := time.Now().Add(-s.opts.Retention)
	var total int64
	for ctx.Err() == nil {
		n, err := s.db.SweepMessages(ctx, before, s.opts.Step)
		if err != nil {
			if ctx.Err() == nil {
				s.opts.Logger.ErrorContext(ctx, "sweeping old messages failed", "error", err)
			}
			return
		}
		total += n
		if n < int64(s.opts.Step) {
			break
		}
		wait(ctx, s.opts.Pause)
	}
	if total > 0 {
		s.opts.Logger.InfoContext(ctx, "old messages deleted", "messages", total, "stored_before", before)
	}
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
