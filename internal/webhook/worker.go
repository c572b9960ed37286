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
	// backlog: what comes in between goes out together. Default 20 ms.
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
	o.Pace = positive(o.Pace, 20*time.Millisecond)
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

	poked  chan struct{} // the claimer looks for lines that are due
	filled chan struct{} // the committer has something
	urgent chan struct{} // and somebody waits for it
	drain  chan struct{} // closed: the committer ends when it has nothing left

	turns    sync.WaitGroup
	alarms   sync.WaitGroup
	claimer  sync.WaitGroup
	settling sync.WaitGroup
	quit     context.CancelCauseFunc // ends claims, loads and attempts
	abandon  context.CancelFunc      // ends the committer
	ctx      context.Context         // of loads and attempts; quit ends it

	mu      sync.Mutex // guards the rest, and the fields of every line
	phase   phase
	stopped chan struct{} // closed when a stop is over
	stopErr error
	lines   map[string]*line
	rests   map[string]time.Time // when an unheld line may be worth a claim again
	missed  map[string]bool      // woken since the last claim
	fast    lane
	slow    lane
	unsaved []*line // have outcomes that are not settled
	stalled bool    // the last settlement failed: nothing runs on
	due     time.Time
}

type phase int

const (
	fresh phase = iota
	running
	stopping
)

var errStarted = errors.New("webhook: the worker was started before")

// NewWorker returns a worker that does nothing before Start.
func NewWorker(queue Queue, sender Sender, opts WorkerOptions) *Worker {
	opts = opts.withDefaults()
	return &Worker{
		queue: queue, sender: sender, opts: opts, log: opts.Logger,
		policy: Policy{Schedule: opts.Schedule, PauseAfter: opts.PauseAfter},
		clock:  newClock(opts.Now),
		poked:  make(chan struct{}, 1), filled: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
		drain: make(chan struct{}), stopped: make(chan struct{}),
		lines: map[string]*line{}, rests: map[string]time.Time{}, missed: map[string]bool{},
		fast: lane{slots: opts.Pool}, slow: lane{slots: opts.SlowPool},
	}
}

// Start ends the leases that a predecessor of the same name left and begins to
// deliver.
func (w *Worker) Start(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase != fresh {
		return errStarted
	}
	return nil
}

// Wake says that events were recorded for these webhooks. It never blocks.
func (w *Worker) Wake(webhookIDs []string) {}

// Changed says that the configuration of a webhook changed, or that deliveries
// were queued again. It never blocks.
func (w *Worker) Changed(webhookID string) {}

// Stats is what the worker did since it started, and what it does now.
type Stats struct {
	Succeeded, Failed, PutBack int64 // attempts
	Delivered, Parked, Dead    int64 // deliveries; those buried with their webhook are not counted
	FastRunning, SlowRunning   int   // lines with a slot
	Held                       int   // lines with a lease
	SettleFailures             int64
}

type counters struct {
	succeeded, failed, putBack, delivered, parked, dead, settleFailures atomic.Int64
}

// Stats returns the counters.
func (w *Worker) Stats() Stats { return Stats{} }

// Stop is not there yet.
func (w *Worker) Stop(context.Context) error { return nil }
