package hub_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/chasqui/chasqui/internal/hub"
)

// Bad input. Each test shows four things: what the abusers use up is bounded, in
// goroutines and in memory; it is given back; Stats show it; and one other
// client gets every event, in order, meanwhile.

// besides runs abuse while events flow to one client that behaves, and checks
// what that client gets.
func (p *place) besides(abuse func()) {
	p.t.Helper()
	good := p.dialWith(p.dialer(), "")
	stop := make(chan struct{})
	var publisher, reader sync.WaitGroup
	publisher.Go(func() {
		pace := time.NewTicker(2 * time.Millisecond)
		defer pace.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				p.publish("end")
				return
			case <-pace.C:
				p.publish(fmt.Sprint(n))
			}
		}
	})
	reader.Go(func() {
		if err := good.getEverything(); err != nil {
			p.t.Errorf("the client that behaves: %v", err)
		}
	})
	abuse()
	close(stop)
	publisher.Wait()
	reader.Wait()
}

// getEverything reads numbered events up to "end" and answers pings.
func (c *peer) getEverything() error {
	for n := 0; ; {
		f, err := c.frame()
		switch {
		case err != nil:
			return fmt.Errorf("after %d events: %w", n, err)
		case f.Header.OpCode == ws.OpPing:
			if _, err := c.conn.Write(framed(ws.NewPongFrame(f.Payload))); err != nil {
				return fmt.Errorf("answer a ping: %w", err)
			}
		case string(f.Payload) == "end":
			return nil
		case string(f.Payload) != fmt.Sprint(n):
			return fmt.Errorf("got %.40q, want event %d", f.Payload, n)
		default:
			n++
		}
	}
}

// footprint is what this process uses: goroutines, and memory after a
// collection, in bytes.
func footprint() (goroutines int, memory uint64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), m.HeapInuse + m.StackInuse
}

// bounded checks that no more than so much came on top of a footprint. The
// clients are in this process too, and count.
func bounded(t *testing.T, goroutines int, memory uint64, more int, bytes uint64) {
	t.Helper()
	var g int
	var m uint64
	eventually(t, fmt.Sprintf("no more than %d goroutines and %d bytes on top of %d and %d", more, bytes, goroutines, memory), func() bool {
		g, m = footprint()
		return g <= goroutines+more && m <= memory+bytes
	})
	t.Logf("%d goroutines and %d bytes on top", g-goroutines, int64(m)-int64(memory))
}

// readers is how many goroutines n plain clients may cost.
func readers(n int) int {
	if portable || runtime.GOOS != "linux" {
		return n
	}
	return 0
}

// spare is what other goroutines there may be: of the server, of besides.
const spare = 12

// Clients that send one byte a minute, never ending the message they began, cost
// what idle ones cost. They live as long as they do it, since any byte is a sign
// of life, and are dropped after. The minute is 0.8 s here, the timeout 2 s.
func TestDrippingClients(t *testing.T) {
	const clients, minute, timeout = 200, 800 * time.Millisecond, 2 * time.Second
	p := open(t, hub.Options{Ping: timeout / 4, Timeout: timeout})
	p.besides(func() {
		goroutines, memory := footprint()
		drips := make([]*peer, clients)
		for i := range drips {
			drips[i] = p.dial("")
		}
		message := framed(ws.NewBinaryFrame(make([]byte, hub.MaxMessage)))
		tick := time.NewTicker(minute)
		defer tick.Stop()
		for i := range 4 {
			for _, c := range drips {
				c.write(message[i : i+1])
			}
			<-tick.C
		}
		if st := p.hub.Stats(); st.Clients != clients+1 || st.Dropped != 0 {
			t.Errorf("%d clients, %d dropped; want %d, 0", st.Clients, st.Dropped, clients+1)
		}
		bounded(t, goroutines, memory, readers(clients)+spare, clients*16<<10)
		p.clients(1)
		if st := p.hub.Stats(); st.Opened != clients+1 || st.Dropped != clients {
			t.Errorf("%d opened, %d dropped; want %d, %d", st.Opened, st.Dropped, clients+1, clients)
		}
	})
}

// pingsOf are so many pings of the largest size, as a client sends them.
func pingsOf(n int) []byte { return bytes.Repeat(framed(ws.NewPingFrame(make([]byte, 125))), n) }

