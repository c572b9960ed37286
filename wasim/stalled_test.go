package wasim_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

// valve is a client's way to the server that can be stopped: what the server sends then stays in the sockets' buffers.
type valve struct {
	target *url.URL
	inner  http.Transport
	open   sync.RWMutex // locked for writing while nothing may be read
}

func newValve(t testing.TB, server *wasim.Server) *valve {
	t.Helper()
	target, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	v := &valve{target: target}
	v.inner.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return valvedConn{Conn: c, valve: v}, err
	}
	return v
}

func (v *valve) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = v.target.Scheme, v.target.Host
	return v.inner.RoundTrip(r)
}

type valvedConn struct {
	net.Conn
	valve *valve
}

func (c valvedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.valve.open.RLock()
	defer c.valve.open.RUnlock()
	return n, err
}

func TestClientThatStopsReadingStopsNobody(t *testing.T) {
	server := wasim.Start(t)
	stuck, fine, person := server.Phone("5511999990001"), server.Phone("5511999990002"), server.Phone("5511999990003")
	c, other := linked(t, server, stuck), linked(t, server, fine)
	c.Disconnect()
	v := newValve(t, server)
	c.SetWebsocketHTTPClient(&http.Client{Transport: v})
	c.connect()
	awaitWhere(c, func(e *events.Connected) bool { return true })

	v.open.Lock()
	const count = 500 // of 32 KiB each: more than the sockets hold
	for i := range count {
		wasim.Deliver(stuck, binary.Node{
			Tag:     "notification",
			Attrs:   binary.Attrs{"type": "padding", "from": types.ServerJID, "id": strconv.Itoa(i), "t": "1700000000"},
			Content: []binary.Node{{Tag: "padding", Content: make([]byte, 32<<10)}},
		})
	}
	send(t, person, stuck, "last")
	send(t, person, fine, "not stuck")
	other.text("not stuck")
	if n := wasim.Waiting(stuck); n != count+1 {
		t.Errorf("%d stanzas wait for the client that does not read, want %d", n, count+1)
	}
	v.open.Unlock()
	c.text("last")
	eventually(t, "everything is acknowledged", func() bool { return wasim.Waiting(stuck) == 0 })
}
