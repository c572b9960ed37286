package hub

import (
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
)

// client is one connection. Its cursor says which frames of the stream's log it
// has passed; what it is still owed is read from there.
//
// Whoever sets busy through claim owns the socket for writing and the fields
// marked "owner", until next finds nothing to do.
type client struct {
	stream *Stream
	tr     transport
	by     owner
	id     uuid.UUID // of version 7: it says when the client came

	mu      sync.Mutex // guards up to pong
	open    bool       // tr is there; until then the upgrade owns the socket
	busy    bool
	gone    bool    // the reader has ended; nothing may be started any more
	ping    bool    // one is to be sent
	closing bool    // nothing but a close frame is sent after the frame in progress
	bye     uint16  // its code, 0 once it is under way
	pong    *[]byte // a frame to send, nil for none; a newer ping replaces it

	form     form
	ended    bool   // not to be watched any more; guarded by Hub.watchMu
	partKind unit   // owner
	index    int32  // in Stream.clients, -1 outside; guarded by Stream.mu
	part     []byte // owner: the rest of the unit in progress

	pos      atomic.Uint64 // the first frame not passed whole; stored by the owner
	frames   atomic.Int64  // stored by the owner
	bytes    atomic.Int64  // stored by the owner
	progress atomic.Int64  // Hub.now when it last took a byte while lagging
	heardAt  atomic.Int64  // Hub.now when it last sent a byte
	deadline atomic.Int64  // Hub.now at which a closing client is dropped; 0: open

	lags  atomic.Int32  // those who wait for the socket, or are about to end that
	state atomic.Uint32 // any of the following

	due wheelEntry
	in  *inbound // for the reader
}

// What may be true of a client, in client.state. None of it ends again.
const (
	peerDone  = 1 << iota // its close frame has come
	deaf                  // it broke the protocol: its close frame would not be understood
	closeSent             // ours has gone
	dropped               // ended without a close frame
)

// is reports that any of the given is true.
func (c *client) is(state uint32) bool { return c.state.Load()&state != 0 }

// become makes it true and reports that it was not before.
func (c *client) become(state uint32) bool { return c.state.Or(state)&state == 0 }

// unit is what a part is the rest of.
type unit uint8

const (
	eventUnit unit = iota
	controlUnit
	closeUnit
)

// claim takes the socket for writing; false if somebody has it, who will then
// send what has been noted, or if the client has gone. client.mu is held.
func (c *client) claim() bool {
	if c.busy || c.gone {
		return false
	}
	c.busy = true
	return true
}

// waiting is how many frames before end the client has not passed.
func (c *client) waiting(end uint64) int64 {
	return max(0, int64(end-c.pos.Load())) // both are far below 2^63
}

// offer gives the client a batch of frames that were just taken for everybody.
// It reports false when the client has been left behind.
func (c *client) offer(b *batch, a *attempt) bool {
	c.mu.Lock()
	if !c.claim() {
		c.mu.Unlock()
		if c.waiting(b.to) > Window {
			c.stream.hub.cut(c)
		}
		return false
	}
	inStep := !c.closing && !c.ping && c.pong == nil
	c.mu.Unlock()
	if !inStep || len(c.part) > 0 || c.pos.Load() != b.from {
		return c.pump(a)
	}
	p := b.wire(c.form)
	n, err := c.tr.try(a, p)
	if err != nil {
		c.tr.abort()
		return false
	}
	c.passed(b.frames, n)
	if n < len(p) || c.tr.pending() {
		return c.lag()
	}
	return c.pump(a)
}

// pump writes what waits for the client until nothing does, or its socket is
// full: then it is left to a goroutine of its own, and pump reports false. The
// caller has claimed the socket.
func (c *client) pump(a *attempt) bool {
	drained, ok := c.writeOut(a)
	if !ok {
		return false
	}
	if drained {
		return true
	}
	return c.lag()
}

// turn is after how many bytes for one client it is the others' turn.
const turn = 1 << 20

