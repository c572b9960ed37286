package hub_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/chasqui/chasqui/internal/hub"
)

// Clients that open, read, stall, send garbage, vanish and are closed at random
// while events flow: nobody sees a gap or a broken frame, and when all have
// gone nothing is left. The time is bounded, the seed is printed.
func TestStress(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	p := open(t, hub.Options{
		Ping: 20 * time.Millisecond, Timeout: time.Second, Stall: 200 * time.Millisecond,
		CloseWait: 100 * time.Millisecond, LagMemory: 4 << 20, MaxClients: 40,
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { p.publishRandomly(ctx, rand.New(rand.NewPCG(seed, 0))) })
	for i := range 24 {
		rnd := rand.New(rand.NewPCG(seed, uint64(i+1)))
		all.Go(func() {
			for ctx.Err() == nil {
				p.live(rnd)
			}
		})
	}
	all.Go(func() {
		pace := time.NewTicker(20 * time.Millisecond)
		defer pace.Stop()
		for ctx.Err() == nil {
			<-pace.C
			for _, c := range p.hub.Clients(sales) {
				if c.FramesSent%97 == 96 {
					p.hub.Close(sales, c.ID, hub.CloseByAPI)
				}
			}
			_ = p.hub.Stats()
		}
	})
	all.Wait()
	p.hub.Close(sales, "", hub.CloseByAPI)
	eventually(t, "everything to be let go", func() bool {
		st := p.hub.Stats()
		return st.Clients == 0 && st.LagMemory == 0
	})
	st := p.hub.Stats()
	t.Logf("%d frames, %d cut", st.Frames, st.Slow)
	if st.Frames < 1000 {
		t.Error("hardly anything was sent")
	}
}

func (p *place) publishRandomly(ctx context.Context, rnd *rand.Rand) {
	pace := time.NewTicker(500 * time.Microsecond)
	defer pace.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		size := rnd.IntN(2000)
		if rnd.IntN(50) == 0 {
			size = rnd.IntN(300 << 10)
		}
		p.publish(fmt.Sprintf("%d %s", i, strings.Repeat("x", size)))
		<-pace.C
	}
}

// live is one life of a random client.
func (p *place) live(rnd *rand.Rand) {
	conn, br, _, err := ws.Dialer{Timeout: patience}.Dial(context.Background(), strings.Replace(p.srv.URL, "http", "ws", 1)+"/"+sales)
	if err != nil {
		return // the limit
	}
	defer func() { _ = conn.Close() }()
	var r io.Reader = conn
	if br != nil {
		r = io.MultiReader(strings.NewReader(string(buffered(br))), conn)
	}
	last := -1
	for range rnd.IntN(200) {
		if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			return
		}
		n, ok := readEvent(r)
		if !ok {
			return
		}
		if n >= 0 {
			if last >= 0 && n != last+1 {
				p.t.Errorf("event %d after %d", n, last)
			}
			last = n
		}
		if rnd.IntN(20) == 0 {
			_, _ = conn.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewPingFrame(make([]byte, rnd.IntN(125))))))
		}
	}
	p.part(conn, rnd)
}

// readEvent returns the number of an event, -1 for another frame.
func readEvent(r io.Reader) (n int, ok bool) {
	h, err := ws.ReadHeader(r)
	if err != nil || h.OpCode == ws.OpClose {
		return 0, false
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, false
	}
	if h.OpCode != ws.OpText {
		return -1, true
	}
	_, err = fmt.Sscan(string(payload), &n)
	return n, err == nil
}

// part ends a life in one of several ways.
func (p *place) part(conn net.Conn, rnd *rand.Rand) {
	switch rnd.IntN(6) {
	case 4: // leave with data on their way
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = readEvent(conn)
	case 0:
		_ = conn.(*net.TCPConn).SetLinger(0)
	case 1:
		_, _ = conn.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(nil))))
	case 2:
		_, _ = conn.Write([]byte("garbage"))
	case 3: // stall until the server has had enough
		garbage := make([]byte, 1)
		_ = conn.SetReadDeadline(time.Now().Add(time.Duration(rnd.IntN(400)) * time.Millisecond))
		for err := error(nil); err == nil; {
			_, err = conn.Read(garbage)
		}
	}
}
