package suite

import (
	"context"
	"errors"
	"time"

	"github.com/chasqui/chasqui/bench/fanout/machine"
	"github.com/chasqui/chasqui/bench/fanout/wire"
)

// Values are the figures of one sample by name; the names are columns of a
// Load.
type Values map[string]float64

// load is one kind of measurement.
type load struct {
	Load
	skip []string // contenders that it makes no sense for
	only []string // if not nil: the only ones
	run  func(context.Context, *stage) (Values, error)
	// long: half of the rounds must do.
	long bool
}

// rounds is how often the load is repeated.
func (l load) rounds(s Scale) int {
	if l.long {
		return (s.Rounds + 1) / 2
	}
	return s.Rounds
}

func loads(s Scale) []load {
	return append(comparisons(s), ownLoads(s)...)
}

// comparisons are the loads of design's table that all contenders take.
func comparisons(s Scale) []load {
	return []load{
		{Load: singleLoad(s), skip: []string{rawJoined}, run: single},
		{Load: burstLoad(s), run: burst},
		{Load: latencyLoad("latency-many", s.Clients, 20), skip: []string{rawJoined}, run: latency(s.Clients, 20)},
		{Load: latencyLoad("latency-few", min(50, s.Clients), 100), skip: []string{rawJoined}, run: latency(min(50, s.Clients), 100)},
		{Load: idleLoad(s), skip: []string{raw, rawJoined}, run: idle},
		{Load: largeLoad(s), skip: []string{rawJoined}, run: large},
		{Load: stallLoad(s), skip: []string{raw, rawJoined}, run: stalled},
	}
}

// single: one event at a time to many clients.
func single(ctx context.Context, s *stage) (Values, error) {
	sv, c, err := s.openWith(ctx, s.scale.Clients)
	if err != nil {
		return nil, err
	}
	m, err := s.measure(sv, c, publication{size: kilobyte, burst: 1, rounds: s.scale.SingleEvents, every: s.scale.SingleEvery})
	v := Values{"cpu": m.perDelivery()}
	if m.mallocs > 0 {
		v["allocs"] = m.mallocs / m.deliveries()
	}
	return v, err
}

// burst: many events at once to many clients, the next burst when everybody has
// the last.
func burst(ctx context.Context, s *stage) (Values, error) {
	sv, c, err := s.openWith(ctx, s.scale.Clients)
	if err != nil {
		return nil, err
	}
	m, err := s.bursts(sv, c, s.scale.Bursts)
	return Values{"rate": m.rate(), "cpu": m.perDelivery()}, err
}

// bursting is what a row of bursts gave.
type bursting struct {
	measured
	busy time.Duration // from each burst's making to its last arrival
}

// rate is deliveries a second while a burst was on its way.
func (b bursting) rate() float64 { return b.deliveries() / max(b.busy.Seconds(), 1e-9) }

// add counts another row's bursts too.
func (b *bursting) add(more bursting) {
	b.busy += more.busy
	b.cpu += more.cpu
	b.mallocs += more.mallocs
	b.tally.Deliveries += more.tally.Deliveries
}

func (s *stage) bursts(sv *server, c *crowd, n int) (bursting, error) {
	var all bursting
	for range n {
		m, err := s.measure(sv, c, publication{size: kilobyte, burst: burstEvents, rounds: 1})
		if err != nil {
			return all, err
		}
		all.add(bursting{measured: m, busy: m.took()})
	}
	return all, nil
}

// latency: a steady stream of so many events a second.
func latency(clients, rate int) func(context.Context, *stage) (Values, error) {
	return func(ctx context.Context, s *stage) (Values, error) {
		sv, c, err := s.openWith(ctx, clients)
		if err != nil {
			return nil, err
		}
		m, err := s.measure(sv, c, steady(rate, s.scale.LatencyTime))
		return Values{"p50": float64(m.tally.P50), "p99": float64(m.tally.P99)}, err
	}
}

