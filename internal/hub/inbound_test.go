package hub_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/chasqui/chasqui/internal/hub"
)

func text(s string) ws.Frame { return ws.NewTextFrame([]byte(s)) }

// fragment is one piece of a message.
func fragment(op ws.OpCode, fin bool, payload string) ws.Frame {
	return ws.NewFrame(op, fin, []byte(payload))
}

// alive shows that the client is connected and served.
func (p *place) alive(c *peer) {
	p.t.Helper()
	p.publish("alive")
	c.want("alive")
}

// Section 4, frames: text and binary messages are read and ignored, up to 4 KiB.
func TestMessagesOfClientsAreIgnored(t *testing.T) {
	p := open(t, hub.Options{})
	c := p.dial("")
	c.send(text("hello"), ws.NewBinaryFrame([]byte{0xff, 0xfe}), text(""),
		text(strings.Repeat("é", hub.MaxMessage/2)),
		fragment(ws.OpText, false, "sm\xc3"), ws.NewPingFrame([]byte("between")), fragment(ws.OpContinuation, true, "\xb8rrebrød"))
	if f := c.next(); f.Header.OpCode != ws.OpPong || string(f.Payload) != "between" {
		t.Errorf("got %v %q, want the pong", f.Header.OpCode, f.Payload)
	}
	p.alive(c)
}

// Close code 1009: over 4 KiB, on the announced length, before a byte of the
// payload was sent; fragments added.
func TestTooBig(t *testing.T) {
	announce := func(op ws.OpCode, fin bool, n int64) []byte {
		var b bytes.Buffer
		if err := ws.WriteHeader(&b, ws.Header{Fin: fin, OpCode: op, Masked: true, Length: n}); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	half := ws.MustCompileFrame(ws.MaskFrame(fragment(ws.OpBinary, false, strings.Repeat("x", hub.MaxMessage/2))))
	for name, input := range map[string][]byte{
		"announced":          announce(ws.OpText, true, hub.MaxMessage+1),
		"announced huge":     announce(ws.OpBinary, true, 1<<62),
		"fragments added":    append(bytes.Clone(half), announce(ws.OpContinuation, false, hub.MaxMessage/2+1)...),
		"fragments overflow": append(bytes.Clone(half), announce(ws.OpContinuation, false, 1<<63-1)...),
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, hub.Options{})
			c, other := p.dial(""), p.dial("")
			c.write(input)
			c.wantClose(1009)
			p.alive(other)
		})
	}
}

// Close code 1002: whatever breaks RFC 6455.
func TestProtocolErrors(t *testing.T) {
	masked := func(f ws.Frame) []byte { return ws.MustCompileFrame(ws.MaskFrame(f)) }
	reserved := text("x")
	reserved.Header.Rsv = ws.Rsv(true, false, false)
	for name, input := range map[string][]byte{
		"unmasked":                    ws.MustCompileFrame(text("x")),
		"unmasked and too big":        {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0},
		"reserved bit":                masked(reserved),
		"reserved opcode":             masked(fragment(0x3, true, "")),
		"reserved control opcode":     masked(fragment(0xb, true, "")),
		"length with its highest bit": {0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"long ping":                   masked(ws.NewFrame(ws.OpPing, true, make([]byte, 126))),
		"fragmented ping":             masked(fragment(ws.OpPing, false, "")),
		"continuation of nothing":     masked(fragment(ws.OpContinuation, true, "x")),
		"message inside a message":    append(masked(fragment(ws.OpText, false, "x")), masked(text("y"))...),
		"close with half a code":      masked(ws.NewCloseFrame([]byte{3})),
		"close with 1005":             masked(ws.NewCloseFrame([]byte{3, 237})),
		"garbage":                     []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, hub.Options{})
			c, other := p.dial(""), p.dial("")
			c.write(input)
			c.wantClose(1002)
			p.alive(other)
		})
	}
}

// Close code 1007: text that is not UTF-8, as soon as that is certain.
func TestNotUTF8(t *testing.T) {
	for name, frames := range map[string][]ws.Frame{
		"in a message":           {text("a\xffb")},
		"over fragments":         {fragment(ws.OpText, false, "\xf0\x9f"), fragment(ws.OpContinuation, false, "\x28")},
		"unfinished at the end":  {text("abc\xe2\x82")},
		"a surrogate":            {text("\xed\xa0\x80")},
		"in the reason of close": {ws.NewCloseFrame(append([]byte{3, 232}, 0xff))},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, hub.Options{})
			c := p.dial("")
			c.send(frames...)
			c.wantClose(1007)
		})
	}
}

