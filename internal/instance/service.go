package instance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/chasqui/chasqui/internal/fault"
)

const (
	defaultLinkTimeout  = 60 * time.Second
	defaultStartStagger = 25 * time.Millisecond
	// defaultHistoryDays is asked for when history sync is on and the connect
	// call names no depth.
	defaultHistoryDays = 90
)

// Options tune the service. The zero value is useful.
type Options struct {
	Logger *slog.Logger
	// ServerProxy is used by instances without a proxy of their own. It may
	// hold credentials and is never shown.
	ServerProxy string
	// IgnoreProxies stores and answers proxies but never uses them (sandbox).
	IgnoreProxies bool
	// CheckProxyHost refuses hosts that must not be used as a proxy; its error's
	// text is shown to the user. Nil allows every host.
	CheckProxyHost func(host string) error
	// RefusedLoginReason replaces the reason of a logged_out event when a
	// stored login is refused at the first connect after start (sandbox with a
	// network of its own). Empty: WhatsApp's reason.
	RefusedLoginReason string
	// StartStagger is the mean pause between two instances coming back at
	// start; default 25 ms, so that a thousand of them take half a minute.
	StartStagger time.Duration
	// LinkTimeout bounds how long Connect waits for a code; default 60 s.
	LinkTimeout time.Duration
}

// Service creates, connects, supervises and deletes instances. It is started
// and stopped once.
type Service struct {
	store     Store
	engine    Engine
	publisher Publisher
	observer  Observer
	opts      Options
	log       *slog.Logger
	drain     sync.Once

	// mu guards what follows; it is never held over I/O.
	mu          sync.RWMutex
	supervisors map[string]*supervisor // by instance ID
	life        stage
	base        context.Context    // of all I/O that no caller waits for
	abort       context.CancelFunc // ends base
	draining    chan struct{}      // closed when Drain or Stop begins
	stopping    chan struct{}      // closed when Stop begins
	tasks       sync.WaitGroup     // supervisors and the staggered start
}

// stage is how far the service is in its life.
type stage uint8

const (
	unstarted stage = iota
	loading
	started
	stopped
)

// NewService returns a service that is not running yet; see Start.
func NewService(store Store, engine Engine, publisher Publisher, observer Observer, opts Options) *Service {
	if opts.LinkTimeout <= 0 {
		opts.LinkTimeout = defaultLinkTimeout
	}
	if opts.StartStagger <= 0 {
		opts.StartStagger = defaultStartStagger
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{
		store: store, engine: engine, publisher: publisher, observer: observer,
		opts: opts, log: opts.Logger,
		supervisors: make(map[string]*supervisor),
		draining:    make(chan struct{}),
		stopping:    make(chan struct{}),
	}
}

// Start loads every instance, tells the observer, and begins to bring back the
// linked ones, staggered. It returns when all are known, not when connected.
// The end of ctx does not stop what was started: Stop does.
func (s *Service) Start(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.tasks.Done()
	linked, err := s.load(ctx)
	if err != nil {
		s.end()
		s.abort()
		return fmt.Errorf("load instances: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != loading {
		return fault.ShuttingDown()
	}
	s.life = started
	s.tasks.Go(func() { s.resumeAll(linked) })
	return nil
}

// begin marks the service as loading, and holds one of its tasks so that Stop
// waits for Start.
func (s *Service) begin(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != unstarted {
		return errors.New("instance: the service was started before")
	}
	s.life = loading
	s.base, s.abort = context.WithCancel(context.WithoutCancel(ctx))
	s.tasks.Add(1)
	return nil
}

// load makes every stored instance known and returns the linked ones.
func (s *Service) load(ctx context.Context) ([]*supervisor, error) {
	all, err := s.store.ListInstances(ctx, "")
	if err != nil {
		return nil, err
	}
	var linked []*supervisor
	for _, in := range all {
		if err := s.observer.InstanceOpened(ctx, in); err != nil {
			return nil, fmt.Errorf("instance %s: %w", in.ID, err)
		}
		v := s.adopt(in)
		if in.Login.Linked() {
			linked = append(linked, v)
		}
	}
	return linked, nil
}

func (s *Service) adopt(in Instance) *supervisor {
	v := newSupervisor(s, in)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.supervisors[in.ID] = v
	return v
}

// resumeAll connects the linked instances one after the other, each pause drawn
// between nothing and twice the mean, so that a thousand of them never dial at
// once.
func (s *Service) resumeAll(linked []*supervisor) {
	for _, v := range linked {
		v.post(command{run: v.resume, refuse: func(error) {}})
		pause := time.NewTimer(time.Duration(rand.Int64N(2 * int64(s.opts.StartStagger))))
		select {
		case <-pause.C:
		case <-s.stopping:
			pause.Stop()
			return
		}
	}
}

// Drain ends the calls of Connect that wait for a code and lets no new ones
// wait; the clients stay connected until Stop. Call it before the server that
// waits for its requests is stopped.
func (s *Service) Drain() {
	s.drain.Do(func() { close(s.draining) })
}

// Stop disconnects every client without logging out and waits for them, no
// longer than ctx allows.
func (s *Service) Stop(ctx context.Context) error {
	s.Drain()
	if !s.end() {
		return nil
	}
	defer s.abort()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.tasks.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("instance: clients still running: %w", context.Cause(ctx))
	}
}

// end announces the stop. It reports whether there is something to wait for.
func (s *Service) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != stopped {
		s.life = stopped
		close(s.stopping)
	}
	return s.base != nil
}