// Clients that flood with pings and read the pongs are served, the others too.
func TestPingFloods(t *testing.T) {
	const clients, chunks = 8, 40
	p := open(t, hub.Options{})
	p.besides(func() {
		goroutines, memory := footprint()
		var floods sync.WaitGroup
		chunk := pingsOf(1000)
		for range clients {
			c := p.dial("")
			floods.Go(func() { _, _ = io.Copy(io.Discard, c.conn) }) // until the other goroutine closes it
			floods.Go(func() {
				defer c.vanish()
				for range chunks {
					c.write(chunk)
				}
			})
		}
		floods.Wait()
		p.clients(1)
		bounded(t, goroutines, memory, spare, 8<<20)
	})
}

// Clients that flood with pings and read nothing are dropped as stalled: not
// more than one pong is kept for them.
func TestPingFloodsUnread(t *testing.T) {
	const clients = 20
	p := open(t, hub.Options{Stall: 300 * time.Millisecond})
	p.besides(func() {
		goroutines, memory := footprint()
		var floods sync.WaitGroup
		chunk := pingsOf(1000)
		for range clients {
			c := p.dialSlow()
			floods.Go(func() {
				for err := error(nil); err == nil; {
					_ = c.conn.SetWriteDeadline(time.Now().Add(patience))
					if _, err = c.conn.Write(chunk); errors.Is(err, os.ErrDeadlineExceeded) {
						t.Error("a flood was not ended")
					}
				}
				c.vanish()
			})
		}
		floods.Wait()
		p.clients(1)
		if st := p.hub.Stats(); st.Dropped != clients || st.LagMemory != 0 {
			t.Errorf("%d dropped, %d bytes kept; want %d, 0", st.Dropped, st.LagMemory, clients)
		}
		bounded(t, goroutines, memory, spare, 8<<20)
	})
}

// Clients that close their sending side have left: nothing is kept for them,
// though their sockets stay open.
func TestHalfClosedSockets(t *testing.T) {
	const clients = 300
	p := open(t, hub.Options{})
	p.besides(func() {
		goroutines, memory := footprint()
		for range clients {
			c := p.dial("")
			if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		p.clients(1)
		if st := p.hub.Stats(); st.Opened != clients+1 {
			t.Errorf("%d opened, want %d", st.Opened, clients+1)
		}
		bounded(t, goroutines, memory, spare, clients*16<<10)
	})
}

// Ten thousand connects and instant closes: before the upgrade, in it, and after
// it, with a reset and without.
func TestConnectsAndInstantCloses(t *testing.T) {
	const each = 2500
	p := open(t, hub.Options{})
	p.besides(func() {
		goroutines, memory := footprint()
		addr := p.srv.Listener.Addr().String()
		var crowd sync.WaitGroup
		for worker := range 16 {
			crowd.Go(func() {
				for i := worker; i < 4*each; i += 16 {
					if err := instantClose(addr, i%4); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		crowd.Wait()
		p.clients(1)
		// Those who waited for the answer have certainly been clients.
		if st := p.hub.Stats(); st.Opened <= each || st.Clients != 1 {
			t.Errorf("%d opened, %d left; want more than %d, and 1", st.Opened, st.Clients, each)
		}
		bounded(t, goroutines, memory, spare, 16<<20)
	})
}

// upgradeRequest asks for the events of an instance.
func upgradeRequest(instance string) string {
	return "GET /" + instance + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

// instantClose connects and closes in one of four ways.
func instantClose(addr string, way int) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	switch way {
	case 0:
		return nil
	case 1:
		_, err = io.WriteString(conn, upgradeRequest(sales))
		return err
	case 2:
		if _, err = io.WriteString(conn, upgradeRequest(sales)); err != nil {
			return err
		}
	case 3:
		if _, err = io.WriteString(conn, upgradeRequest(sales)); err != nil {
			return err
		}
		if err = conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		answer := make([]byte, 12)
		if _, err = io.ReadFull(conn, answer); err != nil || !strings.HasSuffix(string(answer), "101") {
			return fmt.Errorf("answered %q: %w", answer, err)
		}
	}
	return conn.(*net.TCPConn).SetLinger(0)
}