// Close code 1000: the client's own code is echoed; none counts as 1000.
func TestCloseByTheClientIsEchoed(t *testing.T) {
	for _, code := range []int{0, 1000, 1001, 3000, 4999} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			p := open(t, hub.Options{})
			c := p.dial("")
			want := code
			if code == 0 {
				c.send(ws.NewCloseFrame(nil))
				want = 1000
			} else {
				c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), "bye")))
			}
			c.wantClose(want)
			p.clients(0)
		})
	}
}

// Section 4, heartbeat: a client's own pings are answered, with their payload.
func TestPingIsAnswered(t *testing.T) {
	p := open(t, hub.Options{})
	c := p.dial("")
	for _, payload := range []string{"", "x", strings.Repeat("p", 125)} {
		c.send(ws.NewPingFrame([]byte(payload)))
		if f := c.next(); f.Header.OpCode != ws.OpPong || string(f.Payload) != payload {
			t.Errorf("got %v %q, want the pong %q", f.Header.OpCode, f.Payload, payload)
		}
	}
}

// Section 4, heartbeat: in a flood of pings pongs may be merged; the newest is
// answered, in order, and the client is served on.
func TestPingFlood(t *testing.T) {
	const pings = 20000
	p := open(t, hub.Options{})
	c := p.dial("")
	flood := make(chan struct{})
	go func() {
		defer close(flood)
		var b bytes.Buffer
		for i := range pings {
			_ = ws.WriteFrame(&b, ws.MaskFrame(ws.NewPingFrame([]byte(fmt.Sprint(i)))))
		}
		_, _ = c.conn.Write(b.Bytes())
	}()
	last, answers := -1, 0
	for last != pings-1 {
		var n int
		if _, err := fmt.Sscan(string(c.next().Payload), &n); err != nil || n <= last {
			t.Fatalf("pong %d after %d: %v", n, last, err)
		}
		last = n
		answers++
	}
	<-flood
	if answers == pings {
		t.Log("no pong was merged")
	}
	p.alive(c)
}

// A client that sends byte by byte is understood like any other.
func TestByteByByte(t *testing.T) {
	p := open(t, hub.Options{})
	c := p.dial("")
	var b bytes.Buffer
	for _, f := range []ws.Frame{text("grüße"), ws.NewPingFrame([]byte("slow")), text(strings.Repeat("x", 200))} {
		_ = ws.WriteFrame(&b, ws.MaskFrame(f))
	}
	for _, one := range b.Bytes() {
		c.write([]byte{one})
	}
	if f := c.next(); string(f.Payload) != "slow" {
		t.Errorf("got %v %q, want the pong", f.Header.OpCode, f.Payload)
	}
	p.alive(c)
}

// Frames that come in one packet with the upgrade request are read.
func TestFramesWithTheUpgrade(t *testing.T) {
	p := open(t, hub.Options{})
	c := p.raw()
	c.write(append([]byte("GET /"+sales+" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
		ws.MustCompileFrame(ws.MaskFrame(ws.NewPingFrame([]byte("early"))))...))
	if id := c.skipAnswer().Get("X-Request-Id"); id != "request-1" {
		t.Errorf("the answer's request ID is %q: the caller's headers are lost", id)
	}
	if f := c.next(); string(f.Payload) != "early" {
		t.Errorf("got %v %q, want the pong", f.Header.OpCode, f.Payload)
	}
}

// FuzzInbound: whatever a client sends, and however it is cut into pieces, is
// judged in the same way and never panics.
func FuzzInbound(f *testing.F) {
	for _, fr := range []ws.Frame{
		text("grüße"), text("\xff"), ws.NewPingFrame([]byte("p")), ws.NewCloseFrame([]byte{3, 232}),
		fragment(ws.OpText, false, "a\xc3"), fragment(ws.OpContinuation, true, "\xa4"),
	} {
		f.Add(ws.MustCompileFrame(ws.MaskFrame(fr)), uint8(1), false)
		f.Add(ws.MustCompileFrame(fr), uint8(3), true)
	}
	f.Fuzz(func(t *testing.T, input []byte, piece uint8, deflate bool) {
		whole := hub.Judge(input, len(input), deflate)
		if pieces := hub.Judge(input, int(piece), deflate); pieces != whole {
			t.Errorf("in pieces of %d: %+v, whole: %+v", piece, pieces, whole)
		}
	})
}
