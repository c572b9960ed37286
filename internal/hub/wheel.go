package hub

import (
	"sync"
	"time"
)

// wheel says which clients are due for a ping or for the check of their
// silence. It replaces two timers per client by one ticker for all.
type wheel struct {
	tick  time.Duration
	mu    sync.Mutex
	slots []*client // heads of lists, by tick
	at    int       // the slot that is next
}

// wheelEntry is a client's place in the wheel, guarded by wheel.mu.
type wheelEntry struct {
	next, prev *client
	slot       int32
	in, gone   bool
	ping       int64 // Hub.now of the next ping; touched by the ticker only
}

// maxSlots bounds the wheel: who is due later is looked at earlier and put back.
const maxSlots = 256

func newWheel(tick, horizon time.Duration) *wheel {
	n := min(int(horizon/tick)+2, maxSlots)
	return &wheel{tick: tick, slots: make([]*client, n)}
}

// put makes the client due in about d, unless it has been taken out for good.
func (w *wheel) put(c *client, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.due.gone || c.due.in {
		return
	}
	ticks := int((d + w.tick - 1) / w.tick)
	slot := (w.at + min(max(ticks, 1), len(w.slots)-1)) % len(w.slots)
	head := w.slots[slot]
	c.due.next, c.due.prev, c.due.slot, c.due.in = head, nil, int32(slot), true // below maxSlots
	if head != nil {
		head.due.prev = c
	}
	w.slots[slot] = c
}

// remove takes a client out for good.
func (w *wheel) remove(c *client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.due.gone = true
	w.unlink(c)
}

func (w *wheel) unlink(c *client) {
	if !c.due.in {
		return
	}
	if c.due.prev != nil {
		c.due.prev.due.next = c.due.next
	} else {
		w.slots[c.due.slot] = c.due.next
	}
	if c.due.next != nil {
		c.due.next.due.prev = c.due.prev
	}
	c.due.next, c.due.prev, c.due.in = nil, nil, false
}

// advance turns the wheel by one tick and appends those who are due to dst.
func (w *wheel) advance(dst []*client) []*client {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = (w.at + 1) % len(w.slots)
	for c := w.slots[w.at]; c != nil; c = w.slots[w.at] {
		w.unlink(c)
		dst = append(dst, c)
	}
	return dst
}

// tickFor picks a resolution fit for the shortest of the given times.
func tickFor(times ...time.Duration) time.Duration {
	tick := time.Second
	for _, d := range times {
		tick = min(tick, d/8)
	}
	return max(tick, 5*time.Millisecond)
}

// keepTime runs until the hub stops: pings, silence, stalls and the end of
// closing clients.
func (h *Hub) keepTime() {
	t := time.NewTicker(h.wheel.tick)
	defer t.Stop()
	var due []*client
	for {
		select {
		case <-h.quit:
			return
		case <-t.C:
		}
		due = h.wheel.advance(due[:0])
		for _, c := range due {
			h.attend(c)
		}
		clear(due)
		h.dropStalled()
	}
}

// attend pings a client that is due and drops one that has been silent.
func (h *Hub) attend(c *client) {
	now := h.now()
	silent := time.Duration(now - c.heardAt.Load())
	if silent >= h.opts.Timeout {
		h.drop(c, "silent")
		return
	}
	if now >= c.due.ping {
		c.due.ping = now + int64(h.opts.Ping)
		c.sendPing()
	}
	h.wheel.put(c, min(time.Duration(c.due.ping-now), h.opts.Timeout-silent))
}

// dropStalled ends laggards that take nothing and closing clients whose time
// is up.
func (h *Hub) dropStalled() {
	now := h.now()
	for _, c := range h.watched() {
		end := c.deadline.Load()
		switch {
		case end != 0 && now >= end:
			h.drop(c, "close frame not taken or not answered")
		case end == 0 && c.lags.Load() > 0 && now-c.progress.Load() >= int64(h.opts.Stall):
			h.drop(c, "stalled")
		}
	}
}
