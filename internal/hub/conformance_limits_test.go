package hub_test

import (
	"fmt"
	"strings"

	"github.com/gobwas/ws"
)

// Sections 7.1 to 7.5.
func closeCases() []rfcCase {
	bye := closing(1000, "")
	hello := text("Hello, world!")
	reason := func(s string) ws.Frame { return ws.NewCloseFrame(append([]byte{3, 232}, s...)) }
	return []rfcCase{
		{id: "7.1.1", what: "text, close", want: "1000", input: atOnce(hello, bye)},
		{id: "7.1.2", what: "close, close", want: "1000", input: atOnce(bye, bye)},
		{id: "7.1.3", what: "close, ping", want: "1000", input: atOnce(bye, ping(""))},
		{id: "7.1.4", what: "close, text", want: "1000", input: atOnce(bye, hello)},
		{id: "7.1.5", what: "first fragment, close, last fragment", want: "1000", input: atOnce(
			fragment(ws.OpText, false, "fragment1"), bye, fragment(ws.OpContinuation, true, "fragment2"))},
		{id: "7.1.6", what: "text of 256 KiB, close, ping", want: "1000", strict: "1009", input: atOnce(
			text(strings.Repeat("*", 256<<10)), bye, ping(""))},
		{id: "7.3.1", what: "close without payload", want: "1000", input: atOnce(ws.NewCloseFrame(nil))},
		{id: "7.3.2", what: "close with 1 byte", want: "1002", input: atOnce(ws.NewCloseFrame([]byte("a")))},
		{id: "7.3.3", what: "close with a code", want: "1000", input: atOnce(bye)},
		{id: "7.3.4", what: "close with a code and a reason", want: "1000", input: atOnce(reason("Hello World!"))},
		{id: "7.3.5", what: "close with a reason of 123 bytes", want: "1000", input: atOnce(reason(strings.Repeat("*", 123)))},
		{id: "7.3.6", what: "close with a reason of 124 bytes", want: "1002", input: atOnce(reason(strings.Repeat("*", 124)))},
		{id: "7.5.1", what: "close with a reason that is not UTF-8", want: "1007", input: atOnce(reason(surrogate))},
	}
}

// Sections 7.7, 7.9 and 7.13. For the last the suite has no expectation; codes
// that nobody may send are protocol errors here.
func closeCodeCases() []rfcCase {
	var list []rfcCase
	for _, group := range []struct {
		id    int
		valid bool
		codes []int
	}{
		{id: 7, valid: true, codes: []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999}},
		{id: 9, codes: []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999}},
		{id: 13, codes: []int{5000, 65535}},
	} {
		for i, code := range group.codes {
			want := "1002"
			if group.valid {
				want = fmt.Sprint(code)
			}
			list = append(list, rfcCase{
				id: fmt.Sprintf("7.%d.%d", group.id, i+1), what: fmt.Sprintf("close with %d", code), want: want,
				input: atOnce(ws.NewCloseFrame([]byte{byte(code >> 8), byte(code)})),
			})
		}
	}
	return list
}

// Sections 9.1 and 9.2: large messages.
func sizeCases() []rfcCase {
	var list []rfcCase
	for k, kind := range kinds {
		for i, kib := range []int{64, 256, 1 << 10, 4 << 10, 8 << 10, 16 << 10} {
			list = append(list, rfcCase{
				id: fmt.Sprintf("9.%d.%d", k+1, i+1), what: fmt.Sprintf("%s message of %d KiB", kind.name, kib),
				want: accepted, strict: "1009",
				input: func() [][]byte {
					return [][]byte{framed(fragment(kind.op, true, strings.Repeat(kind.payload, kib<<10)))}
				},
			})
		}
	}
	return list
}

// Sections 9.3 to 9.6 and 10.1: large messages in fragments, or written in
// small pieces.
func pieceCases() []rfcCase {
	var list []rfcCase
	inFragments := func(id string, kind int, kib, n int) {
		list = append(list, rfcCase{
			id: id, what: fmt.Sprintf("%s message of %d KiB in fragments of %d bytes", kinds[kind].name, kib, n),
			want: accepted, strict: "1009",
			input: func() [][]byte {
				return atOnce(fragments(kinds[kind].op, strings.Repeat(kinds[kind].payload, kib<<10), n)...)()
			},
		})
	}
	for k := range kinds {
		for i, n := range []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20} {
			inFragments(fmt.Sprintf("9.%d.%d", k+3, i+1), k, 4<<10, n)
		}
	}
	for k, kind := range kinds {
		for i, n := range []int{64, 128, 256, 512, 1024, 2048} {
			list = append(list, rfcCase{
				id: fmt.Sprintf("9.%d.%d", k+5, i+1), what: fmt.Sprintf("%s message of 1 MiB, %d bytes at a time", kind.name, n),
				want: accepted, strict: "1009",
				input: func() [][]byte { return chopped(n, fragment(kind.op, true, strings.Repeat(kind.payload, 1<<20)))() },
			})
		}
	}
	inFragments("10.1.1", 0, 64, 1300)
	return list
}

// Sections 9.7 and 9.8: 1,000 messages, each with a ping behind it.
func roundtripCases() []rfcCase {
	var list []rfcCase
	for k, kind := range kinds {
		for i, size := range []int{0, 16, 64, 256, 1024, 4096} {
			tc := rfcCase{id: fmt.Sprintf("9.%d.%d", k+7, i+1), what: fmt.Sprintf("1,000 %s messages of %d bytes", kind.name, size), want: accepted}
			var frames []ws.Frame
			for n := range 1000 {
				tc.pings = append(tc.pings, fmt.Sprint(n))
				frames = append(frames, fragment(kind.op, true, strings.Repeat(kind.payload, size)), ping(tc.pings[n]))
			}
			tc.input = oneByOne(frames...)
			list = append(list, tc)
		}
	}
	return list
}
