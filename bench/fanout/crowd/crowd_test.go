package crowd_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/chasqui/chasqui/bench/fanout/crowd"
	"github.com/chasqui/chasqui/bench/fanout/machine"
	"github.com/chasqui/chasqui/bench/fanout/payload"
	"github.com/chasqui/chasqui/bench/fanout/wire"
)

const size = 1024

// people is a crowd of one client under test, and the server's end of it.
type people struct {
	t      *testing.T
	conn   net.Conn
	ask    *json.Encoder
	answer *json.Decoder
}

// gather connects a crowd of one to a server that does nothing by itself.
func gather(t *testing.T, more wire.Connect) *people {
	t.Helper()
	inRead, inWrite, err1 := os.Pipe()
	outRead, outWrite, err2 := os.Pipe()
	l, err3 := net.Listen("tcp", "127.0.0.1:0")
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- crowd.Run(context.Background(), int(inRead.Fd()), outWrite) }()
	p := &people{t: t, ask: json.NewEncoder(inWrite), answer: json.NewDecoder(outRead)}
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, err = ws.Upgrade(conn)
		}
		if err != nil {
			t.Error(err)
		}
		accepted <- conn
	}()
	t.Cleanup(func() {
		_ = inWrite.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, c := range []io.Closer{inRead, outRead, outWrite, l, p.conn} {
			_ = c.Close()
		}
	})
	more.Address, more.Path, more.Instances, more.Each, more.Tally = l.Addr().String(), "/", 1, 1, "all"
	a := p.do(wire.CrowdRequest{Op: wire.OpConnect, Connect: &more})
	if a.Clients != 1 {
		t.Fatalf("%+v", a)
	}
	p.conn = <-accepted
	p.do(wire.CrowdRequest{Op: wire.OpBegin, Size: size})
	return p
}

func (p *people) do(q wire.CrowdRequest) wire.CrowdAnswer {
	p.t.Helper()
	var a wire.CrowdAnswer
	if err := p.ask.Encode(q); err != nil {
		p.t.Fatal(err)
	}
	if err := p.answer.Decode(&a); err != nil {
		p.t.Fatal(err)
	}
	if a.Error != "" {
		p.t.Fatal(a.Error)
	}
	return a
}

// await waits for n events a client, for at most d.
func (p *people) await(n int, d time.Duration) wire.Tally {
	p.t.Helper()
	return p.do(wire.CrowdRequest{Op: wire.OpAwait, Each: map[string]int{"all": n}, Timeout: int64(d)}).Tallies["all"]
}

func (p *people) write(frames ...[]byte) {
	p.t.Helper()
	if _, err := p.conn.Write(slices.Concat(frames...)); err != nil {
		p.t.Fatal(err)
	}
}

func frame(body []byte) []byte { return ws.MustCompileFrame(ws.NewTextFrame(body)) }

// numbered are frames of events with these numbers, made now.
func numbered(t *testing.T, numbers ...uint32) [][]byte {
	t.Helper()
	clock, err := machine.NewClock()
	if err != nil {
		t.Fatal(err)
	}
	m := payload.NewMaker(size)
	var frames [][]byte
	for _, n := range numbers {
		frames = append(frames, frame(m.Make(n, clock.Now())))
	}
	return frames
}

