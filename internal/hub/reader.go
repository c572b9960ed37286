package hub

import (
	"sync"

	"github.com/gobwas/ws"
)

var pingFrame = ws.CompiledPing

func pongFrame(payload []byte) []byte { return ws.MustCompileFrame(ws.NewPongFrame(payload)) }

// heartbeatRoom is the buffer of a goroutine that reads: enough for heartbeats.
const heartbeatRoom = 32

// pieces are the buffers for clients that send more than heartbeats.
var pieces = sync.Pool{New: func() any { return new([4 << 10]byte) }}

// run reads until the connection ends, and is what the client's life depends
// on.
func (c *client) run(tr blocking) {
	defer c.stream.hub.forget(c)
	room := make([]byte, heartbeatRoom)
	for !c.is(deaf | peerDone) {
		n, err := tr.read(room)
		if err != nil {
			return
		}
		c.hear(room[:n])
		if n == len(room) {
			c.readMore(tr)
		}
	}
	c.discard(tr)
}

// readMore goes on with a larger buffer as long as there is much to read.
func (c *client) readMore(tr blocking) {
	buf := pieces.Get().(*[4 << 10]byte)
	defer pieces.Put(buf)
	for n := len(buf); n >= len(buf)/2; {
		var err error
		if n, err = tr.read(buf[:]); err != nil {
			return // the next read says it again
		}
		c.hear(buf[:n])
	}
}

// discard reads on without looking until the connection ends: closing a socket
// with unread bytes would reset it and could destroy our close frame.
func (c *client) discard(tr blocking) {
	buf := pieces.Get().(*[4 << 10]byte)
	defer pieces.Put(buf)
	for {
		if _, err := tr.read(buf[:]); err != nil {
			return
		}
	}
}

// hear takes in one piece. After the client's close frame, or what breaks the
// protocol, nothing more is understood.
func (c *client) hear(p []byte) {
	if c.is(deaf | peerDone) {
		return
	}
	c.heardAt.Store(c.stream.hub.now())
	var h heard
	code := c.feed(p, &h)
	switch {
	case code != 0:
		c.become(deaf)
		c.stream.hub.stats.refused.Add(1)
		c.close(code)
	case h.closed:
		c.become(peerDone)
		c.close(h.code)
		c.hangUp()
	case h.pinged:
		c.answer(h.ping)
	}
}

// feed lends the client a parser, which it keeps only while it is inside a
// frame or a message.
func (c *client) feed(p []byte, h *heard) int {
	if c.in == nil {
		c.in = c.stream.hub.inbounds.Get().(*inbound)
		c.in.deflate = c.form == deflated
	}
	code := c.in.feed(p, h)
	if c.in.between() {
		c.in.reset()
		c.stream.hub.inbounds.Put(c.in)
		c.in = nil
	}
	return code
}
