package hub

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// MaxMessage is the largest message that a client may send, fragments added, in
// bytes, unless Options say otherwise.
const MaxMessage = 4 << 10

// inbound reads what a client sends, in pieces of any size. Text and binary
// messages are checked and forgotten, so nothing is kept but a header in
// progress and the payload of a control frame.
type inbound struct {
	limit   int64 // of a message, in bytes
	head    [ws.MaxHeaderSize]byte
	nhead   uint8
	inFrame bool // the header is complete, its payload is not
	header  ws.Header
	left    int64  // bytes of payload to come
	control []byte // payload of the control frame in progress

	inMessage bool // a fragmented message is in progress
	text      bool // it is text that has to be UTF-8
	announced int64
	utf       utf8Check
	deflate   bool // negotiated: compressed messages are allowed
}

// between reports that nothing is in progress, so that what comes next needs
// nothing of what was.
func (in *inbound) between() bool { return in.nhead == 0 && !in.inFrame && !in.inMessage }

func (in *inbound) reset() { *in = inbound{limit: in.limit} }

// heard is what a piece of input asks for.
type heard struct {
	pinged bool
	ping   []byte // payload of the newest ping
	closed bool   // a close frame came; what follows is not read
	code   int    // its code, CloseNormal if it has none
}

// feed reads one piece, unmasking it in place. It returns the code to close
// with, 0 if there is nothing to object to.
func (in *inbound) feed(p []byte, h *heard) int {
	for len(p) > 0 && !h.closed {
		n, code := in.feedHeader(p)
		if code != 0 {
			return code
		}
		p = p[n:]
		if !in.inFrame {
			continue
		}
		n = int(min(in.left, int64(len(p))))
		if code = in.feedPayload(p[:n], h); code != 0 {
			return code
		}
		p = p[n:]
	}
	return 0
}

// feedHeader takes bytes of a header until it is complete.
func (in *inbound) feedHeader(p []byte) (n, code int) {
	for !in.inFrame && n < len(p) {
		in.head[in.nhead] = p[n]
		in.nhead++
		n++
		if int(in.nhead) < headerLength(in.head[:in.nhead]) {
			continue
		}
		h, err := ws.ReadHeader(bytes.NewReader(in.head[:in.nhead]))
		if err != nil {
			return n, CloseProtocol
		}
		in.nhead = 0
		if code = in.begin(h); code != 0 {
			return n, code
		}
	}
	return n, 0
}

// headerLength is how long a header is that begins with p; RFC 6455 section 5.2.
func headerLength(p []byte) int {
	if len(p) < 2 {
		return 2
	}
	n := 2
	switch p[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if p[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// begin checks a header before anything of its payload is looked at.
func (in *inbound) begin(h ws.Header) int {
	state := ws.StateServerSide
	if in.inMessage {
		state = state.Set(ws.StateFragmented)
	}
	packed := in.deflate && !in.inMessage && h.OpCode.IsData() && h.Rsv == ws.Rsv(true, false, false)
	if packed {
		state = state.Set(ws.StateExtended)
	}
	if ws.CheckHeader(h, state) != nil {
		return CloseProtocol
	}
	if h.OpCode.IsData() {
		if h.Length > in.limit-in.announced {
			return CloseTooBig
		}
		in.announced += h.Length
		if h.OpCode != ws.OpContinuation {
			// What is compressed is ignored unread: it cannot be a bomb.
			in.text = h.OpCode == ws.OpText && !packed
		}
		in.inMessage = true
	}
	in.inFrame, in.header, in.left = true, h, h.Length
	return 0
}

func (in *inbound) feedPayload(p []byte, h *heard) int {
	ws.Cipher(p, in.header.Mask, int((in.header.Length-in.left)%4))
	in.left -= int64(len(p))
	if in.header.OpCode.IsControl() {
		in.control = append(in.control, p...)
	} else if in.text && !in.utf.write(p) {
		return CloseNotUTF8
	}
	if in.left > 0 {
		return 0
	}
	in.inFrame = false
	return in.end(h)
}

// end is called when a frame is complete.
func (in *inbound) end(h *heard) int {
	payload := in.control
	switch in.header.OpCode {
	case ws.OpPing:
		h.pinged, h.ping = true, payload
	case ws.OpClose:
		return h.close(payload)
	case ws.OpText, ws.OpBinary, ws.OpContinuation:
		if !in.header.Fin {
			return 0
		}
		if in.text && !in.utf.complete() {
			return CloseNotUTF8
		}
		in.inMessage, in.text, in.announced = false, false, 0
	}
	in.control = nil
	return 0
}

// lastCode is the highest close code that has a meaning; RFC 6455 section 7.4.2.
const lastCode = 4999

// close reads the payload of a close frame.
func (h *heard) close(payload []byte) int {
	h.closed, h.code = true, CloseNormal
	if len(payload) == 0 {
		return 0
	}
	code, reason := ws.ParseCloseFrameData(payload)
	switch err := ws.CheckCloseFrameData(code, reason); {
	case code > lastCode:
		return CloseProtocol
	case err == nil:
		h.code = int(code)
		return 0
	case errors.Is(err, ws.ErrProtocolInvalidUTF8):
		return CloseNotUTF8
	default:
		return CloseProtocol
	}
}

// utf8Check validates UTF-8 that comes in pieces.
type utf8Check struct {
	part [utf8.UTFMax]byte // a character in progress
	n    uint8
}

// write reports false as soon as the text cannot be valid any more.
func (u *utf8Check) write(p []byte) bool {
	for u.n > 0 && len(p) > 0 {
		u.part[u.n] = p[0]
		u.n++
		p = p[1:]
		if !utf8.FullRune(u.part[:u.n]) {
			continue
		}
		if !utf8.Valid(u.part[:u.n]) {
			return false
		}
		u.n = 0
	}
	tail := openTail(p)
	u.n += uint8(copy(u.part[u.n:], p[len(p)-tail:])) // at most 3
	return utf8.Valid(p[:len(p)-tail])
}

// complete reports that no character is in progress.
func (u *utf8Check) complete() bool { return u.n == 0 }

// openTail is the length of the unfinished character at the end of p.
func openTail(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if tail := p[len(p)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
