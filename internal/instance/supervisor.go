package instance

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/waid"
)

// phase is what a supervisor is doing about its instance's connection.
type phase uint8

const (
	idle    phase = iota // no connection, and none is wanted
	waiting              // a dial is due later
	opening              // dialing, or waiting for codes or the login
	linking              // codes are on offer
	paired               // the phone accepted; WhatsApp restarts the connection
	online               // logged in
)

// supervisor owns the client and the state machine of one instance. All of its
// work happens in one goroutine, which runs only while there is a client or
// something to do: an idle instance without a phone costs no goroutine.
// Commands and the client's reports reach it through its inbox, so operations
// on one instance are serialised without a lock over I/O.
type supervisor struct {
	svc *Service
	id  string
	log *slog.Logger

	// mu guards the fields that other goroutines see. Only the supervisor's
	// goroutine writes rec, state, offer and conn.
	mu       sync.Mutex
	rec      Instance
	state    State
	live     Client // set while online
	offer    offer  // the code valid now
	gone     bool   // deleted
	running  bool   // the goroutine exists
	commands []command
	reports  []report
	conn     uint64 // counts connections, to tell late reports

	wake chan struct{} // one token: the inbox is not empty

	// The rest belongs to the goroutine alone.
	client    Client
	proxyURL  string // that client was given
	phase     phase
	due       [alarms]time.Time
	attempts  int // dials since the connection was last healthy
	dialed    dialing
	waiters   []*waiter
	codes     []string // not shown yet
	history   int      // days to ask for at pairing
	resumed   bool     // a stored login was tried since start
	silent    bool     // keepalive_timeout was said
	unsaved   bool     // the store could not take the login
	burstAt   time.Time
	phoneAsks phoneWatch
}

// offer is a QR code and how long it, and the whole set, stays good.
type offer struct {
	code  string
	until time.Time
	end   time.Time
}

// command is work asked for by a caller; refuse is called instead of run when
// the supervisor ends first.
type command struct {
	run    func()
	refuse func(error)
}

// report is what a connection said: a signal, or how its dial ended.
type report struct {
	conn    uint64
	signal  Signal
	dialEnd bool
	err     error
}

func newSupervisor(svc *Service, in Instance) *supervisor {
	return &supervisor{
		svc: svc, id: in.ID, rec: in, state: restingState(in),
		log:  svc.log.With("instance", in.Name),
		wake: make(chan struct{}, 1),
	}
}

// post hands a command to the goroutine, starting it if need be. A command that
// cannot be taken is refused.
func (v *supervisor) post(c command) {
	if err := v.enqueue(c); err != nil {
		c.refuse(err)
	}
}

func (v *supervisor) enqueue(c command) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.gone {
		return fault.InstanceNotFound()
	}
	if !v.running {
		if err := v.svc.enter(); err != nil {
			return err
		}
		v.running = true
		go v.run()
	}
	v.commands = append(v.commands, c)
	v.knock()
	return nil
}

// call runs fn in the supervisor's goroutine and returns what it returns. When
// ctx ends first, fn runs nevertheless.
func call[T any](ctx context.Context, v *supervisor, fn func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	v.post(command{
		run: func() {
			value, err := fn()
			done <- answer{value, err}
		},
		refuse: func(err error) { done <- answer{err: err} },
	})
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// signal is what the client calls. It never blocks.
func (v *supervisor) signal(sig Signal) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reports = append(v.reports, report{conn: v.conn, signal: sig})
	v.knock()
}

func (v *supervisor) knock() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// run is the supervisor's goroutine.
func (v *supervisor) run() {
	defer v.svc.tasks.Done()
	for {
		v.takeReports()
		switch {
		case v.stopping():
			v.shutdown()
			return
		case v.runCommand():
		case v.retire():
			return
		default:
			v.sleep(nil, nil)
		}
	}
}

func (v *supervisor) stopping() bool { return closed(v.svc.stopping) }
func (v *supervisor) draining() bool { return closed(v.svc.draining) }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// takeReports handles what the client said so far, in order.
func (v *supervisor) takeReports() {
	for {
		v.mu.Lock()
		batch := v.reports
		v.reports = nil
		v.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for _, r := range batch {
			v.handle(r)
		}
	}
}

func (v *supervisor) runCommand() bool {
	v.mu.Lock()
	if len(v.commands) == 0 {
		v.mu.Unlock()
		return false
	}
	c := v.commands[0]
	v.commands = v.commands[1:]
	v.mu.Unlock()
	c.run()
	return true
}

// retire ends the goroutine when nothing is left to do.
func (v *supervisor) retire() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.client != nil || v.armed() || len(v.commands)+len(v.reports) > 0 {
		return false
	}
	v.running = false
	return true
}

// sleep waits for the inbox, the next alarm, the end of the service, or one of
// the given channels.
func (v *supervisor) sleep(limit, drain <-chan struct{}) {
	which, at := v.nextAlarm()
	var ring <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		ring = timer.C
	}
	select {
	case <-v.wake:
	case <-v.svc.stopping:
	case <-limit:
	case <-drain:
	case <-ring:
		// What was reported before the alarm counts first.
		v.takeReports()
		if v.due[which].Equal(at) {
			v.due[which] = time.Time{}
			v.ring(which)
		}
	}
}

// shutdown closes the client without logging out and turns away who waits.
func (v *supervisor) shutdown() {
	v.failWaiters(fault.ShuttingDown())
	v.closeClient()
	v.mu.Lock()
	rest := v.commands
	v.commands, v.reports, v.running = nil, nil, false
	v.mu.Unlock()
	for _, c := range rest {
		c.refuse(fault.ShuttingDown())
	}
}

// emit publishes a state event. A failure is logged: the state itself has
// changed, whether or not somebody could be told.
func (v *supervisor) emit(s event.State) {
	s.Timestamp = time.Now().UTC().Truncate(time.Millisecond)
	s.Instance = v.rec.Name
	s.JID = numberJID(v.rec.Login)
	if err := v.svc.publisher.PublishState(v.svc.base, v.id, &s); err != nil {
		v.log.Error("publish state", "state", s.State, "err", err)
	}
}

// update changes the record as others see it.
func (v *supervisor) update(change func(in *Instance)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.rec)
}

func (v *supervisor) setState(s State) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state = s
	v.live = nil
	if s == Connected {
		v.live = v.client
	}
}

func (v *supervisor) setOffer(o offer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.offer = o
}

// status is the condition as others see it.
func (v *supervisor) status() Status {
	v.mu.Lock()
	st := Status{State: v.state, NumberJID: numberJID(v.rec.Login), Presence: restingPresence}
	live := v.live
	v.mu.Unlock()
	if live != nil {
		st.Presence = live.Presence()
	}
	return st
}

func (v *supervisor) online() (Client, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.live, v.live != nil
}

// currentOffer returns the code that is valid now.
func (v *supervisor) currentOffer() (offer, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.offer, v.offer.code != "" && time.Now().Before(v.offer.until)
}

func (v *supervisor) record() Instance {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.rec
}

const restingPresence = "unavailable"

// restingState is the state of an instance that has no connection.
func restingState(in Instance) State {
	if in.LoggedOut {
		return LoggedOut
	}
	return Disconnected
}

func restingStatus(in Instance) Status {
	return Status{State: restingState(in), NumberJID: numberJID(in.Login), Presence: restingPresence}
}

// numberJID is the address of the account behind the linked device.
func numberJID(l Login) string {
	j, err := waid.Parse(l.DeviceJID)
	if err != nil {
		return ""
	}
	return j.NonDevice().String()
}
