package hub_test

import (
	"fmt"
	"testing"

	"github.com/gobwas/ws"

	"github.com/chasqui/chasqui/internal/hub"
)

// events.md section 4, frames and order: one event a frame, the same order for
// every client.
func TestEveryClientGetsEveryEventInOrder(t *testing.T) {
	p := open(t, hub.Options{})
	peers := []*peer{p.dial(""), p.dial(""), p.dial("")}
	var want []string
	for i := range 1000 {
		want = append(want, fmt.Sprintf(`{"n":%d}`, i))
	}
	go func() {
		for i, body := range want {
			p.publish(body)
			if i%100 == 99 { // a client may be 256 behind, no more
				eventually(t, "clients to keep up", func() bool { return p.pending() == 0 })
			}
		}
	}()
	for _, c := range peers {
		c.want(want...)
	}
}

// events.md section 4, close codes: 1000, its code is echoed.
func TestCloseByTheClientIsEchoed(t *testing.T) {
	for _, code := range []ws.StatusCode{1000, 1001, 3000, 4999} {
		p := open(t, hub.Options{})
		c := p.dial("")
		c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(code, "bye")))
		c.wantClose(int(code))
		p.clients(0)
	}
}

// pending is what the slowest client still waits for.
func (p *place) pending() int {
	n := 0
	for _, c := range p.hub.Clients(sales) {
		n = max(n, c.Pending)
	}
	return n
}
