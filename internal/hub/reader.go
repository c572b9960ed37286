package hub

import (
	"sync"

	"github.com/gobwas/ws"
)

var pingFrame = ws.CompiledPing

func pongFrame(payload []byte) []byte { return ws.MustCompileFrame(ws.NewPongFrame(payload)) }

// pieces are the buffers for clients that send more than heartbeats.
var pieces = sync.Pool{New: func() any { return new([4 << 10]byte) }}

// run reads until the connection ends, and is what the client's life depends
// on. early holds the bytes that came with the upgrade request.
func (c *client) run(early []byte) {
	defer c.hub.forget(c)
	if len(early) > 0 && !c.hear(early) {
		c.discard()
		return
	}
	for {
		n, err := c.tr.read(c.room[:])
		if err != nil {
			return
		}
		if !c.hear(c.room[:n]) || (n == len(c.room) && !c.readMore()) {
			c.discard()
			return
		}
	}
}

// readMore goes on with a larger buffer as long as there is much to read.
func (c *client) readMore() bool {
	buf := pieces.Get().(*[4 << 10]byte)
	defer pieces.Put(buf)
	for {
		n, err := c.tr.read(buf[:])
		if err != nil {
			return true // the next read says it again
		}
		if !c.hear(buf[:n]) {
			return false
		}
		if n < len(buf)/2 {
			return true
		}
	}
}

// hear takes in one piece; false: nothing more is to be understood.
func (c *client) hear(p []byte) bool {
	c.heardAt.Store(c.hub.now())
	var h heard
	code := c.in.feed(p, &h)
	switch {
	case code != 0:
		c.deaf.Store(true)
		c.close(code)
		return false
	case h.closed:
		c.peerDone.Store(true)
		c.close(h.code)
		c.hangUp()
		return false
	case h.pinged:
		c.answer(h.ping)
	}
	return true
}

// discard reads on without looking until the connection ends: closing a socket
// with unread bytes would reset it and could destroy our close frame.
func (c *client) discard() {
	buf := pieces.Get().(*[4 << 10]byte)
	defer pieces.Put(buf)
	for {
		if _, err := c.tr.read(buf[:]); err != nil {
			return
		}
	}
}