func TestWhatIsWrongIsCounted(t *testing.T) {
	cases := map[string]struct {
		numbers []uint32
		want    wire.Tally
	}{
		"in order":  {[]uint32{1, 2, 3}, wire.Tally{Deliveries: 3}},
		"one short": {[]uint32{1, 2}, wire.Tally{Deliveries: 2, Short: 1}},
		"a gap":     {[]uint32{1, 3}, wire.Tally{Deliveries: 2, Missing: 1}},
		"repeated":  {[]uint32{1, 2, 2, 3}, wire.Tally{Deliveries: 3, Repeated: 1}},
		"swapped":   {[]uint32{1, 3, 2}, wire.Tally{Deliveries: 2, Missing: 1}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := gather(t, wire.Connect{})
			p.write(numbered(t, c.numbers...)...)
			wait := 10 * time.Second
			if c.want.Short > 0 {
				wait = 50 * time.Millisecond
			}
			got := p.await(3, wait)
			if got.Deliveries != c.want.Deliveries || got.Short != c.want.Short || got.Missing != c.want.Missing || got.Repeated != c.want.Repeated {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestAnEventAfterALaterOneIsLate(t *testing.T) {
	p := gather(t, wire.Connect{})
	p.write(numbered(t, 1, 3, 2, 4)...)
	if got := p.await(4, 10*time.Second); got.Late != 1 || got.Missing != 1 || got.Deliveries != 3 {
		t.Errorf("%+v", got)
	}
}

func TestFramesInPieces(t *testing.T) {
	p := gather(t, wire.Connect{})
	for _, f := range numbered(t, 1, 2, 3) {
		for _, at := range []int{1, 2, 3, 4, 40, 60, 1000} {
			p.write(f[:1])
			f = f[1:]
			if at < len(f) {
				p.write(f[:at])
				f = f[at:]
			}
		}
		p.write(f)
	}
	if got := p.await(3, 10*time.Second); got.Deliveries != 3 || got.Faults() != 0 || got.Bytes != 3*size {
		t.Errorf("%+v", got)
	}
}

func TestAFrameOfAnotherLengthIsOdd(t *testing.T) {
	p := gather(t, wire.Connect{})
	p.write(frame(payload.NewMaker(size+1).Make(1, 1)))
	if got := p.await(1, 10*time.Second); got.Odd != 1 {
		t.Errorf("%+v", got)
	}
}

func TestSeveralEventsInAFrame(t *testing.T) {
	p := gather(t, wire.Connect{})
	p.do(wire.CrowdRequest{Op: wire.OpBegin})
	m := payload.NewMaker(size)
	p.write(frame(slices.Concat(m.Make(1, 1), []byte("\n"), m.Make(2, 1), []byte("\n"), m.Make(3, 1))))
	if got := p.await(3, 10*time.Second); got.Deliveries != 3 || got.Faults() != 0 {
		t.Errorf("%+v", got)
	}
}

func TestLargeFrames(t *testing.T) {
	p := gather(t, wire.Connect{})
	const large = 3 << 20
	p.do(wire.CrowdRequest{Op: wire.OpBegin, Size: large})
	m := payload.NewMaker(large)
	p.write(frame(m.Make(1, 1)), frame(m.Make(2, 1)))
	if got := p.await(2, 10*time.Second); got.Deliveries != 2 || got.Faults() != 0 || got.Bytes != 2*large {
		t.Errorf("%+v", got)
	}
}

func TestPingsAndProtocolTextsAreAnswered(t *testing.T) {
	p := gather(t, wire.Connect{Hello: "hello", Replies: map[string]string{"2": "3"}})
	p.write(ws.MustCompileFrame(ws.NewPingFrame([]byte("still there?"))), frame([]byte("2")), ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(4408, "slow"))))
	for _, want := range []struct {
		code ws.OpCode
		body string
	}{{ws.OpText, "hello"}, {ws.OpPong, "still there?"}, {ws.OpText, "3"}, {ws.OpClose, "\x11\x38"}} {
		h, err := ws.ReadHeader(p.conn)
		if err != nil || h.Length > 125 {
			t.Fatalf("%+v, %v", h, err)
		}
		body := make([]byte, h.Length)
		if _, err := io.ReadFull(p.conn, body); err != nil {
			t.Fatal(err)
		}
		ws.Cipher(body, h.Mask, 0)
		if !h.Masked || h.OpCode != want.code || string(body) != want.body {
			t.Errorf("got %v %q, want %v %q", h.OpCode, body, want.code, want.body)
		}
	}
}

func TestStalledClientsAreCutOrNot(t *testing.T) {
	p := gather(t, wire.Connect{})
	p.do(wire.CrowdRequest{Op: wire.OpStall, Clients: 1})
	p.write(numbered(t, 1, 2)...)
	a := p.do(wire.CrowdRequest{Op: wire.OpDrain, Timeout: int64(50 * time.Millisecond)})
	if got := a.Tallies["stalled"]; a.Cut != 0 || got.Deliveries != 2 {
		t.Errorf("nobody was cut: %+v", a)
	}
	p.write(ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(4408, "slow"))))
	_ = p.conn.Close()
	a = p.do(wire.CrowdRequest{Op: wire.OpDrain, Timeout: int64(10 * time.Second)})
	if a.Cut != 1 || a.Codes[4408] != 1 || a.Ended != 0 {
		t.Errorf("one was cut: %+v", a)
	}
}

func TestAClientThatIsCutWhileItReadsIsToldOf(t *testing.T) {
	p := gather(t, wire.Connect{})
	p.write(numbered(t, 1)...)
	_ = p.conn.Close()
	a := p.do(wire.CrowdRequest{Op: wire.OpAwait, Each: map[string]int{"all": 2}, Timeout: int64(50 * time.Millisecond)})
	for a.Ended == 0 {
		a = p.do(wire.CrowdRequest{Op: wire.OpAwait, Each: map[string]int{"all": 2}, Timeout: int64(50 * time.Millisecond)})
	}
	if a.Ended != 1 || a.Clients != 0 {
		t.Errorf("%+v", a)
	}
}

func TestLatencyIsMeasured(t *testing.T) {
	p := gather(t, wire.Connect{})
	clock, err := machine.NewClock()
	if err != nil {
		t.Fatal(err)
	}
	m, now := payload.NewMaker(size), clock.Now()
	var frames [][]byte
	for i := range 100 { // made 1 s ago but for one, made 10 s ago
		at := now - int64(time.Second)
		if i == 50 {
			at = now - int64(10*time.Second)
		}
		frames = append(frames, frame(m.Make(uint32(i+1), at)))
	}
	p.write(frames...)
	got := p.await(100, 10*time.Second)
	within := func(name string, v int64, low, high time.Duration) {
		if time.Duration(v) < low*98/100 || time.Duration(v) > high {
			t.Errorf("%s is %s", name, time.Duration(v))
		}
	}
	within("p50", got.P50, time.Second, 5*time.Second)
	within("p99", got.P99, 10*time.Second, 14*time.Second)
	within("max", got.Max, 10*time.Second, 14*time.Second)
}
