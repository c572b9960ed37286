package media

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/chasqui/chasqui/internal/lifecycle"
)

// SweeperOptions tune a Sweeper. The zero value keeps files for ever.
type SweeperOptions struct {
	Retention time.Duration // media.retention; 0: for ever
	Every     time.Duration // between two sweeps; default 1 h
	Step      int           // files looked up at once; default 100
	Logger    *slog.Logger
}

func (o SweeperOptions) withDefaults() SweeperOptions {
	if o.Every <= 0 {
		o.Every = time.Hour
	}
	if o.Step <= 0 {
		o.Step = 100
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Sweeper deletes files from the disk that were stored longer ago than the
// retention: at start, and then from time to time. Buckets are not swept. It is
// a lifecycle.Service and may be started again after a stop.
type Sweeper struct {
	library *Library
	opts    SweeperOptions
	loop    lifecycle.Loop
}

// NewSweeper returns a sweeper that does not run yet.
func NewSweeper(library *Library, opts SweeperOptions) *Sweeper {
	return &Sweeper{library: library, opts: opts.withDefaults()}
}

// Start begins to sweep in the background, unless files are kept for ever.
func (s *Sweeper) Start(ctx context.Context) error {
	if s.opts.Retention > 0 {
		s.loop.Start(ctx, s.run)
	}
	return nil
}

// Stop ends the sweeping and waits for the deletion in progress.
func (s *Sweeper) Stop(ctx context.Context) error { return s.loop.Stop(ctx) }

func (s *Sweeper) run(ctx context.Context) {
	ticker := time.NewTicker(s.opts.Every)
	defer ticker.Stop()
	for {
		n, err := s.sweep(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.opts.Logger.ErrorContext(ctx, "sweeping old files failed", "error", err)
		}
		if n > 0 {
			s.opts.Logger.InfoContext(ctx, "old files deleted", "files", n)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// sweep deletes all that is too old now and returns how many files that were. A
// file that cannot be deleted does not keep it from the others.
func (s *Sweeper) sweep(ctx context.Context) (n int, err error) {
	before := time.Now().Add(-s.opts.Retention)
	for {
		list, err := s.library.store.ListStoredBefore(ctx, before, s.opts.Step)
		if err != nil {
			return n, err
		}
		var failures []error
		for _, r := range list {
			if err := s.library.remove(ctx, r); err != nil {
				failures = append(failures, err)
			}
		}
		n += len(list) - len(failures)
		if len(list) < s.opts.Step || len(failures) == len(list) {
			return n, errors.Join(failures...)
		}
	}
}