// writeOut writes without waiting, for one turn. drained: nothing is left and
// the socket was given back; ok is false when the connection has failed or
// ended.
func (c *client) writeOut(a *attempt) (drained, ok bool) {
	defer a.reset()
	if c.tr.pending() {
		if _, err := c.tr.try(a, nil); err != nil {
			c.tr.abort()
			return false, false
		}
		if c.tr.pending() {
			return false, true
		}
	}
	for written := 0; written < turn; {
		p, more := c.next(a)
		if !more {
			return true, true
		}
		n, err := c.tr.try(a, p)
		if err != nil {
			c.tr.abort()
			return false, false
		}
		c.took(a, n)
		written += n
		if n < len(p) || c.tr.pending() {
			return false, true
		}
	}
	return false, true
}

// next returns what to write now. When there is nothing it gives the socket
// back, in the same moment, so that nobody's note is missed.
func (c *client) next(a *attempt) (p []byte, more bool) {
	a.frames = a.frames[:0]
	for {
		if len(c.part) > 0 {
			return c.part, true
		}
		c.mu.Lock()
		c.part, c.partKind = c.control()
		switch {
		case len(c.part) > 0:
			c.mu.Unlock()
			return c.part, true
		case c.closing || c.gone || c.pos.Load() >= c.stream.done.Load():
			c.busy = false
			c.mu.Unlock()
			c.hangUp()
			return nil, false
		}
		c.mu.Unlock()
		if p = c.stream.gather(c, a); len(p) > 0 {
			return p, true
		}
	}
}

// control takes the next control frame: they go between events, never inside
// one. client.mu is held.
func (c *client) control() ([]byte, unit) {
	switch {
	case c.closing && c.bye != 0:
		p := closeFrame(int(c.bye))
		c.bye = 0
		return p, closeUnit
	case c.closing:
		return nil, closeUnit
	case c.pong != nil:
		p := *c.pong
		c.pong = nil
		return p, controlUnit
	case c.ping:
		c.ping = false
		return pingFrame, controlUnit
	}
	return nil, controlUnit
}

// took accounts for n bytes of what next returned.
func (c *client) took(a *attempt, n int) {
	if len(c.part) == 0 {
		c.passed(a.frames, n)
		return
	}
	c.count(0, n)
	if c.part = c.part[n:]; len(c.part) > 0 {
		return
	}
	c.part = nil
	switch c.partKind {
	case eventUnit:
		c.pos.Store(c.pos.Load() + 1)
		c.count(1, 0)
	case closeUnit:
		c.become(closeSent)
	}
}

// passed moves the cursor over n bytes of the given frames.
func (c *client) passed(frames []*frame, n int) {
	whole, rest := 0, n
	for _, f := range frames {
		p := f.wire[c.form]
		if rest < len(p) {
			if rest > 0 {
				c.part, c.partKind = p[rest:], eventUnit
			}
			break
		}
		rest -= len(p)
		whole++
	}
	c.pos.Store(c.pos.Load() + uint64(whole)) // not negative
	c.count(whole, n)
}

// count adds to what was sent.
func (c *client) count(frames, bytes int) {
	c.frames.Store(c.frames.Load() + int64(frames))
	c.bytes.Store(c.bytes.Load() + int64(bytes))
	c.stream.hub.stats.frames.Add(int64(frames))
	c.stream.hub.stats.bytes.Add(int64(bytes))
}

// lag leaves the claimed socket to whoever waits for it: a goroutine of the
// client's own, or the poller. It returns false: the client is behind.
func (c *client) lag() bool {
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return false
	}
	c.progress.Store(c.stream.hub.now())
	c.lags.Add(1)
	var err error
	switch tr := c.tr.(type) {
	case blocking:
		c.stream.hub.wg.Go(func() { c.catchUp(tr) }) // the reader still counts, so Wait cannot have returned
	case polled:
		err = tr.awaitRoom(true)
	}
	c.mu.Unlock()
	if err != nil {
		c.tr.abort() // nobody would go on with it
	}
	c.stream.hub.watch(c)
	c.stream.hub.unwatch(c) // if it has caught up already
	return false
}

