package suite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chasqui/chasqui/bench/fanout/machine"
	"github.com/chasqui/chasqui/bench/fanout/wire"
)

// Contender is one server of the comparison.
type Contender struct {
	Name string
	kind kind
	// connect is what its clients say and answer.
	connect wire.Connect
	// anyFrame: several events may come in one frame.
	anyFrame bool
	portable bool // of chasqui
}

type kind int

const (
	peerKind kind = iota
	nodeKind
	chasquiKind
)

// The names of contenders that figures are compared with.
const (
	raw       = "raw"
	rawJoined = "raw-joined"
	epoll     = "chasqui"
	portable  = "chasqui-portable"
)

// contenders lists all of them in the order of the tables.
func contenders() []Contender {
	plain := wire.Connect{Path: "/"}
	return []Contender{
		{Name: raw, connect: plain},
		{Name: rawJoined, connect: plain},
		{Name: epoll, kind: chasquiKind},
		{Name: portable, kind: chasquiKind, portable: true},
		{Name: "gorilla", connect: plain},
		{Name: "coder", connect: plain},
		{Name: "gws", connect: plain},
		{Name: "centrifuge", anyFrame: true, connect: wire.Connect{
			Path: "/", Hello: `{"id":1,"connect":{}}`, Replies: map[string]string{"{}": "{}"},
		}},
		{Name: "ws", kind: nodeKind, connect: plain},
		{Name: "socketio", kind: nodeKind, connect: wire.Connect{
			Path: "/socket.io/?EIO=4&transport=websocket", Hello: "40", Replies: map[string]string{"2": "3"},
		}},
	}
}

// server is a running contender.
type server struct {
	*process
	contender Contender
	address   string
	link      *link
	connect   wire.Connect
	made      int // events, of each instance
	close     func()
	api       *api   // of chasqui
	data      string // its data folder
}

// setup is where things are and where they run.
type setup struct {
	Self                   string // this program
	Chasqui                string // the gateway's binary, built for injection
	Node                   string // the folder of the Node servers
	Profiles               string // the folder for CPU profiles; empty: none are taken
	serverCore, clientCore int
}

// startServer starts a contender. chasqui gets so many instances; the others
// have one.
func (s *setup) startServer(ctx context.Context, c Contender, instances int, opts gatewayOptions) (*server, error) {
	switch c.kind {
	case chasquiKind:
		return s.startChasqui(ctx, c, instances, opts)
	case nodeKind:
		return s.startPeer(ctx, c, "node", "--expose-gc", s.Node+"/"+c.Name+".mjs")
	}
	return s.startPeer(ctx, c, s.Self, "peer", c.Name)
}

func (s *setup) startPeer(ctx context.Context, c Contender, name string, args ...string) (*server, error) {
	p, err := start(ctx, s.serverCore, nil, name, args...)
	if err != nil {
		return nil, err
	}
	sv := &server{process: p, contender: c, link: newLink(p.in, p.out), connect: c.connect, close: p.stop}
	var l wire.Listening
	if err := sv.link.out.Decode(&l); err != nil {
		p.stop()
		return nil, p.failed(fmt.Errorf("%s did not say where it listens: %w", c.Name, err))
	}
	sv.address, sv.connect.Address = l.Address, l.Address
	return sv, nil
}

func (s *server) ask(q wire.Request) (wire.Answer, error) {
	return s.askOver(s.link, q)
}

func (s *server) askOver(l *link, q wire.Request) (wire.Answer, error) {
	var a wire.Answer
	err := l.ask(q, &a)
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	if err != nil {
		return a, s.failed(fmt.Errorf("%s: %s: %w", s.contender.Name, q.Op, err))
	}
	return a, nil
}

// memory is the server's after a garbage collection.
func (s *server) memory() (machine.Memory, error) {
	if _, err := s.ask(wire.Request{Op: wire.OpCollect}); err != nil {
		return machine.Memory{}, err
	}
	return machine.MemoryOf(s.pid())
}

// await waits until the server knows of n clients: some take them in only after
// the answer to the upgrade.
func (s *server) await(ctx context.Context, n int) error {
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		a, err := s.ask(wire.Request{Op: wire.OpStats})
		if err != nil || a.Clients == n {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s has %d of %d clients", s.contender.Name, a.Clients, n)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Names lists the contenders in the order of the tables.
func Names() []string {
	var names []string
	for _, c := range contenders() {
		names = append(names, c.Name)
	}
	return names
}
