package suite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/chasqui/chasqui/bench/fanout/wire"
)

// stage is one contender under one load: what was started for it, and what it
// did wrong.
type stage struct {
	*setup
	scale     Scale
	contender Contender
	name      string // of the profile
	faults    []string
	closers   []func()
}

func (s *stage) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
}

// fault notes something that a correct server does not do.
func (s *stage) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// open starts the contender and a crowd.
func (s *stage) open(ctx context.Context, instances int, opts gatewayOptions) (*server, *crowd, error) {
	sv, err := s.startServer(ctx, s.contender, instances, opts)
	if err != nil {
		return nil, nil, err
	}
	s.closers = append(s.closers, sv.close)
	if err := s.profile(sv); err != nil {
		return nil, nil, err
	}
	c, err := startCrowd(ctx, s.clientCore, s.Self)
	if err != nil {
		return nil, nil, err
	}
	s.closers = append(s.closers, c.stop)
	return sv, c, nil
}

// profile takes a CPU profile of the server until the stage is closed, if that
// is wanted and the server can.
func (s *stage) profile(sv *server) error {
	if s.Profiles == "" || s.contender.kind == nodeKind {
		return nil
	}
	file := filepath.Join(s.Profiles, s.name+".pprof")
	if _, err := sv.ask(wire.Request{Op: wire.OpProfile, File: file}); err != nil {
		return err
	}
	s.closers = append(s.closers, func() {
		if _, err := sv.ask(wire.Request{Op: wire.OpProfile}); err != nil {
			s.fault("the profile is not whole: %v", err)
		}
	})
	return nil
}

// everybody is the tally of clients that need no name.
const everybody = "all"

// connect opens each clients to each of the instances from the first on.
func (s *stage) connect(ctx context.Context, sv *server, c *crowd, instances, each int) error {
	q := sv.connect
	q.Instances, q.Each, q.Tally, q.Made = instances, each, everybody, uint32(sv.made)
	a, err := c.ask(wire.CrowdRequest{Op: wire.OpConnect, Connect: &q})
	if err != nil {
		return err
	}
	return sv.await(ctx, a.Clients)
}

// openWith is open and connect for one instance with n clients, and a few
// events before anything is measured.
func (s *stage) openWith(ctx context.Context, n int) (*server, *crowd, error) {
	sv, c, err := s.open(ctx, 1, gatewayOptions{})
	if err == nil {
		err = s.connect(ctx, sv, c, 1, n)
	}
	if err == nil {
		_, err = s.measure(sv, c, publication{size: kilobyte, burst: 1, rounds: 5})
	}
	return sv, c, err
}

// kilobyte is the usual size of an event in bytes.
const kilobyte = 1 << 10

// publication is what is published, and to whom.
type publication struct {
	size, burst, rounds int
	every               time.Duration
	instances           int // 0: one
}

// measured is what a publication cost and how it arrived. CPU is the server's.
type measured struct {
	tally   wire.Tally
	cpu     time.Duration
	mallocs float64
}

func (m measured) deliveries() float64 { return float64(max(m.tally.Deliveries, 1)) }

// perDelivery is the CPU of one delivery in nanoseconds.
func (m measured) perDelivery() float64 { return float64(m.cpu) / m.deliveries() }

// took is the time from the first event's making to the last one's arrival.
func (m measured) took() time.Duration { return time.Duration(max(m.tally.Last-m.tally.First, 1)) }

// patience is how long clients wait for what was published, once it was.
const patience = 30 * time.Second

// measure publishes, waits until all clients have everything, and notes as
// faults what was not as it must be.
func (s *stage) measure(sv *server, c *crowd, p publication) (measured, error) {
	size := p.size
	if s.contender.anyFrame {
		size = 0
	}
	before, err1 := sv.ask(wire.Request{Op: wire.OpStats})
	if err := errors.Join(err1, c.begin(size)); err != nil {
		return measured{}, err
	}
	if _, err := sv.ask(p.request()); err != nil {
		return measured{}, err
	}
	each := p.burst * p.rounds / max(p.instances, 1)
	sv.made += each
	got, err := c.await(map[string]int{everybody: each})
	if err != nil {
		return measured{}, err
	}
	after, err := sv.ask(wire.Request{Op: wire.OpStats})
	m := measured{tally: got.Tallies[everybody], cpu: time.Duration(after.CPU - before.CPU), mallocs: float64(after.Mallocs - before.Mallocs)}
	s.check(m.tally, got)
	return m, err
}

func (p publication) request() wire.Request {
	return wire.Request{
		Op: wire.OpPublish, Prefix: instancePrefix, Instances: max(p.instances, 1),
		Size: p.size, Burst: p.burst, Rounds: p.rounds, Every: int64(p.every),
	}
}

func (s *stage) check(t wire.Tally, a wire.CrowdAnswer) {
	if t.Faults() > 0 {
		s.fault("of %d deliveries %d did not come, %d were skipped, %d repeated, %d late; %d odd frames",
			t.Deliveries, t.Short, t.Missing, t.Repeated, t.Late, t.Odd)
	}
	if a.Ended > 0 {
		s.fault("%d clients were cut off", a.Ended)
	}
}
