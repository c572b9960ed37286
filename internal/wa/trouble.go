package wa

import (
	"context"
	"errors"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// errPanicked stands for a panic in a handler.
var errPanicked = errors.New("wa: event handler panicked")

// trouble is what a client remembers of events that could not be recorded.
// Guarded by client.mu.
type trouble struct {
	refusing bool // until the next connect
	streak   int  // failures since the last success
	reason   string
	panics   map[types.MessageID]int
}

// The pause before a connection is reset grows from the first to the second.
const (
	resetPauseMin = 250 * time.Millisecond
	resetPauseMax = 30 * time.Second
)

func (c *client) refusing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trouble.refusing
}

func (c *client) untroubled() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trouble.streak = 0
}

// troubled notes a failure and, once per connection, plans its reset: WhatsApp
// repeats what was not acknowledged only after a reconnect.
func (c *client) troubled(cause error) {
	c.engine.stats.recordFailures.Add(1)
	c.mu.Lock()
	again := c.trouble.refusing
	c.trouble.refusing = true
	pause := min(resetPauseMin<<min(c.trouble.streak, 10), resetPauseMax)
	c.trouble.streak++
	c.mu.Unlock()
	if again || c.life.Err() != nil {
		return
	}
	c.log.Error("an event could not be recorded; reconnecting so that WhatsApp repeats it",
		"error", cause, "pause", pause)
	c.spawn(func(context.Context) {
		if c.pause(pause) && c.refusing() { // else it was connected anew meanwhile
			c.reset("recording_failed")
		}
	})
}

// panicLimit is how often a message may make the handler panic before it is
// told as unsupported: it must not stop its instance for ever.
const panicLimit = 3

func (c *client) poisonous(id types.MessageID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trouble.panics == nil {
		c.trouble.panics = make(map[types.MessageID]int)
	}
	c.trouble.panics[id]++
	if c.trouble.panics[id] < panicLimit {
		return false
	}
	delete(c.trouble.panics, id)
	return true
}