// catchUp writes as the socket takes it, until the client is in step again or
// its connection has ended.
func (c *client) catchUp(tr blocking) {
	defer c.caughtUp()
	a := c.stream.hub.attempt()
	defer c.stream.hub.release(a)
	for drained := false; !drained; {
		if !c.await(tr, a) {
			return
		}
		c.progress.Store(c.stream.hub.now())
		var ok bool
		if drained, ok = c.writeOut(a); !ok {
			return
		}
	}
}

// caughtUp ends a lag. Another may have begun since the socket was given back:
// that is why they are counted.
func (c *client) caughtUp() {
	var err error
	c.mu.Lock()
	if tr, ok := c.tr.(polled); c.lags.Add(-1) == 0 && ok && !c.gone {
		err = tr.awaitRoom(false)
	}
	c.mu.Unlock()
	if err != nil {
		c.tr.abort() // it would be told of room for ever
	}
	c.stream.trimmed()
	c.stream.hub.unwatch(c)
}

// await waits until the socket has taken part of one frame.
func (c *client) await(tr blocking, a *attempt) bool {
	p := c.part
	if len(p) == 0 && !c.tr.pending() {
		if p = c.one(); len(p) == 0 {
			return true
		}
	}
	n, err := tr.write(a, p)
	if err != nil {
		c.tr.abort()
		return false
	}
	if len(p) > 0 {
		c.took(a, n)
	}
	return true
}

// one makes the next frame the unit in progress, so that only it is held while
// the socket is waited for.
func (c *client) one() []byte {
	c.mu.Lock()
	c.part, c.partKind = c.control()
	closing := c.closing
	c.mu.Unlock()
	if len(c.part) > 0 || closing {
		return c.part
	}
	if f := c.stream.frameFor(c); f != nil {
		c.part, c.partKind = f.wire[c.form], eventUnit
	}
	return c.part
}

// sendPing is asked for by the wheel.
func (c *client) sendPing() {
	c.mu.Lock()
	c.ping = !c.closing
	mine := c.claim()
	c.mu.Unlock()
	c.sendIf(mine)
}

// answer sends a pong. One that still waits is replaced: RFC 6455 section 5.5.3
// allows to answer only the newest ping.
func (c *client) answer(payload []byte) {
	f := pongFrame(payload)
	c.mu.Lock()
	c.pong = &f
	mine := c.claim()
	c.mu.Unlock()
	c.sendIf(mine)
}

// close lets the frame in progress and a close frame be the last that is sent,
// and takes the client out of its stream. It reports false if it is closing
// already.
func (c *client) close(code int) bool {
	c.mu.Lock()
	if c.closing || c.gone {
		c.mu.Unlock()
		return false
	}
	c.closing = true
	c.bye = uint16(code) // close codes have 16 bits
	mine, open := c.claim(), c.open
	c.mu.Unlock()
	if open {
		c.leave()
	}
	c.sendIf(mine)
	return true
}

// leave takes a closing client out of its stream and sets its time limit.
func (c *client) leave() {
	c.deadline.Store(c.stream.hub.now() + int64(c.stream.hub.opts.CloseWait))
	c.stream.hub.watch(c) // first, so that Stop sees the client in one place or the other
	c.stream.remove(c)
}

// opened gives the client its socket, which the upgrade has held so far.
func (c *client) opened() {
	c.mu.Lock()
	c.open = true
	closing := c.closing
	c.mu.Unlock()
	if closing { // in the meantime
		c.leave()
	}
	c.sendIf(true)
}

func (c *client) sendIf(mine bool) {
	if !mine {
		return
	}
	a := c.stream.hub.attempt()
	defer c.stream.hub.release(a)
	if c.pump(a) {
		c.stream.trimmed() // the flusher may have passed it by in the meantime
	}
}

// hangUp ends the connection once both close frames have gone their way. A
// client that is not listened to any more is shown the end of our side, so that
// it closes its own.
func (c *client) hangUp() {
	switch {
	case !c.is(closeSent):
	case c.is(peerDone):
		c.tr.close()
	case c.is(deaf):
		c.tr.closeWrite()
	}
}
