package hub_test

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/chasqui/chasqui/internal/hub"
)

// rfcCases are the cases in the suite's order.
func rfcCases() []rfcCase {
	var all []rfcCase
	for _, section := range []func() []rfcCase{
		framingCases, pingCases, reservedBitCases, opcodeCases, fragmentationCases, utf8Cases, utf8Sequences,
		closeCases, closeCodeCases, sizeCases, pieceCases, roundtripCases,
	} {
		all = append(all, section()...)
	}
	return all
}

// The ways to send frames.

// atOnce sends all frames in one write.
func atOnce(frames ...ws.Frame) func() [][]byte {
	return func() [][]byte { return [][]byte{bytes.Join(eachFrame(frames), nil)} }
}

// oneByOne writes frame by frame.
func oneByOne(frames ...ws.Frame) func() [][]byte {
	return func() [][]byte { return eachFrame(frames) }
}

// chopped writes n bytes at a time.
func chopped(n int, frames ...ws.Frame) func() [][]byte {
	return func() [][]byte { return pieces(bytes.Join(eachFrame(frames), nil), n) }
}

func eachFrame(frames []ws.Frame) [][]byte {
	list := make([][]byte, len(frames))
	for i, f := range frames {
		list[i] = framed(f)
	}
	return list
}

func pieces(b []byte, n int) [][]byte {
	var list [][]byte
	for len(b) > 0 {
		m := min(n, len(b))
		list, b = append(list, b[:m]), b[m:]
	}
	return list
}

// fragments are a message in fragments of n bytes, at least one.
func fragments(op ws.OpCode, payload string, n int) []ws.Frame {
	var frames []ws.Frame
	for first := true; first || len(payload) > 0; first = false {
		m := min(n, len(payload))
		frames = append(frames, fragment(op, m == len(payload), payload[:m]))
		op, payload = ws.OpContinuation, payload[m:]
	}
	return frames
}

func ping(payload string) ws.Frame { return ws.NewPingFrame([]byte(payload)) }
func pong(payload string) ws.Frame { return ws.NewPongFrame([]byte(payload)) }

func closing(code int, reason string) ws.Frame {
	return ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), reason))
}

// withBits sets the reserved bits of a frame, 0 to 7.
func withBits(f ws.Frame, bits byte) ws.Frame {
	f.Header.Rsv = bits
	return f
}

// strictly is the outcome of messages of size bytes under the small limit.
func strictly(size int) string {
	if size > hub.MaxMessage {
		return "1009"
	}
	return ""
}

// kinds are text and binary, each with a payload of the suite.
var kinds = []struct {
	op      ws.OpCode
	name    string
	payload string
}{{ws.OpText, "text", "*"}, {ws.OpBinary, "binary", "\xfe"}}

// Section 1.
func framingCases() []rfcCase {
	var list []rfcCase
	for k, kind := range kinds {
		for i, size := range []int{0, 125, 126, 127, 128, 65535, 65536, 65536} {
			f := fragment(kind.op, true, strings.Repeat(kind.payload, size))
			tc := rfcCase{
				id: fmt.Sprintf("1.%d.%d", k+1, i+1), what: fmt.Sprintf("%s message of %d bytes", kind.name, size),
				want: accepted, strict: strictly(size), input: atOnce(f),
			}
			if i == 7 {
				tc.what, tc.input = tc.what+", 997 at a time", chopped(997, f)
			}
			list = append(list, tc)
		}
	}
	return list
}

// Section 2.
func pingCases() []rfcCase {
	raw := "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
	long := strings.Repeat("\xfe", 125)
	var ten []string
	var tenFrames []ws.Frame
	for i := range 10 {
		ten = append(ten, fmt.Sprint("payload-", i))
		tenFrames = append(tenFrames, ping(ten[i]))
	}
	return []rfcCase{
		{id: "2.1", what: "ping without payload", want: accepted, input: atOnce(ping("")), pings: []string{""}},
		{id: "2.2", what: "ping with text", want: accepted, input: atOnce(ping("Hello, world!")), pings: []string{"Hello, world!"}},
		{id: "2.3", what: "ping with bytes that are not UTF-8", want: accepted, input: atOnce(ping(raw)), pings: []string{raw}},
		{id: "2.4", what: "ping of 125 bytes", want: accepted, input: atOnce(ping(long)), pings: []string{long}},
		{id: "2.5", what: "ping of 126 bytes", want: "1002", input: atOnce(ping(long + "\xfe"))},
		{id: "2.6", what: "ping of 125 bytes, byte by byte", want: accepted, input: chopped(1, ping(long)), pings: []string{long}},
		{id: "2.7", what: "unsolicited pong without payload", want: accepted, input: atOnce(pong(""))},
		{id: "2.8", what: "unsolicited pong with payload", want: accepted, input: atOnce(pong("unsolicited"))},
		{id: "2.9", what: "unsolicited pong, then ping", want: accepted, input: atOnce(pong("unsolicited"), ping("ping")), pings: []string{"ping"}},
		{id: "2.10", what: "10 pings", want: accepted, input: atOnce(tenFrames...), pings: ten},
		{id: "2.11", what: "10 pings, byte by byte", want: accepted, input: chopped(1, tenFrames...), pings: ten},
	}
}

