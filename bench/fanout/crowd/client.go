package crowd

import (
	"encoding/binary"
	"slices"

	"github.com/chasqui/chasqui/bench/fanout/payload"
)

// keepLimit bounds what is kept of a payload that comes in pieces, in bytes; the
// marker is near its beginning.
const keepLimit = 64 << 10

// Opcodes (RFC 6455 section 5.2).
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// client is one connection and where it is in the stream of frames.
type client struct {
	fd      int
	tally   *tally
	replies map[string]string
	next    uint32 // number of the event that must come now
	hint    int    // where the last marker was
	code    int    // of the server's close frame
	stalled bool   // counts apart
	resting bool   // is not read from
	ended   bool

	header []byte // of a frame whose header is not whole
	opcode byte
	left   int64 // bytes of the payload that are still to come
	size   int64 // of the payload
	begun  bool  // the header is whole
	keep   []byte
}

// feed takes bytes from the socket that were read at now. out is called with
// what has to be written.
func (c *client) feed(p []byte, now int64, out func([]byte)) {
	for len(p) > 0 {
		if !c.begun {
			if p = c.begin(p); !c.begun {
				return
			}
		} // an empty payload is whole now
		n := min(c.left, int64(len(p)))
		piece := p[:n]
		p, c.left = p[n:], c.left-n
		if c.left > 0 || len(c.keep) > 0 {
			room := max(keepLimit-len(c.keep), 0)
			c.keep = append(c.keep, piece[:min(len(piece), room)]...)
			piece = c.keep
		}
		if c.left > 0 {
			return
		}
		c.frame(piece, now, out)
		c.begun, c.keep = false, c.keep[:0]
	}
}

// begin reads a frame's header, or the part of it that is there, and returns
// what follows.
func (c *client) begin(p []byte) []byte {
	h := p
	if len(c.header) > 0 {
		h = slices.Concat(c.header, p[:min(len(p), maxHeader)])
	}
	n := headerSize(h)
	if len(h) < n {
		c.header = append(c.header, p...)
		return nil
	}
	p = p[n-len(c.header):]
	c.opcode, c.begun, c.header = h[0], true, c.header[:0]
	switch c.size = int64(h[1]); n {
	case 4:
		c.size = int64(binary.BigEndian.Uint16(h[2:]))
	case 10:
		c.size = int64(binary.BigEndian.Uint64(h[2:]))
	}
	c.left = c.size
	return p
}

const maxHeader = 10 // a server's frames are not masked

func headerSize(p []byte) int {
	if len(p) < 2 {
		return 2
	}
	switch p[1] & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// frame looks at a whole frame; of a long one that came in pieces p is only the
// beginning.
func (c *client) frame(p []byte, now int64, out func([]byte)) {
	switch c.opcode {
	case 0x80 | opText:
		c.text(p, now, out)
	case 0x80 | opPing:
		out(masked(opPong, p))
	case 0x80 | opPong:
	case 0x80 | opClose:
		if len(p) >= 2 {
			c.code = int(binary.BigEndian.Uint16(p))
		}
		out(masked(opClose, p[:min(len(p), 2)])) // the server closes the connection then
	default:
		c.tally.odd++
	}
}

func (c *client) text(p []byte, now int64, out func([]byte)) {
	e, end, ok := payload.Scan(p, c.hint)
	if !ok {
		if reply, ok := c.replies[string(p)]; ok {
			out(masked(opText, []byte(reply)))
		}
		return
	}
	c.hint = end - payload.MarkerSize
	c.tally.frame(c.size)
	for ok {
		c.event(e, now)
		p = p[end:]
		e, end, ok = payload.Scan(p, len(p))
	}
}

// event checks an event's place in the order.
func (c *client) event(e payload.Event, now int64) {
	t := c.tally
	switch {
	case e.Number == c.next:
	case e.Number > c.next:
		t.missing += int64(e.Number - c.next)
	case e.Number == c.next-1:
		t.repeated++
		return
	default:
		t.late++
		return
	}
	c.next = e.Number + 1
	t.event(e.At, now)
}

// masked is a client's frame; its mask is zero, which leaves the payload as it
// is.
func masked(opcode byte, p []byte) []byte {
	const most = 1<<16 - 1
	p = p[:min(len(p), most)]
	f := []byte{0x80 | opcode, 0x80 | byte(len(p))}
	if len(p) > 125 {
		f = append(f[:1], 0x80|126, byte(len(p)>>8), byte(len(p)))
	}
	f = append(f, 0, 0, 0, 0)
	return append(f, p...)
}