// steady is a stream of single events.
func steady(rate int, d time.Duration) publication {
	every := time.Second / time.Duration(rate)
	return publication{size: kilobyte, burst: 1, rounds: max(int(d/every), 1), every: every}
}

// idle: clients that get nothing.
func idle(ctx context.Context, s *stage) (Values, error) {
	return s.idle(ctx, s.scale.IdleClients, gatewayOptions{})
}

// idle measures the server's memory without clients, once it has had one, and
// with n.
func (s *stage) idle(ctx context.Context, n int, opts gatewayOptions) (Values, error) {
	sv, c, err := s.open(ctx, 1, opts)
	if err == nil {
		err = s.connect(ctx, sv, c, 1, 1)
	}
	if err != nil {
		return nil, err
	}
	before, err1 := sv.memory()
	err2 := s.connect(ctx, sv, c, 1, n)
	after, err3 := sv.memory()
	return Values{"bytes": float64(after.Resident-before.Resident) / float64(n)}, errors.Join(err1, err2, err3)
}

const (
	largeSize    = 1 << 20
	largeClients = 20
)

// large: single events of 1 MB.
func large(ctx context.Context, s *stage) (Values, error) {
	sv, c, err := s.openWith(ctx, largeClients)
	if err != nil {
		return nil, err
	}
	before, err := sv.memory()
	if err := errors.Join(err, machine.ForgetPeak(sv.pid())); err != nil {
		return nil, err
	}
	var bytes, busy, cpu float64
	for range s.scale.LargeEvents {
		m, err := s.measure(sv, c, publication{size: largeSize, burst: 1, rounds: 1})
		if err != nil {
			return nil, err
		}
		bytes += float64(m.tally.Bytes)
		busy += m.took().Seconds()
		cpu += float64(m.cpu)
	}
	after, err := machine.MemoryOf(sv.pid())
	return Values{"rate": bytes / busy, "cpu": cpu / bytes, "peak": float64(after.Peak - before.Resident)}, err
}

const (
	stallClients = 100
	stallOnes    = 10
	// stallBuffer is the receive buffer that these clients ask for, in bytes, so
	// that it fills soon; the system doubles it.
	stallBuffer = 64 << 10
)

// stalled: some clients stop reading while bursts go on.
func stalled(ctx context.Context, s *stage) (Values, error) {
	sv, c, err := s.open(ctx, 1, gatewayOptions{})
	if err != nil {
		return nil, err
	}
	sv.connect.ReceiveBuffer = stallBuffer
	if err := s.connect(ctx, sv, c, 1, stallClients); err != nil {
		return nil, err
	}
	if _, err := s.bursts(sv, c, 3); err != nil { // before anything is measured
		return nil, err
	}
	calm, err := s.bursts(sv, c, max(s.scale.StallBursts/4, 2))
	if err != nil {
		return nil, err
	}
	if _, err := c.ask(wire.CrowdRequest{Op: wire.OpStall, Clients: stallOnes}); err != nil {
		return nil, err
	}
	var beside bursting
	var queued int64
	for range s.scale.StallBursts {
		b, err1 := s.bursts(sv, c, 1)
		q, err2 := machine.MostQueued(sv.address)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		beside.add(b)
		queued = max(queued, q)
	}
	end, err := c.ask(wire.CrowdRequest{Op: wire.OpDrain, Timeout: int64(s.drainTime())})
	if t := end.Tallies["stalled"]; t.Missing+t.Repeated+t.Late+t.Odd > 0 {
		s.fault("the stalled clients got %+v", t)
	}
	return Values{"others": beside.rate() / calm.rate(), "cut": float64(end.Cut), "queued": float64(queued)}, err
}

// drainTime is how long stalled clients may read before those that are still
// connected count as not cut.
func (s *stage) drainTime() time.Duration {
	if s.scale.Quick {
		return time.Second
	}
	return 10 * time.Second
}