// enter registers a supervisor's goroutine unless the service is stopping.
func (s *Service) enter() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.life != loading && s.life != started {
		return fault.ShuttingDown()
	}
	s.tasks.Add(1)
	return nil
}

// supervisor returns the one of an instance; an unknown instance is a fault.
func (s *Service) supervisor(id string) (*supervisor, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.life == unstarted || s.life == stopped {
		return nil, fault.ShuttingDown()
	}
	v, ok := s.supervisors[id]
	if !ok {
		return nil, fault.InstanceNotFound()
	}
	return v, nil
}

func (s *Service) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.supervisors, id)
}

// Get returns an account's instance by name.
func (s *Service) Get(ctx context.Context, accountID, name string) (Instance, error) {
	return s.store.GetInstance(ctx, accountID, name)
}

// Authenticate returns the instance that token belongs to.
func (s *Service) Authenticate(ctx context.Context, token string) (Instance, error) {
	return s.store.GetInstanceByToken(ctx, token)
}

// List returns an account's instances ordered by name. With names, only those:
// a single unknown name is Instance not found, in a list unknown ones are skipped.
func (s *Service) List(ctx context.Context, accountID string, names []string) ([]Instance, error) {
	if len(names) == 1 {
		in, err := s.store.GetInstance(ctx, accountID, names[0])
		if err != nil {
			return nil, err
		}
		return []Instance{in}, nil
	}
	all, err := s.store.ListInstances(ctx, accountID)
	if err != nil || len(names) == 0 {
		return all, err
	}
	return slices.DeleteFunc(all, func(in Instance) bool { return !slices.Contains(names, in.Name) }), nil
}

// Status returns the live condition of an instance.
func (s *Service) Status(in Instance) Status {
	v, err := s.supervisor(in.ID)
	if err != nil {
		return restingStatus(in)
	}
	return v.status()
}

// Client returns the instance's client if it is connected to WhatsApp.
func (s *Service) Client(instanceID string) (Client, bool) {
	v, err := s.supervisor(instanceID)
	if err != nil {
		return nil, false
	}
	return v.online()
}

// AnyLinked reports whether an instance of the account has a stored login.
func (s *Service) AnyLinked(ctx context.Context, accountID string) (bool, error) {
	all, err := s.store.ListInstances(ctx, accountID)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(all, func(in Instance) bool { return in.Login.Linked() }), nil
}
