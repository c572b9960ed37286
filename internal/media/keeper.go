package media

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/chasqui/chasqui/internal/lifecycle"
)

// Why a wanted file could not be had, as Record.Reason says it; the same words
// as in events.
const (
	reasonTooLarge = "too_large"
	reasonExpired  = "expired"
	reasonFailed   = "download_failed"
)

// KeeperOptions tune a Keeper.
type KeeperOptions struct {
	// Workers is how many files are worked on at once, default 16, and
	// PerInstance how many of one instance, default 2. Most of them wait: for
	// their turn, or for a phone.
	Workers, PerInstance int
	// Schedule is the pauses between attempts; a file that fails once more is
	// given up. Default: from half a minute to eight hours, a day in all.
	Schedule []time.Duration
	// Patience is how long one attempt may take, default 10 min.
	Patience time.Duration
	Logger   *slog.Logger
}

func (o KeeperOptions) withDefaults() KeeperOptions {
	if o.Workers <= 0 {
		o.Workers = 16
	}
	if o.PerInstance <= 0 {
		o.PerInstance = 2
	}
	if len(o.Schedule) == 0 {
		o.Schedule = []time.Duration{
			30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
			time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 8 * time.Hour,
		}
	}
	if o.Patience <= 0 {
		o.Patience = 10 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Keeper brings wanted files into the buckets of their instances, in the
// background, and tries for about a day. It is a lifecycle.Service and may be
// started again after a stop.
type Keeper struct {
	library *Library
	opts    KeeperOptions
	loop    lifecycle.Loop
	wake    chan struct{}

	mu    sync.Mutex // guards the next two
	busy  map[flightID]bool
	count map[string]int // of busy, by instance
}

// NewKeeper returns a keeper that does not run yet.
func NewKeeper(library *Library, opts KeeperOptions) *Keeper {
	return &Keeper{
		library: library, opts: opts.withDefaults(), wake: make(chan struct{}, 1),
		busy: map[flightID]bool{}, count: map[string]int{},
	}
}

// Start begins to work in the background.
func (k *Keeper) Start(ctx context.Context) error {
	k.loop.Start(ctx, k.run)
	return nil
}

// Stop gives up the attempts in progress, which do not count, and waits for
// them to end.
func (k *Keeper) Stop(ctx context.Context) error { return k.loop.Stop(ctx) }

// Wake makes the keeper look for wanted files now; it does not block. The
// instance is the one that has new ones.
func (k *Keeper) Wake(string) {
	select {
	case k.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Pauses that no file has a say in.
const (
	storePause   = 30 * time.Second // after the store failed
	offlinePause = 10 * time.Minute // for files of instances that are not connected
	crowdPause   = time.Minute      // for files behind too many of their own instance
)

func (k *Keeper) run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	for ctx.Err() == nil {
		k.await(ctx, k.begin(ctx, &work))
	}
}

// await returns at the given time (zero: never), when woken, or with ctx.
func (k *Keeper) await(ctx context.Context, next time.Time) {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
	case <-k.wake:
	case <-ctx.Done():
	}
}

// begin starts the files that are due and have a worker, and returns when the
// next one is due. A worker that ends wakes the keeper.
func (k *Keeper) begin(ctx context.Context, work *sync.WaitGroup) (next time.Time) {
	limit, now := 8*k.opts.Workers, time.Now()
	due, next, err := k.library.store.ListWanted(ctx, now, limit)
	if err != nil {
		if ctx.Err() == nil {
			k.opts.Logger.ErrorContext(ctx, "listing wanted files failed", "error", err)
		}
		return now.Add(storePause)
	}
	for _, r := range due {
		started, crowded := k.take(r)
		switch {
		case started:
			work.Go(func() { k.work(ctx, r) })
		case crowded && len(due) == limit:
			// Files of one instance must not hide those of the others.
			r.NextAt = now.Add(crowdPause)
			k.put(ctx, r)
		}
	}
	soon := now.Add(time.Second) // and not at once: those without a worker are still due
	if len(due) == limit || !next.IsZero() && next.Before(soon) {
		next = soon
	}
	return next
}

// take reserves a worker for a file. crowded: the instance has too many.
func (k *Keeper) take(r Record) (taken, crowded bool) {
	id := flightID{r.InstanceID, r.Key}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.busy[id] || len(k.busy) >= k.opts.Workers:
		return false, false
	case k.count[r.InstanceID] >= k.opts.PerInstance:
		return false, true
	}
	k.busy[id] = true
	k.count[r.InstanceID]++
	return true, false
}

func (k *Keeper) free(r Record) {
	k.mu.Lock()
	delete(k.busy, flightID{r.InstanceID, r.Key})
	if k.count[r.InstanceID]--; k.count[r.InstanceID] == 0 {
		delete(k.count, r.InstanceID)
	}
	k.mu.Unlock()
	k.Wake(r.InstanceID)
}

// work is one attempt at one file.
func (k *Keeper) work(ctx context.Context, r Record) {
	defer k.free(r)
	attempt, cancel := context.WithTimeout(ctx, k.opts.Patience)
	defer cancel()
	err := k.library.keepWanted(attempt, r)
	if err == nil || ctx.Err() != nil {
		return
	}
	k.put(ctx, k.failed(r, err))
}

// put stores what became of a file. When that fails, the file is held for a
// while, since it is still due as far as the store knows.
func (k *Keeper) put(ctx context.Context, r Record) {
	err := k.library.store.UpdateWanted(ctx, r)
	if err == nil || ctx.Err() != nil {
		return
	}
	k.opts.Logger.ErrorContext(ctx, "recording a wanted file failed", "instance_id", r.InstanceID, "error", err)
	timer := time.NewTimer(storePause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// failed is the record after an attempt that failed.
func (k *Keeper) failed(r Record, err error) Record {
	const offlineLimit = 30 * 24 * time.Hour // WhatsApp keeps no file longer
	now := time.Now().UTC()
	switch {
	case errors.Is(err, ErrTooLarge):
		r.State, r.Reason = Failed, reasonTooLarge
	case errors.Is(err, ErrExpired):
		r.State, r.Reason = Failed, reasonExpired
	case errors.Is(err, ErrOffline) && now.Sub(r.Ref.SentAt) < offlineLimit:
		r.NextAt = now.Add(offlinePause)
	case r.Attempts >= len(k.opts.Schedule):
		r.Attempts++
		r.State, r.Reason = Failed, reasonFailed
	default:
		pause := k.opts.Schedule[r.Attempts]
		r.NextAt = now.Add(pause + time.Duration((rand.Float64()-0.5)*0.4*float64(pause)))
		r.Attempts++
	}
	if r.State == Failed {
		k.opts.Logger.Warn("a wanted file could not be had",
			"instance_id", r.InstanceID, "message_id", r.Key.MessageID, "reason", r.Reason, "error", err)
	}
	return r
}

// keepWanted fetches a wanted file into its bucket; nil: nothing is left to do.
func (l *Library) keepWanted(ctx context.Context, r Record) error {
	now, found, err := l.store.GetFile(ctx, r.InstanceID, r.Key)
	if err != nil || !found || now.State != Wanted {
		return err
	}
	h := l.home(r.InstanceID)
	switch {
	case h == nil:
		return ErrOffline
	case h.bucket == nil: // it was turned off since: nobody wants the file any more
		return l.store.DeleteFile(ctx, r.InstanceID, r.Key)
	}
	f, err := l.join(ctx, flightID{r.InstanceID, r.Key}, now.Ref, laneKeeper)
	if err != nil {
		return err
	}
	file, err := l.await(ctx, f)
	if err != nil {
		return err
	}
	file.Close()
	select {
	case <-f.kept:
		return f.keepErr
	case <-ctx.Done():
		return ctx.Err()
	}
}