// Section 3.
func reservedBitCases() []rfcCase {
	hello := text("Hello, world!")
	return []rfcCase{
		{id: "3.1", what: "text with reserved bits 1", want: "1002", input: atOnce(withBits(hello, 1))},
		{id: "3.2", what: "text, text with reserved bits 2, ping", want: "1002", input: atOnce(hello, withBits(hello, 2), ping(""))},
		{id: "3.3", what: "text, text with reserved bits 3, ping, frame by frame", want: "1002", input: oneByOne(hello, withBits(hello, 3), ping(""))},
		{id: "3.4", what: "text, text with reserved bits 4, ping, byte by byte", want: "1002", input: chopped(1, hello, withBits(hello, 4), ping(""))},
		{id: "3.5", what: "binary with reserved bits 5", want: "1002", input: atOnce(withBits(ws.NewBinaryFrame([]byte("\x00\xff")), 5))},
		{id: "3.6", what: "ping with reserved bits 6", want: "1002", input: atOnce(withBits(ping("Hello, world!"), 6))},
		{id: "3.7", what: "close with reserved bits 7", want: "1002", input: atOnce(withBits(closing(1000, ""), 7))},
	}
}

// Section 4.
func opcodeCases() []rfcCase {
	var list []rfcCase
	for group, first := range []ws.OpCode{3, 11} {
		for i := range 5 {
			op := first + ws.OpCode(i)
			bad := fragment(op, true, "")
			what := fmt.Sprintf("opcode %d", op)
			if i == 1 || i >= 3 {
				bad, what = fragment(op, true, "reserved opcode"), what+" with payload"
			}
			frames := []ws.Frame{bad}
			if i >= 2 {
				frames, what = []ws.Frame{text("Hello, world!"), bad, ping("")}, "text, "+what+", ping"
			}
			tc := rfcCase{id: fmt.Sprintf("4.%d.%d", group+1, i+1), what: what, want: "1002", input: atOnce(frames...)}
			if i == 4 {
				tc.what, tc.input = what+", byte by byte", chopped(1, frames...)
			}
			list = append(list, tc)
		}
	}
	return list
}

