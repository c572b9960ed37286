package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// WorkerOptions tune a Worker. The zero value is the contract's.
type WorkerOptions struct {
	Pool       int             // attempts at once to healthy webhooks, default 256
	SlowPool   int             // to failing and slow ones, default 64
	Timeout    time.Duration   // of one attempt, default 15 s
	Schedule   []time.Duration // default DefaultPolicy's
	PauseAfter time.Duration   // default DefaultPolicy's
	Lease      time.Duration   // default 60 s; renewed at a third of it
	Linger     time.Duration   // how long an empty line is kept, default 10 s
	// Pace is the shortest time between two loads of a line that has no
	// backlog: what comes in between goes out together. Default 50 ms.
	Pace      time.Duration
	UserAgent string // default "chasqui"
	// Owner names this process in leases. Leases that the same owner had when
	// the worker starts are ended. Default: a random name.
	Owner string
	// Disabled is told in a goroutine of the worker that a line turned out to
	// belong to a disabled webhook, so that its hook can be withdrawn.
	Disabled func(ctx context.Context, instanceID string)
	Logger   *slog.Logger
	Now      func() time.Time // the wall clock
	Rand     func() float64   // in [0, 1)
}

func (o WorkerOptions) withDefaults() WorkerOptions {
	std := DefaultPolicy()
	o.Pool, o.SlowPool = positive(o.Pool, 256), positive(o.SlowPool, 64)
	o.Timeout, o.PauseAfter = positive(o.Timeout, 15*time.Second), positive(o.PauseAfter, std.PauseAfter)
	o.Lease, o.Linger = positive(o.Lease, time.Minute), positive(o.Linger, 10*time.Second)
	o.Lease = max(o.Lease, 4*o.Timeout) // a third passes between renewals
	o.Pace = positive(o.Pace, 50*time.Millisecond)
	if len(o.Schedule) == 0 {
		o.Schedule = std.Schedule
	}
	if o.UserAgent == "" {
		o.UserAgent = "chasqui"
	}
	if o.Owner == "" {
		o.Owner = fmt.Sprintf("%016x", rand.Uint64())
	}
	if o.Disabled == nil {
		o.Disabled = func(context.Context, string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	return o
}

func positive[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// Worker makes the attempts. It claims lines that are due, runs them in one of
// two lanes, and settles what came of it through one committer. Attempts of one
// webhook are made one after the other; a line that has nothing to do costs no
// goroutine. It is a lifecycle.Service that can be started once.
type Worker struct {
	queue  Queue
	sender Sender
	opts   WorkerOptions
	policy Policy
	clock  *clock
	log    *slog.Logger
	stats  counters

	turn   chan struct{} // one token: whoever has it starts or stops
	poked  chan struct{} // the claimer looks for lines that are due
	filled chan struct{} // the committer has something
	urgent chan struct{} // and somebody waits for it
	drain  chan struct{} // closed: the committer ends when it has nothing left

	ctx      context.Context         // of claims, loads and attempts
	quit     context.CancelCauseFunc // ends it
	abandon  context.CancelFunc      // ends the committer
	running  sync.WaitGroup          // the claimer, turns and alarms
	settling sync.WaitGroup          // the committer

	loads trouble // of all turns

	mu      sync.Mutex // guards the rest, and the fields of every line
	phase   phase
	lines   map[string]*line     // those that are held
	rests   map[string]time.Time // until when a line that is not held needs no claim
	woken   map[string]bool      // not held, since the last claim
	fast    lane
	slow    lane
	unsaved []*line // have something to settle
	stalled bool    // the last settlement failed: nothing runs on
}

// phase is where in its life a worker is.
type phase int

const (
	unstarted phase = iota
	started
	stopping
	stopped
)

// The causes with which attempts are cancelled. What became of such an attempt
// is unknown; it is made again and not counted.
var (
	errStopping = errors.New("webhook: the worker stops")
	errTooSlow  = errors.New("webhook: the attempt left the fast lane and the slow one is full")
	errLost     = errors.New("webhook: the lease is lost")
)

var errStarted = errors.New("webhook: the worker was started before")

// NewWorker returns a worker that does nothing before Start.
func NewWorker(queue Queue, sender Sender, opts WorkerOptions) *Worker {
	opts = opts.withDefaults()
	return &Worker{
		queue: queue, sender: sender, opts: opts, log: opts.Logger,
		policy: Policy{Schedule: opts.Schedule, PauseAfter: opts.PauseAfter},
		clock:  newClock(opts.Now),
		turn:   make(chan struct{}, 1), poked: make(chan struct{}, 1),
		filled: make(chan struct{}, 1), urgent: make(chan struct{}, 1), drain: make(chan struct{}),
		lines: map[string]*line{}, rests: map[string]time.Time{}, woken: map[string]bool{},
		fast: lane{slots: opts.Pool}, slow: lane{slots: opts.SlowPool},
	}
}

// Start ends the leases that a predecessor of the same name left, and begins to
// deliver.
func (w *Worker) Start(ctx context.Context) error {
	if err := w.take(ctx); err != nil {
		return err
	}
	defer w.give()
	if w.in(unstarted) {
		return w.start(ctx)
	}
	return errStarted
}

func (w *Worker) start(ctx context.Context) error {
	if err := w.queue.ReleaseAll(ctx, w.opts.Owner); err != nil {
		return fmt.Errorf("end the leases of %s: %w", w.opts.Owner, err)
	}
	ctx = context.WithoutCancel(ctx)
	settle, abandon := context.WithCancel(ctx)
	w.abandon = abandon
	w.ctx, w.quit = context.WithCancelCause(ctx)
	w.enter(started)
	w.settling.Go(func() { w.settleLoop(settle) })
	w.running.Go(w.claimLoop)
	return nil
}

// Stop puts the running deliveries back: it cancels their attempts, settles
// what is known and gives the leases back. If its context is over first,
// leases may be left; they run out.
func (w *Worker) Stop(ctx context.Context) error {
	if err := w.take(ctx); err != nil {
		return err
	}
	defer w.give()
	if w.in(unstarted) || w.in(stopped) {
		return nil
	}
	defer w.abandon()
	w.enter(stopping)
	w.quit(errStopping)
	if err := waitFor(ctx, &w.running); err != nil {
		return fmt.Errorf("wait for running deliveries: %w", err)
	}
	w.enter(stopped)
	close(w.drain)
	if err := waitFor(ctx, &w.settling); err != nil {
		w.abandon()
		w.settling.Wait()
		return fmt.Errorf("settle deliveries: %w", err)
	}
	return nil
}

func (w *Worker) in(p phase) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.phase == p
}

// enter changes the phase and does what has to be done in the same moment.
func (w *Worker) enter(p phase) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.phase = p
	for _, l := range w.lines {
		if p == stopping {
			w.silence(l)
		}
		if p == stopped {
			w.release(l)
		}
	}
}

// waitFor waits for a group, no longer than ctx allows.
func waitFor(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *Worker) take(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *Worker) give() { <-w.turn }

// signal leaves a token in a channel of one, if there is none.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Wake says that events were recorded for these webhooks. It never blocks; for
// a line that is held it is a look-up in a map.
func (w *Worker) Wake(webhookIDs []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase > started {
		return
	}
	for _, id := range webhookIDs {
		if l := w.lines[id]; l != nil {
			w.wake(l)
		} else if !time.Now().Before(w.rests[id]) {
			w.woken[id] = true
			signal(w.poked)
		}
	}
	w.dispatch()
}

// Changed says that the configuration of a webhook changed, or that deliveries
// were queued again. It never blocks. What the line loaded before is dropped.
func (w *Worker) Changed(webhookID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.rests, webhookID)
	l := w.lines[webhookID]
	if l == nil {
		signal(w.poked)
		return
	}
	l.changed = true
	if l.state == idle {
		w.ready(l)
		w.dispatch()
	}
}

// Stats is what the worker did since it started, and what it does now.
type Stats struct {
	Succeeded, Failed, PutBack int64 // attempts
	Delivered, Parked, Dead    int64 // deliveries; not those buried with their webhook
	FastRunning, SlowRunning   int   // lines that have a slot
	Held                       int   // lines that have a lease
	SettleFailures             int64
}

type counters struct {
	succeeded, failed, putBack, delivered, parked, dead, settleFailures atomic.Int64
}

// Stats returns the figures of now.
func (w *Worker) Stats() Stats {
	c := &w.stats
	s := Stats{
		Succeeded: c.succeeded.Load(), Failed: c.failed.Load(), PutBack: c.putBack.Load(),
		Delivered: c.delivered.Load(), Parked: c.parked.Load(), Dead: c.dead.Load(),
		SettleFailures: c.settleFailures.Load(),
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s.FastRunning, s.SlowRunning, s.Held = w.fast.running, w.slow.running, len(w.lines)
	return s
}
