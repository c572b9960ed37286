package webhook

import (
	"sync"
	"time"
)

// clock reads the time that is stored with deliveries. It follows the wall
// clock forwards and never goes back, so that what is due stays due when
// somebody sets the machine's clock back; and it knows by how much the wall
// clock jumped forward, so that a jump makes nothing older than it is.
type clock struct {
	wall  func() time.Time
	start time.Time // carries the monotonic clock

	mu    sync.Mutex // guards the rest
	last  time.Time  // the last reading, without monotonic part
	at    time.Duration
	jumps []jump
}

// jump is a leap of the wall clock from one reading to a later one.
type jump struct {
	from time.Time
	by   time.Duration
}

const (
	smallestJump = 5 * time.Second // less is a correction
	jumpsKept    = 32
)

func newClock(wall func() time.Time) *clock {
	return &clock{wall: wall, start: time.Now(), last: wall().Round(0)}
}

// now returns the reading, without monotonic part.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, wall := time.Since(c.start), c.wall().Round(0)
	expected := c.last.Add(at - c.at)
	if by := wall.Sub(expected); by >= smallestJump {
		c.jumps = append(c.jumps, jump{from: expected, by: by})
		c.jumps = c.jumps[max(0, len(c.jumps)-jumpsKept):]
	}
	c.at, c.last = at, expected
	if wall.After(expected) {
		c.last = wall
	}
	return c.last
}

// since returns how much time has passed since an earlier reading, without the
// jumps in between; 0 for the zero time.
func (c *clock) since(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	passed := c.now().Sub(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, j := range c.jumps {
		if !t.After(j.from) {
			passed -= j.by
		}
	}
	return max(passed, 0)
}
