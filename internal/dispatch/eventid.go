package dispatch

import (
	"crypto/rand"
	"sync"
	"time"
)

// eventIDs makes event IDs: "evt_" and 26 of [0-9a-z], which sort in the order
// in which they were made. They are ULIDs (github.com/ulid/spec) in lower case:
// 48 bits of Unix milliseconds and 80 random bits, counted up within one
// millisecond.
type eventIDs struct {
	mu   sync.Mutex // guards both
	ms   uint64
	tail [10]byte
}

const (
	idPrefix = "evt_"
	// crockford is the alphabet of ULIDs: no i, l, o, u.
	crockford = "0123456789abcdefghjkmnpqrstvwxyz"
)

// next returns an ID for the given moment, or the last one used if the clock
// went back.
func (g *eventIDs) next(now time.Time) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ms := uint64(now.UnixMilli()); ms > g.ms { // after 1970
		g.ms = ms
		_, _ = rand.Read(g.tail[:]) // never fails: crypto/rand crashes the process instead
		g.tail[0] &= 0x7f           // room to count up
	} else {
		g.countUp()
	}
	return idPrefix + g.encode()
}

func (g *eventIDs) countUp() {
	for i := len(g.tail) - 1; i >= 0; i-- {
		g.tail[i]++
		if g.tail[i] != 0 {
			return
		}
	}
}

// encode writes 48 and 80 bits as 26 characters of 5 bits; the first has 3.
func (g *eventIDs) encode() string {
	var raw [16]byte
	for i := range 6 {
		raw[i] = byte(g.ms >> (40 - 8*i))
	}
	copy(raw[6:], g.tail[:])
	var out [26]byte
	var bits, have uint
	at := len(out) - 1
	for i := len(raw) - 1; i >= 0; i-- {
		bits |= uint(raw[i]) << have
		for have += 8; have >= 5; have -= 5 {
			out[at] = crockford[bits&31]
			bits >>= 5
			at--
		}
	}
	out[at] = crockford[bits&31]
	return string(out[:])
}
