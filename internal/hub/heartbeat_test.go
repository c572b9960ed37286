package hub_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/chasqui/chasqui/internal/hub"
)

// wantEnd reads until the end and expects no close frame: what the contract
// calls 1006.
func (c *peer) wantEnd() {
	c.t.Helper()
	if code := c.closeCode(); code != 1006 {
		c.t.Fatalf("closed with %d, want no close frame", code)
	}
}

// Section 4, heartbeat: the server pings, again and again, and a client that
// answers stays.
func TestHeartbeat(t *testing.T) {
	const ping = 40 * time.Millisecond
	const pings = 40 // longer than the timeout, which leaves time for a busy machine
	p := open(t, hub.Options{Ping: ping, Timeout: pings / 2 * ping})
	c := p.dial("")
	start := time.Now()
	for range pings {
		f, err := c.frame()
		if err != nil || f.Header.OpCode != ws.OpPing || len(f.Payload) > 125 {
			t.Fatalf("got %v %v, want a ping", f.Header.OpCode, err)
		}
		c.send(ws.NewPongFrame(f.Payload))
	}
	if took := time.Since(start); took < (pings-1)*ping {
		t.Errorf("%d pings within %v, want one every %v", pings, took, ping)
	}
	p.alive(c)
}

// Section 4, heartbeat: a client silent for the timeout is dropped without a
// close frame; any byte counts as a sign of life.
func TestSilentClientIsDropped(t *testing.T) {
	const timeout = 300 * time.Millisecond
	p := open(t, hub.Options{Ping: 50 * time.Millisecond, Timeout: timeout})
	silent, dripping := p.dial(""), p.dial("")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // half a frame, a byte at a time
		defer close(stopped)
		tick := time.NewTicker(timeout / 10)
		defer tick.Stop()
		for _, b := range append([]byte{0x82, 0xfe, 1, 0}, make([]byte, 256)...) {
			select {
			case <-tick.C:
				dripping.write([]byte{b})
			case <-stop:
				return
			}
		}
	}()
	start := time.Now()
	silent.wantEnd()
	if took := time.Since(start); took < timeout*9/10 {
		t.Errorf("dropped after %v, want %v", took, timeout)
	}
	p.clients(1)
	p.alive(dripping)
	close(stop)
	<-stopped
}

// Section 4, heartbeat: a client that takes not one byte while data wait is
// dropped, though it sends pongs.
func TestStalledClientIsDropped(t *testing.T) {
	p := open(t, hub.Options{Stall: 200 * time.Millisecond})
	c := p.dialSlow()
	big := strings.Repeat("x", 1<<20)
	for range 16 { // more than any kernel keeps, less than 256 events
		p.publish(big)
	}
	eventually(t, "the drop", func() bool {
		c.send(ws.NewPongFrame(nil))
		return p.hub.Count(sales) == 0
	})
	c.wantEnd()
	if st := p.hub.Stats(); st.Slow != 0 {
		t.Errorf("%d slow clients counted, want 0: it was not cut", st.Slow)
	}
}

// A client that lags again and again, but takes something each time, is not
// stalled.
func TestSlowReaderIsNotStalled(t *testing.T) {
	const stall = 200 * time.Millisecond
	p := open(t, hub.Options{Stall: stall})
	c := p.dialSlow()
	body := strings.Repeat("x", 64<<10)
	lags := 0
	for start := time.Now(); time.Since(start) < 5*stall; {
		for range 4 {
			p.publish(body)
		}
		if p.pending() > 0 {
			lags++
		}
		c.want(body, body, body, body)
	}
	if lags == 0 {
		t.Error("it never lagged")
	}
	idle := time.After(2 * stall) // in step, with nothing to take, for longer than the limit
	eventually(t, "quiet", func() bool {
		select {
		case <-idle:
			return true
		default:
			return false
		}
	})
	p.alive(c)
}

// Control frames go between events, never inside one: a client that reads a
// large event slowly still sees well-formed frames while pings are due.
func TestControlFramesBetweenEvents(t *testing.T) {
	p := open(t, hub.Options{Ping: 5 * time.Millisecond})
	c := p.dialSlow()
	c.r = &trickle{c.conn}
	big := strings.Repeat("x", 128<<10)
	for range 8 {
		p.publish(big)
	}
	pings := 0
	for events := 0; events < 8; {
		f, err := c.frame()
		switch {
		case err != nil:
			t.Fatal(err)
		case f.Header.OpCode == ws.OpPing:
			pings++
		case f.Header.OpCode == ws.OpPong:
		case string(f.Payload) != big:
			t.Fatalf("event %d is broken: %d bytes", events, len(f.Payload))
		default:
			events++
		}
		c.send(ws.NewPingFrame([]byte("x")), ws.NewPongFrame(nil))
	}
	if pings == 0 {
		t.Error("no ping between the events")
	}
}

// trickle reads in small pieces.
type trickle struct{ r io.Reader }

func (s *trickle) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), 4<<10)]) }

// A client that closes its sending side has left: it cannot answer a ping.
func TestHalfClosedClient(t *testing.T) {
	p := open(t, hub.Options{})
	c, other := p.dial(""), p.dial("")
	if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.wantEnd()
	p.clients(1)
	p.alive(other)
}

// A client that vanishes, with a reset or without, leaves the others served.
func TestVanishingClient(t *testing.T) {
	p := open(t, hub.Options{})
	reset, closed, other := p.dial(""), p.dial(""), p.dial("")
	if err := reset.conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	reset.vanish()
	closed.vanish()
	p.clients(1)
	p.alive(other)
}

// A vanished machine says nothing: no reset, no end. The timeout finds it, and
// nothing is kept for it.
func TestVanishedMachine(t *testing.T) {
	p := open(t, hub.Options{Ping: 20 * time.Millisecond, Timeout: 200 * time.Millisecond})
	p.dialSlow() // it neither reads nor writes from here on
	for range 16 {
		p.publish(string(bytes.Repeat([]byte("x"), 1<<20)))
	}
	p.clients(0)
	eventually(t, "its memory to be let go", func() bool { return p.hub.Stats().LagMemory == 0 })
}