// Section 5.
func fragmentationCases() []rfcCase {
	one, two := fragment(ws.OpText, false, "fragment1"), fragment(ws.OpContinuation, true, "fragment2")
	between := []ws.Frame{one, ping("ping"), two}
	lost, lostOpen := fragment(ws.OpContinuation, true, "lost"), fragment(ws.OpContinuation, false, "lost")
	hello := text("Hello, world!")
	five := []ws.Frame{
		one, fragment(ws.OpContinuation, false, "fragment2"), ping("pongme 1!"),
		fragment(ws.OpContinuation, false, "fragment3"), fragment(ws.OpContinuation, false, "fragment4"), ping("pongme 2!"),
		fragment(ws.OpContinuation, true, "fragment5"),
	}
	fivePings := []string{"pongme 1!", "pongme 2!"}
	return []rfcCase{
		{id: "5.1", what: "ping in 2 fragments", want: "1002", input: atOnce(fragment(ws.OpPing, false, "fragment1"), two)},
		{id: "5.2", what: "pong in 2 fragments", want: "1002", input: atOnce(fragment(ws.OpPong, false, "fragment1"), two)},
		{id: "5.3", what: "text in 2 fragments", want: accepted, input: atOnce(one, two)},
		{id: "5.4", what: "text in 2 fragments, frame by frame", want: accepted, input: oneByOne(one, two)},
		{id: "5.5", what: "text in 2 fragments, byte by byte", want: accepted, input: chopped(1, one, two)},
		{id: "5.6", what: "text in 2 fragments, ping between", want: accepted, input: atOnce(between...), pings: []string{"ping"}},
		{id: "5.7", what: "text in 2 fragments, ping between, frame by frame", want: accepted, input: oneByOne(between...), pings: []string{"ping"}},
		{id: "5.8", what: "text in 2 fragments, ping between, byte by byte", want: accepted, input: chopped(1, between...), pings: []string{"ping"}},
		{id: "5.9", what: "last continuation of nothing, then text", want: "1002", input: atOnce(lost, hello)},
		{id: "5.10", what: "last continuation of nothing, then text, frame by frame", want: "1002", input: oneByOne(lost, hello)},
		{id: "5.11", what: "last continuation of nothing, then text, byte by byte", want: "1002", input: chopped(1, lost, hello)},
		{id: "5.12", what: "continuation of nothing, then text", want: "1002", input: atOnce(lostOpen, hello)},
		{id: "5.13", what: "continuation of nothing, then text, frame by frame", want: "1002", input: oneByOne(lostOpen, hello)},
		{id: "5.14", what: "continuation of nothing, then text, byte by byte", want: "1002", input: chopped(1, lostOpen, hello)},
		{id: "5.15", what: "text in 2 fragments, continuation of nothing, text", want: "1002", input: atOnce(one, two, lostOpen, hello)},
		{id: "5.16", what: "twice: continuation of nothing, text in 2 fragments", want: "1002", input: oneByOne(lostOpen, one, two, lostOpen, one, two)},
		{id: "5.17", what: "twice: last continuation of nothing, text in 2 fragments", want: "1002", input: oneByOne(lost, one, two, lost, one, two)},
		{id: "5.18", what: "text in 2 fragments, both of opcode text", want: "1002", input: atOnce(one, fragment(ws.OpText, true, "fragment2"))},
		{id: "5.19", what: "text in 5 fragments, 2 pings between", want: accepted, input: atOnce(five...), pings: fivePings},
		{id: "5.20", what: "text in 5 fragments, 2 pings between, frame by frame", want: accepted, input: oneByOne(five...), pings: fivePings},
	}
}

// The texts of section 6.
const (
	greek     = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
	umlauts   = "Hello-µ@ßöäüàá-UTF-8!!"
	surrogate = greek + "\xed\xa0\x80" + "edited"
	tooHigh   = greek + "\xf4\x90\x80\x80" + "edited"
)

// Sections 6.1 to 6.4.
func utf8Cases() []rfcCase {
	first, middle, last := fragment(ws.OpText, false, ""), fragment(ws.OpContinuation, false, "middle frame payload"), fragment(ws.OpContinuation, true, "")
	in := func(parts ...string) []ws.Frame { // fragments
		frames := make([]ws.Frame, len(parts))
		for i, part := range parts {
			op := ws.OpContinuation
			if i == 0 {
				op = ws.OpText
			}
			frames[i] = fragment(op, i == len(parts)-1, part)
		}
		return frames
	}
	return []rfcCase{
		{id: "6.1.1", what: "text without payload", want: accepted, input: atOnce(text(""))},
		{id: "6.1.2", what: "text in 3 fragments, all empty", want: accepted, input: atOnce(first, fragment(ws.OpContinuation, false, ""), last)},
		{id: "6.1.3", what: "text in 3 fragments, first and last empty", want: accepted, input: atOnce(first, middle, last)},
		{id: "6.2.1", what: "valid UTF-8", want: accepted, input: atOnce(text(umlauts))},
		{id: "6.2.2", what: "valid UTF-8 in 2 fragments, parted between characters", want: accepted, input: atOnce(in("Hello-µ@ßöä", "üàá-UTF-8!!")...)},
		{id: "6.2.3", what: "valid UTF-8 in fragments of 1 byte", want: accepted, input: atOnce(fragments(ws.OpText, umlauts, 1)...)},
		{id: "6.2.4", what: "κόσμε in fragments of 1 byte", want: accepted, input: atOnce(fragments(ws.OpText, greek, 1)...)},
		{id: "6.3.1", what: "κόσμε, a surrogate, more", want: "1007", input: atOnce(text(surrogate))},
		{id: "6.3.2", what: "κόσμε, a surrogate, more, in fragments of 1 byte", want: "1007", input: atOnce(fragments(ws.OpText, surrogate, 1)...)},
		{id: "6.4.1", what: "3 fragments, the second beyond U+10FFFF", want: "1007", input: oneByOne(in(greek, "\xf4\x90\x80\x80", "edited")...)},
		{id: "6.4.2", what: "3 fragments, the second begins inside that character", want: "1007", input: oneByOne(in(greek+"\xf4", "\x90", "\x80\x80edited")...)},
		{id: "6.4.3", what: "one frame in pieces, one of them beyond U+10FFFF", want: "1007", input: chopped(6+len(greek)+4, text(tooHigh))},
		{id: "6.4.4", what: "one frame in pieces, parted inside that character", want: "1007", input: chopped(6+len(greek)+1, text(tooHigh))},
	}
}

