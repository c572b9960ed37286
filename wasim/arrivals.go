package wasim

import (
	"sync"
	"time"
)

// keptArrivals is how many messages' times are remembered.
const keptArrivals = 1 << 17

// arrivals remembers when messages reached the server, the newest ones only.
type arrivals struct {
	mu   sync.Mutex // guards the fields below
	at   map[string]time.Time
	ring []string // ids in order of arrival; grows to keptArrivals, then wraps at next
	next int
}

func newArrivals() *arrivals { return &arrivals{at: map[string]time.Time{}} }

func (a *arrivals) record(id string, t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.at[id]; known {
		return
	}
	a.at[id] = t
	if len(a.ring) < keptArrivals {
		a.ring = append(a.ring, id)
		return
	}
	delete(a.at, a.ring[a.next])
	a.ring[a.next] = id
	a.next = (a.next + 1) % keptArrivals
}

// MessageTime is when the server received a message, from a client or a phone, by its id. Only the last 131,072
// messages are known.
func (s *Server) MessageTime(id string) (time.Time, bool) {
	s.arrivals.mu.Lock()
	defer s.arrivals.mu.Unlock()
	t, ok := s.arrivals.at[id]
	return t, ok
}
