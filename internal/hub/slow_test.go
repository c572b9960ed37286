package hub_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/chasqui/chasqui/internal/hub"
)

// dialSlow connects a client whose kernel takes little, so that it stalls as
// soon as it does not read.
func (p *place) dialSlow() *peer {
	p.t.Helper()
	return p.dialWith(ws.Dialer{Timeout: patience, NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
			var err error
			cerr := raw.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
			})
			if cerr != nil {
				return cerr
			}
			return err
		}}
		return d.DialContext(ctx, network, addr)
	}}, "")
}

// measured is how many events the flusher has handed to the sockets.
func (p *place) measured() int {
	n := int64(0)
	for _, c := range p.hub.Stats().Latency.Counts {
		n += c
	}
	return int(n)
}

// stall publishes events of 64 KiB until the slow client's socket is full and
// exactly n events wait for it. It returns how many it published.
func (p *place) stall(n int) int {
	p.t.Helper()
	published := 0
	publish := func() {
		p.publish(fmt.Sprintf("%06d%s", published, strings.Repeat("x", 64<<10)))
		published++
		eventually(p.t, "the flusher", func() bool { return p.measured() == published })
	}
	for range 100 { // 6.4 MiB: more than the kernel takes
		publish()
	}
	eventually(p.t, "the socket to be full", func() bool { return p.pending() > 1 })
	for p.pending() < n {
		publish()
	}
	if p.pending() != n || p.hub.Count(sales) != 1 {
		p.t.Fatalf("%d events wait for %d clients, want %d for 1", p.pending(), p.hub.Count(sales), n)
	}
	return published
}

// Section 4, buffer: 256 events wait; at the 257th the client is cut, alone. It
// gets the frame in progress and the close frame 4408, and nothing more.
func TestCutAtThe257thEvent(t *testing.T) {
	p := open(t, hub.Options{})
	slow := p.dialSlow()
	published := p.stall(hub.Window)
	quick := p.dial("")
	p.publish("one more")
	quick.want("one more")
	p.clients(1)
	if st := p.hub.Stats(); st.Slow != 1 {
		t.Errorf("%d slow clients counted, want 1", st.Slow)
	}
	for i := 0; ; i++ {
		f := slow.next()
		if f.Header.OpCode == ws.OpClose {
			if code, _ := ws.ParseCloseFrameData(f.Payload); code != 4408 {
				t.Errorf("closed with %d, want 4408", code)
			}
			if i == 0 || published-i < hub.Window-1 {
				t.Errorf("it got %d events of %d before the close frame", i, published)
			}
			break
		}
		if want := fmt.Sprintf("%06dx", i); !strings.HasPrefix(string(f.Payload), want) || len(f.Payload) != 6+64<<10 {
			t.Fatalf("event %d: %.10q, %d bytes", i, f.Payload, len(f.Payload))
		}
	}
	eventually(t, "nothing kept for it", func() bool { return p.hub.Stats().LagMemory == 0 })
}

// Section 4, buffer: a client that does not take the close frame in time is
// closed without it (1006).
func TestCutClientThatTakesNothing(t *testing.T) {
	const wait = 300 * time.Millisecond
	p := open(t, hub.Options{CloseWait: wait})
	slow := p.dialSlow()
	p.stall(hub.Window)
	start := time.Now()
	p.publish("one more")
	p.clients(0)
	eventually(t, "the connection to be reset", func() bool {
		_, err := slow.conn.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewPongFrame(nil))))
		return err != nil
	})
	if took := time.Since(start); took < wait*9/10 {
		t.Errorf("ended after %v, want %v", took, wait)
	}
}

// A client that lags and then reads again gets everything, in order, without a
// gap.
func TestLaggardCatchesUp(t *testing.T) {
	p := open(t, hub.Options{})
	slow := p.dialSlow()
	published := p.stall(hub.Window)
	for i := range published {
		if f := slow.next(); !strings.HasPrefix(string(f.Payload), fmt.Sprintf("%06dx", i)) {
			t.Fatalf("event %d: %.10q", i, f.Payload)
		}
	}
	p.alive(slow)
	eventually(t, "nothing kept for it", func() bool { return p.hub.Stats().LagMemory == 0 })
}

// Section 4, buffer: no other client waits for a stalled one.
func TestOthersDoNotWait(t *testing.T) {
	p := open(t, hub.Options{CloseWait: 100 * time.Millisecond})
	for range 10 {
		p.dialSlow()
	}
	quick := p.dial("")
	body := strings.Repeat("x", 64<<10)
	for range 600 {
		p.publish(body)
		quick.want(body)
	}
	p.clients(1)
	if st := p.hub.Stats(); st.Slow != 10 {
		t.Errorf("%d slow clients counted, want 10", st.Slow)
	}
}

// Section 4, buffer: over the memory that laggards may keep, the client that
// holds most is cut first.
func TestLagMemory(t *testing.T) {
	const frame = 1 << 20
	p := open(t, hub.Options{LagMemory: 40 * frame})
	worst := p.dialSlow()
	big := strings.Repeat("x", frame)
	for range 20 {
		p.publish(big)
	}
	eventually(t, "the first to lag", func() bool { return p.pending() > 10 })
	second := p.dialSlow()
	for range 30 {
		p.publish(big)
	}
	p.clients(1)
	if left := p.hub.Clients(sales)[0].RemoteAddress; left != second.conn.LocalAddr().String() {
		t.Error("the wrong client was cut")
	}
	if st := p.hub.Stats(); st.Slow != 1 || st.LagMemory > 40*frame {
		t.Errorf("%d cut, %d bytes kept", st.Slow, st.LagMemory)
	}
	if code := worst.closeCode(); code != 4408 {
		t.Errorf("closed with %d, want 4408", code)
	}
	for range 30 {
		second.want(big)
	}
}

// What the kernel keeps for a stalled client is bounded: the receiver's window
// and 64 KiB.
func TestKernelKeepsLittle(t *testing.T) {
	p := open(t, hub.Options{})
	p.dialSlow()
	for range 100 {
		p.publish(strings.Repeat("x", 64<<10))
	}
	eventually(t, "the socket to be full", func() bool { return p.measured() == 100 })
	c := p.hub.Clients(sales)[0]
	t.Logf("%d bytes taken by the kernels", c.BytesSent)
	const window = 16 << 10 // more than a receive buffer of 4 KiB, doubled, offers
	if c.BytesSent > window+64<<10 {
		t.Errorf("the kernels took %d bytes of a client that does not read", c.BytesSent)
	}
}
