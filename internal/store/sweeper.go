package store

import (
	"context"
	"log/slog"
	"time"

	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/webhook"
)

// SweeperOptions tune a Sweeper. The zero value keeps messages for ever.
type SweeperOptions struct {
	Retention time.Duration // store.retention, of messages; 0: for ever
	// WebhookRetention is how long dead deliveries are kept, and how long those
	// of a paused webhook stay queued: webhook.retention, default 14 days.
	WebhookRetention time.Duration
	Every            time.Duration // between two sweeps; default 1 h
	Step             int           // rows that one transaction changes; default 200
	Pause            time.Duration // between two steps, for other writers; default 50 ms
	Logger           *slog.Logger
}

// deliveredKept is how long the log shows deliveries that arrived.
const deliveredKept = 24 * time.Hour

func (o SweeperOptions) withDefaults() SweeperOptions {
	if o.WebhookRetention <= 0 {
		o.WebhookRetention = 14 * 24 * time.Hour
	}
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

// Sweeper ends what has been stored for long enough: messages, deliveries and
// their bodies, and what paused webhooks have had queued for too long. It works
// at start, and then from time to time. It is a lifecycle.Service and may be
// started again after a stop.
type Sweeper struct {
	db   *DB
	opts SweeperOptions
	loop lifecycle.Loop
}

// NewSweeper returns a sweeper of db that does not run yet.
func NewSweeper(db *DB, opts SweeperOptions) *Sweeper {
	return &Sweeper{db: db, opts: opts.withDefaults()}
}

// Start begins to sweep in the background; it does nothing if that runs
// already.
func (s *Sweeper) Start(ctx context.Context) error {
	s.loop.Start(ctx, s.run)
	return nil
}

// Stop ends the sweeping and waits for the step in progress.
func (s *Sweeper) Stop(ctx context.Context) error { return s.loop.Stop(ctx) }

func (s *Sweeper) run(ctx context.Context) {
	for ctx.Err() == nil {
		s.sweep(ctx)
		wait(ctx, s.opts.Every)
	}
}

// sweep ends all that is too old now. Deliveries are given up before dead ones
// are deleted, and those before their bodies.
func (s *Sweeper) sweep(ctx context.Context) {
	now := time.Now()
	if s.opts.Retention > 0 {
		before := now.Add(-s.opts.Retention)
		s.steps(ctx, "old messages deleted", func(step int) (int64, error) {
			return s.db.SweepMessages(ctx, before, step)
		})
		s.steps(ctx, "records of old files deleted", func(step int) (int64, error) {
			return s.db.SweepFiles(ctx, before, step)
		})
	}
	before := now.Add(-s.opts.WebhookRetention)
	s.steps(ctx, "deliveries of paused webhooks given up", func(step int) (int64, error) {
		// By the clock that nobody sets: what is given up was not delivered.
		return s.db.GiveUpPaused(ctx, s.db.now().Add(-s.opts.WebhookRetention), step)
	})
	s.steps(ctx, "dead deliveries deleted", func(step int) (int64, error) {
		return s.db.SweepDeliveries(ctx, webhook.Dead, before, step)
	})
	s.steps(ctx, "arrived deliveries deleted", func(step int) (int64, error) {
		return s.db.SweepDeliveries(ctx, webhook.Delivered, now.Add(-deliveredKept), step)
	})
	s.steps(ctx, "long webhook bodies deleted", func(int) (int64, error) { return s.db.SweepBody(ctx) })
}

// steps repeats step, with pauses, until it finds nothing.
func (s *Sweeper) steps(ctx context.Context, what string, step func(limit int) (int64, error)) {
	var total int64
	for ctx.Err() == nil {
		n, err := step(s.opts.Step)
		if err != nil {
			if ctx.Err() == nil {
				s.opts.Logger.ErrorContext(ctx, "sweeping failed", "what", what, "error", err)
			}
			return
		}
		if n == 0 {
			break
		}
		total += n
		wait(ctx, s.opts.Pause)
	}
	if total > 0 {
		s.opts.Logger.InfoContext(ctx, what, "count", total)
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