// Sections 6.5 to 6.23: sequences of Markus Kuhn's decoder test
// (https://www.cl.cam.ac.uk/~mgk25/ucs/examples/UTF-8-test.txt), valid or not.
func utf8Sequences() []rfcCase {
	var list []rfcCase
	for i, group := range utf8Groups() {
		for j, s := range group.sequences {
			want := "1007"
			if group.valid || group.of[j] {
				want = accepted
			}
			list = append(list, rfcCase{
				id: fmt.Sprintf("6.%d.%d", i+5, j+1), what: fmt.Sprintf("%s: `% x`", group.what, s),
				want: want, input: atOnce(text(s)),
			})
		}
	}
	return list
}

// utf8Group is one subsection: all of its sequences are valid, or those whose
// index is in of.
type utf8Group struct {
	what      string
	valid     bool
	of        map[int]bool
	sequences []string
}

func utf8Groups() []utf8Group {
	return []utf8Group{
		{what: "valid", valid: true, sequences: []string{"hello$world", "hello¢world", "hello€world", "hello\xf0\xa4\xad\xa2world", greek}},
		{what: "beginning of κόσμε", of: map[int]bool{1: true, 4: true, 6: true, 8: true, 10: true}, sequences: beginnings(greek)},
		{what: "first of its length", valid: true, sequences: []string{"\x00", "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80"}},
		{what: "first of 5 and 6 bytes", sequences: []string{"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"}},
		{what: "last of its length", valid: true, sequences: []string{"\x7f", "\xdf\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"}},
		{what: "last of 4, 5 and 6 bytes", sequences: []string{"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"}},
		{
			what: "other boundary", of: map[int]bool{0: true, 1: true, 2: true, 3: true},
			sequences: []string{"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf", "\xf4\x90\x80\x80"},
		},
		{what: "continuation of nothing", sequences: []string{
			"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf", bytesFrom(0x80, 0xbf, ""),
		}},
		{what: "lonely first bytes", sequences: []string{
			bytesFrom(0xc0, 0xdf, " "), bytesFrom(0xe0, 0xef, " "), bytesFrom(0xf0, 0xf7, " "), bytesFrom(0xf8, 0xfb, " "), bytesFrom(0xfc, 0xfd, " "),
		}},
		{what: "last byte missing", sequences: unfinished},
		{what: "unfinished ones together", sequences: []string{strings.Join(unfinished, "")}},
		{what: "impossible bytes", sequences: []string{"\xfe", "\xff", "\xfe\xfe\xff\xff"}},
		{what: "overlong ASCII", sequences: []string{"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"}},
		{what: "longest overlong", sequences: []string{"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"}},
		{what: "overlong NUL", sequences: []string{"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"}},
		{what: "lonely surrogate", sequences: []string{
			"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf",
		}},
		{what: "pair of surrogates", sequences: []string{
			"\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf",
			"\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf",
		}},
		{what: "no character, but valid", valid: true, sequences: nonCharacters()},
		{what: "specials", valid: true, sequences: strings.Split("\ufff9 \ufffa \ufffb \ufffc \ufffd \ufffe \uffff", " ")},
	}
}

// unfinished are sequences of every length without their last byte.
var unfinished = []string{
	"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
	"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf",
}

func beginnings(s string) []string {
	var list []string
	for i := range len(s) {
		list = append(list, s[:i+1])
	}
	return list
}

// bytesFrom joins single bytes, each followed by after.
func bytesFrom(first, last int, after string) string {
	var b strings.Builder
	for i := first; i <= last; i++ {
		b.WriteByte(byte(i))
		b.WriteString(after)
	}
	return b.String()
}

// nonCharacters are the last two code points of every plane.
func nonCharacters() []string {
	var list []string
	for plane := range rune(utf8.MaxRune>>16 + 1) {
		list = append(list, string(plane<<16|0xfffe), string(plane<<16|0xffff))
	}
	return list
}
