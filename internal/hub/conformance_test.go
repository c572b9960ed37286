package hub_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/hub"
)

var update = flag.Bool("update", false, "write docs/websocket-conformance.md")

// These are the cases of the Autobahn test suite, sections 1 to 7, 9 and 10, by
// its numbers, for an endpoint that echoes nothing. That a message was accepted
// is proven by the pong to a ping that follows it: a server that had objected
// would have sent a close frame instead. They run twice: with the limit for
// messages that the contract sets, and with one that lets all of them pass.

// generous is the limit under which every message of the suite passes, in bytes.
const generous = 16 << 20

// accepted is the outcome of a case whose every message is taken. The others
// are the code of the server's close frame.
const accepted = "accepted"

// rfcCase is one case of the suite.
type rfcCase struct {
	id, what string
	want     string // with any limit; or see strict
	strict   string // with a limit of hub.MaxMessage, if that differs
	// input is what the client sends, in pieces that are written one by one.
	input func() [][]byte
	pings []string // the payloads of the pings in it, if they are to be answered
}

// outcome is what the server made of a case, and the pongs that came before.
type outcome struct {
	result string
	pongs  []string
}

const lastPing = "was that all right?"

// run plays a case to a fresh connection.
func (p *place) run(tc rfcCase) outcome {
	p.t.Helper()
	c := p.dial("")
	defer c.vanish()
	sent, answered := make(chan struct{}), make(chan struct{})
	go func() { // beside the reading: pongs and close frames come meanwhile
		defer close(sent)
		for _, piece := range tc.input() {
			c.write(piece)
		}
		if len(tc.pings) > 0 {
			<-answered // or the pong to the last ping could stand for all
		}
		c.write(framed(ws.NewPingFrame([]byte(lastPing))))
	}()
	var newest string
	if len(tc.pings) > 0 {
		newest = tc.pings[len(tc.pings)-1]
	}
	got := c.judged(newest, answered)
	<-sent
	return got
}

// judged reads until the pong to the last ping, or the end. It closes answered
// when newest is answered, or cannot be any more.
func (c *peer) judged(newest string, answered chan<- struct{}) outcome {
	c.t.Helper()
	var once sync.Once
	done := func() { once.Do(func() { close(answered) }) }
	defer done()
	var got outcome
	for {
		f, err := c.frame()
		switch {
		case err != nil:
			got.result = fmt.Sprintf("no close frame: %v", err)
			return got
		case f.Header.OpCode == ws.OpPong && string(f.Payload) == lastPing:
			got.result = accepted
			return got
		case f.Header.OpCode == ws.OpPong:
			if got.pongs = append(got.pongs, string(f.Payload)); string(f.Payload) == newest {
				done()
			}
		case f.Header.OpCode == ws.OpClose:
			code, _ := ws.ParseCloseFrameData(f.Payload)
			got.result = fmt.Sprint(int(code))
			c.send(ws.NewCloseFrame(f.Payload))
			if more, err := c.frame(); err == nil {
				got.result += fmt.Sprintf(", then a frame of opcode %d", more.Header.OpCode)
			} else if errors.Is(err, os.ErrDeadlineExceeded) {
				got.result += ", but the connection was not ended"
			}
			return got
		}
	}
}

// mergedFrom reports whether pongs are answers to the pings, in order, up to the
// newest: RFC 6455 section 5.5.3 allows to leave out others.
func mergedFrom(pongs, pings []string) bool {
	if len(pongs) == 0 || len(pings) == 0 {
		return len(pongs) == len(pings)
	}
	if pongs[len(pongs)-1] != pings[len(pings)-1] {
		return false
	}
	for _, pong := range pongs {
		for len(pings) > 0 && pings[0] != pong {
			pings = pings[1:]
		}
		if len(pings) == 0 {
			return false
		}
		pings = pings[1:]
	}
	return true
}

// RFC 6455, as the Autobahn suite tests it.
func TestConformance(t *testing.T) {
	cases := rfcCases()
	results := make([][2]string, len(cases))
	for i, limit := range []int64{hub.MaxMessage, generous} {
		t.Run(fmt.Sprintf("%d KiB", limit>>10), func(t *testing.T) {
			p := open(t, hub.Options{MaxMessage: limit, CloseWait: patience})
			each(len(cases), func(n int) {
				tc := cases[n]
				want := tc.want
				if limit == hub.MaxMessage && tc.strict != "" {
					want = tc.strict
				}
				got := p.run(tc)
				results[n][i] = got.result
				if got.result != want {
					t.Errorf("%s %s: %s, want %s", tc.id, tc.what, got.result, want)
				}
				if want == accepted && !mergedFrom(got.pongs, tc.pings) {
					t.Errorf("%s %s: pongs %.80q for pings %.80q", tc.id, tc.what, got.pongs, tc.pings)
				}
			})
		})
	}
	compareTable(t, conformanceTable(cases, results))
}

// each calls f for 0 to n-1, some at a time.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range 4 {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

const conformanceIntro = `# RFC 6455 conformance

The cases of the Autobahn test suite, sections 1 to 7, 9 and 10, by its numbers, played to the gateway's endpoint over real
sockets. The endpoint echoes nothing, so they are adapted: that a message was accepted is proven by the pong to a ping that
follows it. Clients may send 4 KiB a message, which is what the first column of results is about; for the second the limit
was raised to 16 MiB. A number is the code of the server's close frame, after which it sent nothing more and ended the
connection. On Linux every case ran over both forms of the hub, epoll and portable, with the same result.

%d cases; this page was written by

` + "```sh\ngo test ./internal/hub -run TestConformance -update\n```" + `

| case | what is sent | 4 KiB | 16 MiB |
|---|---|---|---|
`

// conformanceTable is the page of results.
func conformanceTable(cases []rfcCase, results [][2]string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, conformanceIntro, len(cases))
	for i, tc := range cases {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", tc.id, strings.ReplaceAll(tc.what, "|", `\|`), results[i][0], results[i][1])
	}
	return b.Bytes()
}

// compareTable compares the page with the one in the documentation.
func compareTable(t *testing.T, page []byte) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", "websocket-conformance.md")
	if *update && !t.Failed() {
		if err := os.WriteFile(path, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), string(page)); diff != "" {
		t.Errorf("%s is not what was measured; write it anew with -update:\n%s", path, diff)
	}
}

// A case that is not fast enough to fail is told from one that is: text that
// cannot become valid is refused before the message has ended (6.4).
func TestConformanceFailsFast(t *testing.T) {
	p := open(t, hub.Options{})
	for name, start := range map[string][]byte{
		"6.4.1, a bad fragment": append(framed(fragment(ws.OpText, false, greek)), framed(fragment(ws.OpContinuation, false, "\xf4\x90\x80\x80"))...),
		"6.4.2, its first byte": append(framed(fragment(ws.OpText, false, greek+"\xf4")), framed(fragment(ws.OpContinuation, false, "\x90"))...),
		"6.4.3, inside a frame": framed(text(greek + "\xf4\x90\x80\x80edited"))[:6+len(greek)+4],
		"6.4.4, inside a rune":  framed(text(greek + "\xf4\x90\x80\x80edited"))[:6+len(greek)+2],
	} {
		c := p.dial("")
		c.write(start)
		if got := c.judged("", make(chan struct{})); got.result != "1007" {
			t.Errorf("%s: %s before the end of the message, want 1007", name, got.result)
		}
	}
}

// framed is a frame as a client sends it.
func framed(f ws.Frame) []byte { return ws.MustCompileFrame(ws.MaskFrame(f)) }
