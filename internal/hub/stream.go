package hub

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Window is how many events a client may be behind. One more and it is cut.
const Window = 256

// joinLimit bounds how many bytes of waiting frames are joined into one write.
// A frame that is larger than that goes out alone, without being copied.
const joinLimit = 256 << 10

// Stream is the live side of one instance. It implements dispatch.Stream.
type Stream struct {
	hub *Hub
	id  string

	count  atomic.Int32 // clients
	packed atomic.Int32 // those of them that want deflated frames
	// done is the number of frames that the flusher has taken: a client that
	// has passed them all is in step.
	done atomic.Uint64
	// behind says that somebody may need frames before floor.
	behind atomic.Bool

	mu       sync.Mutex // guards the rest
	log      frameLog
	clients  []*client
	flushing bool
	floor    uint64 // frames before it are kept for laggards only
	held     int64  // bytes of those, as counted in Hub.lag
}

// Idle reports that nobody is connected: one atomic load.
func (s *Stream) Idle() bool { return s.count.Load() == 0 }

// Publish hands one event to every client. encode appends the event's JSON to
// dst; it is called once, or not at all when nobody is connected. size is a
// hint, in bytes. Publish returns encode's error and waits for nobody.
func (s *Stream) Publish(size int, encode func(dst []byte) ([]byte, error)) error {
	if s.Idle() {
		return nil
	}
	return s.publish(size, encode)
}

func (s *Stream) publish(size int, encode func(dst []byte) ([]byte, error)) error {
	f, err := newFrame(size, encode)
	if err != nil {
		return err
	}
	if s.packed.Load() > 0 {
		if err := f.deflate(); err != nil {
			return err
		}
	}
	f.at = s.hub.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.clients) == 0 {
		return nil
	}
	s.log.append(f)
	if !s.flushing {
		s.flushing = true
		s.hub.wg.Go(s.flush) // clients are left, so Wait cannot have returned
	}
	return nil
}

// batch is one round of the flusher: the frames it took and to whom they go.
type batch struct {
	from, to uint64
	frames   []*frame
	clients  []*client
	joined   [forms][]byte
	join     [forms][]byte // memory for joined
}

// wire is the batch as one piece, joined when the first client needs it.
func (b *batch) wire(fm form) []byte {
	if b.joined[fm] == nil {
		if len(b.frames) == 1 {
			b.joined[fm] = b.frames[0].wire[fm]
		} else {
			b.join[fm] = join(b.join[fm][:0], b.frames, fm)
			b.joined[fm] = b.join[fm]
		}
	}
	return b.joined[fm]
}

func join(dst []byte, frames []*frame, fm form) []byte {
	for _, f := range frames {
		dst = append(dst, f.wire[fm]...)
	}
	return dst
}

func (b *batch) reset() {
	clear(b.frames)
	clear(b.clients)
	b.frames, b.clients, b.joined = b.frames[:0], b.clients[:0], [forms][]byte{}
	for i := range b.join {
		if cap(b.join[i]) > 2*joinLimit {
			b.join[i] = nil
		}
	}
}

// flush gives waiting frames to the clients in rounds until none wait.
func (s *Stream) flush() {
	b := s.hub.batches.Get().(*batch)
	a := s.hub.attempt()
	defer s.hub.batches.Put(b)
	defer s.hub.release(a)
	for s.take(b) {
		left := false
		for _, c := range b.clients {
			if !c.offer(b, a) {
				left = true
			}
		}
		s.hub.observe(b)
		s.settle(b, left)
		b.reset()
	}
}

// take begins a round; false: nothing waits, and the flusher ends.
func (s *Stream) take(b *batch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.from, b.to = s.done.Load(), s.log.head
	if b.from == b.to || len(s.clients) == 0 {
		s.flushing = false
		s.letGo()
		return false
	}
	end := min(b.to, b.from+Window)
	b.frames = s.log.collect(b.frames, b.from, end, plain, joinLimit)
	b.to = b.from + uint64(len(b.frames))
	b.clients = append(b.clients, s.clients...)
	s.done.Store(b.to)
	return true
}

// letGo empties a log that nobody reads any more. Stream.mu is held.
func (s *Stream) letGo() {
	if len(s.clients) > 0 {
		return
	}
	s.log.trim(s.log.head)
	s.log.slots = nil
	s.done.Store(s.log.head)
	s.floor = s.log.head
	s.behind.Store(false)
	s.account()
}

// settle ends a round: frames that everybody has passed are let go.
func (s *Stream) settle(b *batch, left bool) {
	s.mu.Lock()
	s.floor = b.to
	if left {
		s.behind.Store(true)
	}
	s.trim()
	s.mu.Unlock()
	s.hub.relieve()
}

// trimmed lets frames go after a client that was left behind has moved on.
func (s *Stream) trimmed() {
	if !s.behind.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trim()
}

// trim lets go of what no client needs. Stream.mu is held.
func (s *Stream) trim() {
	keep := s.floor
	if s.behind.Load() {
		for _, c := range s.clients {
			keep = min(keep, c.pos.Load())
		}
		s.behind.Store(keep < s.floor)
	}
	s.log.trim(keep)
	s.account()
}

// account keeps the process-wide sum of what only laggards hold. Stream.mu is
// held.
func (s *Stream) account() {
	held := s.log.span(s.log.tail, s.floor)
	s.hub.lag.Add(held - s.held)
	s.held = held
}

// gather returns the next frames for a client that is not in step, joined; nil
// if it has left the stream. They are noted in a.
func (s *Stream) gather(c *client, a *attempt) []byte {
	s.mu.Lock()
	if c.index < 0 {
		s.mu.Unlock()
		return nil
	}
	a.frames = s.log.collect(a.frames[:0], c.pos.Load(), s.done.Load(), c.form, joinLimit/4)
	s.mu.Unlock()
	if len(a.frames) == 1 {
		return a.frames[0].wire[c.form]
	}
	a.join = join(a.join[:0], a.frames, c.form)
	return a.join
}

// frameFor returns the next frame that the client is owed, nil if there is none.
func (s *Stream) frameFor(c *client) *frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := c.pos.Load(); c.index >= 0 && n < s.done.Load() {
		return s.log.at(n)
	}
	return nil
}

// holds is the memory that the client keeps alive by being behind, in bytes.
func (s *Stream) holds(c *client) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.index < 0 {
		return 0
	}
	return s.log.span(c.pos.Load(), s.floor)
}

// add lets the client take part from the next event on; false when there are
// limit clients already (0: no limit).
func (s *Stream) add(c *client, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit > 0 && len(s.clients) >= limit {
		return false
	}
	c.index = int32(len(s.clients)) // far fewer clients
	c.pos.Store(s.log.head)
	s.clients = append(s.clients, c)
	s.count.Add(1)
	s.hub.total.Add(1)
	if c.form == deflated {
		s.packed.Add(1)
	}
	return true
}

// remove takes the client out: it is owed nothing any more.
func (s *Stream) remove(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.index < 0 {
		return
	}
	last := len(s.clients) - 1
	moved := s.clients[last]
	s.clients[c.index] = moved
	moved.index = c.index
	s.clients[last] = nil
	s.clients = s.clients[:last]
	c.index = -1
	s.count.Add(-1)
	s.hub.total.Add(-1)
	if c.form == deflated {
		s.packed.Add(-1)
	}
	if !s.flushing {
		s.trim()
		s.letGo()
	}
}

// snapshot returns the clients of the moment, and the number of events so far.
func (s *Stream) snapshot() ([]*client, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.clients), s.log.head
}
