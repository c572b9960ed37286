package peer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/chasqui/chasqui/bench/fanout/machine"
	"github.com/chasqui/chasqui/bench/fanout/payload"
	"github.com/chasqui/chasqui/bench/fanout/wire"
)

// Run serves a peer on a free port of loopback, says on out where, and does
// what in asks for until it ends.
func Run(ctx context.Context, name string, in io.Reader, out io.Writer) error {
	p, err := New(name)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	clock, err := machine.NewClock()
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- p.Serve(l) }()
	answers := json.NewEncoder(out)
	if err := answers.Encode(wire.Listening{Address: l.Addr().String()}); err != nil {
		return err
	}
	c := &control{peer: p, overhead: Overhead(name), clock: clock, makers: map[int]*payload.Maker{}}
	err = c.answer(json.NewDecoder(bufio.NewReader(in)), answers)
	err = errors.Join(err, l.Close())
	if end := <-served; !errors.Is(end, net.ErrClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// control does what the benchmark asks of a peer.
type control struct {
	peer     Peer
	overhead int
	clock    machine.Clock
	makers   map[int]*payload.Maker // by size
	made     uint32
	profile  *os.File // nil: none is being taken
}

func (c *control) answer(in *json.Decoder, out *json.Encoder) error {
	for {
		var q wire.Request
		if err := in.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a, err := c.do(q)
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}

func (c *control) do(q wire.Request) (wire.Answer, error) {
	switch q.Op {
	case wire.OpPublish:
		return c.publish(q)
	case wire.OpProfile:
		return wire.Answer{}, c.profileInto(q.File)
	case wire.OpCollect:
		debug.FreeOSMemory()
		return wire.Answer{}, nil
	case wire.OpStats:
		cpu, err := machine.CPU()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return wire.Answer{CPU: int64(cpu), Mallocs: m.Mallocs, Clients: c.peer.Clients()}, err
	}
	return wire.Answer{}, fmt.Errorf("unknown operation %q", q.Op)
}

// profileInto ends the CPU profile that is being taken, if there is one, and
// begins one in file unless that is empty.
func (c *control) profileInto(file string) error {
	pprof.StopCPUProfile()
	if c.profile != nil {
		if err := c.profile.Close(); err != nil {
			return err
		}
		c.profile = nil
	}
	if file == "" {
		return nil
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	c.profile = f
	return pprof.StartCPUProfile(f)
}

func (c *control) publish(q wire.Request) (wire.Answer, error) {
	m := c.makers[q.Size]
	if m == nil {
		m = payload.NewMaker(q.Size - c.overhead)
		c.makers[q.Size] = m
	}
	pace := time.NewTicker(time.Duration(max(q.Every, 1)))
	defer pace.Stop()
	for range q.Rounds {
		events := make([][]byte, q.Burst)
		for i := range events {
			c.made++
			events[i] = m.Make(c.made, c.clock.Now())
		}
		if err := c.peer.Publish(events); err != nil {
			return wire.Answer{}, err
		}
		if q.Every > 0 {
			<-pace.C
		}
	}
	return wire.Answer{Events: q.Rounds * q.Burst}, nil
}
