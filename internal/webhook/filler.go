package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/media"
)

// Files gives the files that bodies wait for; media.Library is one.
type Files interface {
	// FetchPatiently is as media.Files says, without holding up anybody who has
	// less time.
	FetchPatiently(ctx context.Context, instanceID string, key media.Key, ref media.Ref) (*media.File, error)
	// Kept returns a file without fetching it, which the caller closes. It fails
	// with media.ErrNotThere if the file is not kept.
	Kept(ctx context.Context, instanceID string, key media.Key) (*media.File, error)
}

// FillerOptions tune a Filler.
type FillerOptions struct {
	Wait     time.Duration // media.webhook_wait, from when the event was recorded; default 5 min
	Max      int64         // media.base64_max, bytes of the plain file; default 16 MiB
	Parallel int           // bodies that are worked on at once; default 8, see patientFills
	// Wake is told which webhooks' lines became due. It must not block.
	Wake   func(webhookIDs []string)
	Logger *slog.Logger
	Now    func() time.Time // the wall clock; default time.Now
}

func (o FillerOptions) withDefaults() FillerOptions {
	if o.Wait <= 0 {
		o.Wait = 5 * time.Minute
	}
	if o.Max <= 0 {
		o.Max = 16 << 20
	}
	if o.Parallel <= 0 {
		o.Parallel = 8
	}
	if o.Wake == nil {
		o.Wake = func([]string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

const (
	// lookEvery is how often the Filler lists all that is unfilled, to find what
	// was committed out of order and what an error hid. A fill that takes longer
	// leaves its place to the next one.
	lookEvery = 10 * time.Second
	// patientFills is how many fills may go on beside Options.Parallel after they
	// left their place. They cost little: mostly they wait between two tries of
	// their fetch.
	patientFills = 256
	// unfilledPage is how many bodies are read at once, unfilledPages how often
	// that is done in a row, unfilledHeld how many of an instance wait in memory.
	// The others wait in the store.
	unfilledPage  = 64
	unfilledPages = 64
	unfilledHeld  = 64
)

// Filler completes the bodies that wait for a file: each within Options.Wait
// from when its event was recorded, with the file, or with the reason why it is
// missing. What is unfilled when it starts, as after a crash, it takes up again.
//
// Instances take turns, and a fetch that takes long makes way for others, so
// that an instance whose files cannot be had delays nobody else's.
type Filler struct {
	bodies Bodies
	files  Files
	opts   FillerOptions
	log    *slog.Logger
	clock  *clock

	wake     chan struct{} // holds one token while there may be new bodies
	finished chan *filling // filled, or given up because the filler stops
	fills    sync.WaitGroup

	mu    sync.Mutex // guards the rest
	stop  context.CancelFunc
	ended chan struct{} // closed when nothing runs any more
}

var _ lifecycle.Service = (*Filler)(nil)

// NewFiller returns a filler, which does nothing before Start.
func NewFiller(bodies Bodies, files Files, opts FillerOptions) *Filler {
	opts = opts.withDefaults()
	return &Filler{
		bodies: bodies, files: files, opts: opts, log: opts.Logger, clock: newClock(opts.Now),
		wake: make(chan struct{}, 1), finished: make(chan *filling),
	}
}

// Wake tells the filler that there are new bodies. It does not block.
func (f *Filler) Wake() {
	select {
	case f.wake <- struct{}{}:
	default: // it was told already
	}
}

// Start implements lifecycle.Service. A filler is started once.
func (f *Filler) Start(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != nil {
		return errors.New("webhook: the filler was started before")
	}
	ctx, f.stop = context.WithCancel(context.WithoutCancel(ctx))
	f.ended = make(chan struct{})
	go func() {
		defer close(f.ended)
		f.run(ctx)
	}()
	return nil
}

// Stop implements lifecycle.Service. What is not filled is taken up by the next
// start.
func (f *Filler) Stop(ctx context.Context) error {
	f.mu.Lock()
	stop, ended := f.stop, f.ended
	f.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("webhook: stop filling bodies: %w", ctx.Err())
	}
}

// run owns the backlog; the fills run beside it.
func (f *Filler) run(ctx context.Context) {
	defer f.fills.Wait()
	b := newBacklog()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	f.list(ctx, b, "")
	for {
		f.begin(ctx, b)
		if b.more {
			f.list(ctx, b, "")
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
			f.list(ctx, b, b.listed)
		case <-look.C:
			b.makeWay(time.Now())
			f.list(ctx, b, "")
		case done := <-f.finished:
			b.end(done)
		}
	}
}

// begin starts fills while there are places.
func (f *Filler) begin(ctx context.Context, b *backlog) {
	for b.places < f.opts.Parallel {
		u, ok := b.next()
		if !ok {
			return
		}
		w := b.start(u, time.Now())
		f.fills.Go(func() {
			f.fill(ctx, w.Unfilled)
			select {
			case f.finished <- w:
			case <-ctx.Done():
			}
		})
	}
}

// list puts what is unfilled after a body into the backlog. What fails is
// listed again at the next look.
func (f *Filler) list(ctx context.Context, b *backlog, after string) {
	b.more = false
	for range unfilledPages {
		page, err := f.bodies.ListUnfilled(ctx, after, unfilledPage)
		if err != nil {
			if ctx.Err() == nil {
				f.log.Error("the bodies that wait for files could not be listed", "error", err)
			}
			return
		}
		for _, u := range page {
			b.add(u)
			after = u.BodyID
		}
		b.listed = after // IDs begin with the instance: only the list's order says which is later
		if len(page) < unfilledPage {
			return
		}
	}
}

// backlog is what the filler knows of: bodies that wait for their turn, by
// instance, and those that are being filled.
type backlog struct {
	held    map[string]bool       // IDs of all of them
	waiting map[string][]Unfilled // by instance, oldest first
	turns   []string              // instances with waiting ones; the first is next
	running map[*filling]bool
	places  int             // taken ones of Options.Parallel
	listed  string          // the last body that was listed
	left    map[string]bool // instances with bodies for which there was no room
	more    bool            // now there is
}

// filling is a body that is being filled.
type filling struct {
	Unfilled
	since   time.Time
	patient bool // it has left its place
}

func newBacklog() *backlog {
	return &backlog{
		held: map[string]bool{}, waiting: map[string][]Unfilled{},
		running: map[*filling]bool{}, left: map[string]bool{},
	}
}

// add takes a body in, unless it is held already or there is no room for more
// of its instance.
func (b *backlog) add(u Unfilled) {
	list := b.waiting[u.InstanceID]
	switch {
	case b.held[u.BodyID]:
		return
	case len(list) >= unfilledHeld:
		b.left[u.InstanceID] = true
		return
	case len(list) == 0:
		b.turns = append(b.turns, u.InstanceID)
	}
	b.held[u.BodyID] = true
	b.waiting[u.InstanceID] = append(list, u)
}

// next takes the oldest body of the instance whose turn it is.
func (b *backlog) next() (u Unfilled, ok bool) {
	if len(b.turns) == 0 {
		return Unfilled{}, false
	}
	instance := b.turns[0]
	b.turns = b.turns[1:]
	list := b.waiting[instance]
	if b.left[instance] && len(list) <= unfilledHeld/2 {
		delete(b.left, instance)
		b.more = true
	}
	if len(list) > 1 {
		b.waiting[instance] = list[1:]
		b.turns = append(b.turns, instance)
	} else {
		delete(b.waiting, instance)
	}
	return list[0], true
}

func (b *backlog) start(u Unfilled, now time.Time) *filling {
	w := &filling{Unfilled: u, since: now}
	b.running[w] = true
	b.places++
	return w
}

func (b *backlog) end(w *filling) {
	delete(b.running, w)
	delete(b.held, w.BodyID)
	if !w.patient {
		b.places--
	}
}

// makeWay lets fills that run long leave their places.
func (b *backlog) makeWay(now time.Time) {
	for w := range b.running {
		if len(b.running)-b.places >= patientFills {
			return
		}
		if !w.patient && now.Sub(w.since) >= lookEvery {
			w.patient = true
			b.places--
		}
	}
}
