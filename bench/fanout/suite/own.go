package suite

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/chasqui/chasqui/bench/fanout/wire"
)

// ownLoads are those that only chasqui takes.
func ownLoads(s Scale) []load {
	forms := []string{epoll, portable}
	return []load{
		{Load: tlsLoad(s), only: []string{epoll}, run: idleTLS},
		{Load: instancesLoad(s), only: forms, run: manyInstances, long: true},
		{Load: hotLoad(s), only: forms, run: hotInstance},
		{Load: mediaLoad(s), only: forms, run: mediaEvent},
		{Load: networkLoad(s), only: forms, run: throughNetwork},
	}
}

func tlsLoad(s Scale) Load {
	return Load{
		Name: "tls", Title: "Idle clients under TLS",
		About:   fmt.Sprintf("As above with %d clients under TLS, which the portable form serves.", s.TLSClients),
		Columns: []Column{{Name: "bytes", Title: "memory per client", Unit: Bytes, Goals: atMost(epoll, 14<<10)}},
	}
}

func idleTLS(ctx context.Context, s *stage) (Values, error) {
	return s.idle(ctx, s.scale.TLSClients, gatewayOptions{tls: true})
}

func instancesLoad(s Scale) Load {
	return Load{
		Name: "instances", Title: "Many instances at once",
		About: fmt.Sprintf("%d times an event of 1 KB for every client: %d instances with 2 clients each, in turn, against one with %d.",
			s.InstanceTurn, s.Instances, 2*s.Instances),
		Columns: []Column{
			{Name: "many", Title: "many instances, CPU per delivery", Unit: Nanoseconds},
			{Name: "one", Title: "one instance, CPU per delivery", Unit: Nanoseconds},
			{Name: "ratio", Title: "many ÷ one", Goals: bothAtMost(1.25, 1.25)},
		},
	}
}

// instancePause lets a turn arrive before the next begins.
const instancePause = 500 * time.Millisecond

func manyInstances(ctx context.Context, s *stage) (Values, error) {
	n := s.scale.Instances
	many, err := s.spread(ctx, n, 2)
	if err != nil {
		return nil, err
	}
	one, err := s.spread(ctx, 1, 2*n)
	return Values{"many": many, "one": one, "ratio": many / one}, err
}

// spread is the CPU per delivery of events to every one of so many instances in
// turn.
func (s *stage) spread(ctx context.Context, instances, each int) (float64, error) {
	defer func() {
		s.close()
		s.closers = nil
	}()
	sv, c, err := s.open(ctx, instances, gatewayOptions{})
	if err == nil {
		err = s.connect(ctx, sv, c, instances, each)
	}
	if err != nil {
		return 0, err
	}
	p := publication{size: kilobyte, burst: instances, rounds: 1, instances: instances}
	if _, err := s.measure(sv, c, p); err != nil {
		return 0, err
	}
	p.rounds, p.every = s.scale.InstanceTurn, instancePause
	if s.scale.Quick {
		p.every = 0
	}
	m, err := s.measure(sv, c, p)
	return m.perDelivery(), err
}

const (
	hotRate     = 10_000
	hotClients  = 10
	calmRate    = 20
	calmClients = 50
)

func hotLoad(s Scale) Load {
	return Load{
		Name: "hot", Title: "A hot instance beside a calm one",
		About: fmt.Sprintf("%d events/s to %d clients of one instance, for %s, beside %d events/s to %d clients of another: the other's p99. "+
			"One process reads for both.", hotRate, hotClients, s.HotTime, calmRate, calmClients),
		Columns: []Column{
			{Name: "alone", Title: "p99 alone", Unit: Nanoseconds},
			{Name: "beside", Title: "p99 beside it", Unit: Nanoseconds},
			{Name: "ratio", Title: "ratio", Goals: bothAtMost(2, 2)},
			{Name: "rate", Title: "hot deliveries a second", Unit: PerSecond},
		},
	}
}

// hotBurst is how many events the hot instance makes at once: timers are not
// fine enough for one each 100 µs.
const hotBurst = 10

func hotInstance(ctx context.Context, s *stage) (Values, error) {
	sv, c, err := s.open(ctx, 2, gatewayOptions{})
	if err != nil {
		return nil, err
	}
	groups := []wire.Connect{sv.connect, sv.connect}
	groups[0].Path, groups[0].Each, groups[0].Tally = instancePath(0), calmClients, "calm"
	groups[1].Path, groups[1].Each, groups[1].Tally = instancePath(1), hotClients, "hot"
	for i := range groups {
		groups[i].Instances = 1
		if _, err := c.ask(wire.CrowdRequest{Op: wire.OpConnect, Connect: &groups[i]}); err != nil {
			return nil, err
		}
	}
	hot, closeHot, err := sv.anotherLink(ctx)
	if err != nil {
		return nil, err
	}
	defer closeHot()
	calm := steady(calmRate, s.scale.HotTime)
	alone, err := s.pair(sv, c, calm, nil, publication{})
	if err != nil {
		return nil, err
	}
	every := hotBurst * time.Second / hotRate
	flood := publication{size: kilobyte, burst: hotBurst, rounds: int(s.scale.HotTime / every), every: every}
	beside, err := s.pair(sv, c, calm, hot, flood)
	if err != nil {
		return nil, err
	}
	t := beside["hot"]
	return Values{
		"alone": float64(alone["calm"].P99), "beside": float64(beside["calm"].P99),
		"ratio": float64(beside["calm"].P99) / float64(max(alone["calm"].P99, 1)),
		"rate":  float64(t.Deliveries) / time.Duration(max(t.Last-t.First, 1)).Seconds(),
	}, nil
}

func instancePath(i int) string { return fmt.Sprintf("/ws/%s%05d", instancePrefix, i) }

// pair publishes to the first instance, and over the hot link, unless that is
// nil, to the second at the same time.
func (s *stage) pair(sv *server, c *crowd, calm publication, hot *link, more publication) (map[string]wire.Tally, error) {
	if err := c.begin(kilobyte); err != nil {
		return nil, err
	}
	other := make(chan error, 1)
	go func() {
		if hot == nil {
			other <- nil
			return
		}
		q := more.request()
		q.First = 1
		_, err := sv.askOver(hot, q)
		other <- err
	}()
	_, err := sv.ask(calm.request())
	if err := errors.Join(err, <-other); err != nil {
		return nil, err
	}
	got, err := c.await(map[string]int{"calm": calm.rounds * calm.burst, "hot": more.rounds * more.burst})
	for _, t := range got.Tallies {
		s.check(t, got)
	}
	return got.Tallies, err
}

// anotherLink is a second connection to the gateway's injection.
func (s *server) anotherLink(ctx context.Context) (*link, func(), error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(s.data, injectSocket))
	if err != nil {
		return nil, nil, err
	}
	return newLink(conn, conn), func() { _ = conn.Close() }, nil
}
