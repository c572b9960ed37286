package peer

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// window is how many events a client of a server with queues may be behind; as
// many as with chasqui.
const window = 256

// Peer is one server.
type Peer interface {
	// Serve accepts clients until the listener fails.
	Serve(net.Listener) error
	// Publish hands events to every client, in order. It may return before they
	// have been written.
	Publish(events [][]byte) error
	// Clients is how many are connected.
	Clients() int
}

// named are the peers written in Go, by the names they have in results.
var named = map[string]func() (Peer, error){
	"raw":        func() (Peer, error) { return &raw{}, nil },
	"raw-joined": func() (Peer, error) { return &raw{joined: true}, nil },
	"gorilla":    newGorilla,
	"coder":      newCoder,
	"gws":        newGWS,
	"centrifuge": newCentrifuge,
}

// Names lists the peers.
func Names() []string { return slices.Sorted(maps.Keys(named)) }

// New makes a peer by its name.
func New(name string) (Peer, error) {
	make, ok := named[name]
	if !ok {
		return nil, fmt.Errorf("no peer is called %q", name)
	}
	return make()
}

// overheads are the bytes that a peer's protocol puts around an event.
var overheads = map[string]int{"centrifuge": len(`{"push":{"channel":"bench","pub":{"data":}}}`)}

// Overhead is how many bytes a peer's protocol puts around an event; events are
// made shorter by it, so that all contenders' frames are of one size.
func Overhead(name string) int { return overheads[name] }

// set is the clients of a peer that has no set of its own.
type set[C comparable] struct {
	mu      sync.Mutex // guards members
	members map[C]struct{}
}

func (s *set[C]) add(c C) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members == nil {
		s.members = map[C]struct{}{}
	}
	s.members[c] = struct{}{}
}

func (s *set[C]) remove(c C) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.members, c)
}

func (s *set[C]) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.members)
}

// each calls f for every member with the set locked.
func (s *set[C]) each(f func(C)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.members {
		f(c)
	}
}

// serve serves HTTP on the listener.
func serve(l net.Listener, h http.Handler) error {
	return (&http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}).Serve(l)
}
