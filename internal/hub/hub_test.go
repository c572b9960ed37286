package hub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/chasqui/chasqui/internal/hub"
	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/lifecycle/lifecycletest"
)

// pending is what the slowest client still waits for.
func (p *place) pending() int {
	n := 0
	for _, c := range p.hub.Clients(sales) {
		n = max(n, c.Pending)
	}
	return n
}

// caughtUp waits until no client waits for anything.
func (p *place) caughtUp() {
	p.t.Helper()
	eventually(p.t, "clients to catch up", func() bool { return p.pending() == 0 })
}

// numbered are n distinct events.
func numbered(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	return list
}

// Section 4, frames and order: one event a text frame, every event, the same
// order for every client.
func TestEveryClientGetsEveryEventInOrder(t *testing.T) {
	p := open(t, hub.Options{})
	peers := []*peer{p.dial(""), p.dial(""), p.dial("")}
	want := numbered(2000)
	for i, body := range want {
		p.publish(body)
		if i%hub.Window == 0 { // nobody may be further behind than that
			p.caughtUp()
		}
	}
	for _, c := range peers {
		c.want(want...)
	}
}

// Section 4, order: a client gets what is produced while it is connected, from
// the first to the last, whenever it joins.
func TestJoiningWhileEventsFlow(t *testing.T) {
	p := open(t, hub.Options{})
	first := p.dial("")
	go func() { _, _ = io.Copy(io.Discard, first.conn) }()
	stop := make(chan struct{})
	var publisher sync.WaitGroup
	publisher.Go(func() {
		pace := time.NewTicker(100 * time.Microsecond)
		defer pace.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-pace.C:
				p.publish(fmt.Sprint(i))
			}
		}
	})
	for range 20 {
		c := p.dial("")
		last := -1
		for range 100 {
			var n int
			if _, err := fmt.Sscan(string(c.next().Payload), &n); err != nil {
				t.Fatal(err)
			}
			if last >= 0 && n != last+1 {
				t.Fatalf("event %d after %d", n, last)
			}
			last = n
		}
		c.vanish()
	}
	close(stop)
	publisher.Wait()
}

// Section 4, nobody connected: one atomic load, nothing serialised, no
// allocation.
func TestNobodyConnected(t *testing.T) {
	p := open(t, hub.Options{})
	s := p.hub.Stream(sales)
	if !s.Idle() {
		t.Fatal("Idle is false with nobody connected")
	}
	encode := func([]byte) ([]byte, error) { panic("serialised for nobody") }
	if n := testing.AllocsPerRun(100, func() { _ = s.Publish(100, encode) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	c := p.dial("")
	if s.Idle() {
		t.Error("Idle is true with a client")
	}
	c.vanish()
	eventually(t, "Idle after the last client", s.Idle)
}

// An event that cannot be serialised reaches nobody and is told to the
// publisher.
func TestEncodeError(t *testing.T) {
	p := open(t, hub.Options{})
	c := p.dial("")
	err := p.hub.Stream(sales).Publish(0, func(dst []byte) ([]byte, error) { return dst, io.ErrShortBuffer })
	if err == nil {
		t.Error("no error")
	}
	p.publish("next")
	c.want("next")
}

// Section 4, frames: every length of header, and frames too large for one
// write.
func TestFrameSizes(t *testing.T) {
	p := open(t, hub.Options{})
	c := p.dial("")
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 3 << 20} {
		body := strings.Repeat("x", n)
		p.publish(body)
		c.want(body)
	}
}

// Section 4, clients: an operator may set a limit, which holds however many
// come at once.
func TestMaxClients(t *testing.T) {
	p := open(t, hub.Options{MaxClients: 2})
	if p.hub.Full(sales) {
		t.Error("full when empty")
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	refused := 0
	for range 8 {
		wg.Go(func() {
			conn, _, _, err := ws.Dialer{}.Dial(context.Background(), strings.Replace(p.srv.URL, "http", "ws", 1)+"/"+sales)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				if !errors.Is(err, ws.StatusError(429)) {
					t.Errorf("refused with %v, want 429", err)
				}
				refused++
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		})
	}
	wg.Wait()
	if refused != 6 || p.hub.Count(sales) != 2 || !p.hub.Full(sales) {
		t.Errorf("%d refused, %d connected, full %v; want 6, 2, true", refused, p.hub.Count(sales), p.hub.Full(sales))
	}
	p.hub.Close(sales, "", hub.CloseByAPI)
	p.clients(0)
	p.dial("")
}

// Section 4, refused before the upgrade: what is no upgrade gets a plain answer.
func TestServeRefuses(t *testing.T) {
	p := open(t, hub.Options{})
	upgrade := http.Header{
		"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Version": {"13"},
	}
	for _, tc := range []struct {
		name, method, path, header, value string
		status                            int
	}{
		{"no Connection", "GET", sales, "Connection", "close", 400},
		{"no Upgrade", "GET", sales, "Upgrade", "h2c", 400},
		{"no key", "GET", sales, "Sec-WebSocket-Key", "", 400},
		{"short key", "GET", sales, "Sec-WebSocket-Key", "YWJj", 400},
		{"method", "POST", sales, "", "", 400},
		{"version 8", "GET", sales, "Sec-WebSocket-Version", "8", 426},
		{"unknown stream", "GET", "nobody", "", "", 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, p.srv.URL+"/"+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = upgrade.Clone()
		if tc.header != "" {
			req.Header.Set(tc.header, tc.value)
		}
		res, err := p.srv.Client().Do(req)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		_ = res.Body.Close()
		if res.StatusCode != tc.status {
			t.Errorf("%s: status %d, want %d", tc.name, res.StatusCode, tc.status)
		}
	}
	if p.hub.Stats().Clients != 0 {
		t.Error("a refused client counts")
	}
}

// Section 4, tickets and clients: who is connected.
func TestClients(t *testing.T) {
	p := open(t, hub.Options{})
	c := p.dialWith(ws.Dialer{Header: ws.HandshakeHeaderHTTP{"User-Agent": {strings.Repeat("u", 1000)}}}, "")
	p.publish("abc")
	c.want("abc")
	p.caughtUp()
	got := p.hub.Clients(sales)
	if len(got) != 1 {
		t.Fatalf("%d clients", len(got))
	}
	id, err := uuid.Parse(got[0].ID)
	if err != nil || id.Version() != 7 {
		t.Errorf("ID %q is no UUID of version 7: %v", got[0].ID, err)
	}
	if age := time.Since(got[0].ConnectedAt); age < 0 || age > patience {
		t.Errorf("connected %v ago", age)
	}
	want := hub.Client{
		ID: got[0].ID, RemoteAddress: c.conn.LocalAddr().String(), UserAgent: strings.Repeat("u", 256),
		TokenType: "instance", ConnectedAt: got[0].ConnectedAt, FramesSent: 1, BytesSent: 5,
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Error(diff)
	}
}

// Section 8: the figures that the operator sees.
func TestStats(t *testing.T) {
	p := open(t, hub.Options{})
	peers := []*peer{p.dial(""), p.dial("")}
	for _, body := range numbered(10) {
		p.publish(body)
	}
	for _, c := range peers {
		c.want(numbered(10)...)
	}
	eventually(t, "20 frames and 10 latencies counted", func() bool {
		st := p.hub.Stats()
		var measured int64
		for _, n := range st.Latency.Counts {
			measured += n
		}
		return st.Frames == 20 && measured == 10
	})
	st := p.hub.Stats()
	if st.Clients != 2 || st.ByInstance[sales] != 2 || st.Bytes != 20*(2+7) || st.Latency.Sum <= 0 {
		t.Errorf("%+v", st)
	}
}

// Close codes 4403, 4401, 4404 and 1001, each to those it is meant for.
func TestCloseCodes(t *testing.T) {
	t.Run("4403 one client", func(t *testing.T) {
		p := open(t, hub.Options{})
		p.dial("")
		id := p.hub.Clients(sales)[0].ID
		other := p.dial("")
		if n := p.hub.Close(sales, uuid.NewString(), hub.CloseByAPI); n != 0 {
			t.Errorf("an unknown ID closed %d", n)
		}
		if n := p.hub.Close(sales, id, hub.CloseByAPI); n != 1 {
			t.Errorf("closed %d, want 1", n)
		}
		p.publish("still here")
		other.want("still here")
		p.clients(1)
	})
	t.Run("4403 all clients", func(t *testing.T) {
		p := open(t, hub.Options{})
		peers := []*peer{p.dial(""), p.dial("")}
		if n := p.hub.Close(sales, "", hub.CloseByAPI); n != 2 {
			t.Errorf("closed %d, want 2", n)
		}
		for _, c := range peers {
			c.wantClose(4403)
		}
	})
	t.Run("4401 token and account", func(t *testing.T) {
		p := open(t, hub.Options{})
		a, b := p.dial("token=a&account=1"), p.dial("token=b&account=2")
		if n := p.hub.CloseToken("a", hub.CloseToken); n != 1 {
			t.Errorf("CloseToken closed %d, want 1", n)
		}
		a.wantClose(4401)
		if n := p.hub.CloseAccount("2", hub.CloseToken); n != 1 {
			t.Errorf("CloseAccount closed %d, want 1", n)
		}
		b.wantClose(4401)
	})
	t.Run("4401 only what the token opened", func(t *testing.T) {
		p := open(t, hub.Options{})
		of, in := p.dial("type=account&account=1"), p.dial("type=instance&account=1")
		if n := p.hub.RevokeInstance(sales); n != 1 {
			t.Errorf("RevokeInstance closed %d, want 1", n)
		}
		in.wantClose(4401)
		p.alive(of)
		if n := p.hub.RevokeAccount("2") + p.hub.RevokeAccount("1"); n != 1 {
			t.Errorf("RevokeAccount closed %d, want 1", n)
		}
		of.wantClose(4401)
	})
	t.Run("4404 deleted instance", func(t *testing.T) {
		p := open(t, hub.Options{})
		c := p.dial("")
		p.hub.Forget(sales)
		c.wantClose(4404)
		if _, _, _, err := (ws.Dialer{}).Dial(t.Context(), strings.Replace(p.srv.URL, "http", "ws", 1)+"/"+sales); !errors.Is(err, ws.StatusError(404)) {
			t.Errorf("a deleted instance answers %v, want 404", err)
		}
	})
	t.Run("1001 shutdown", func(t *testing.T) {
		p := open(t, hub.Options{})
		peers := []*peer{p.dial(""), p.dial("")}
		stopped := make(chan error, 1)
		go func() { stopped <- p.hub.Stop(context.Background()) }()
		for _, c := range peers {
			c.wantClose(1001)
		}
		if err := <-stopped; err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
}

// Stop ends clients that do not answer the close frame when its context ends.
func TestStopDoesNotWaitForClients(t *testing.T) {
	p := open(t, hub.Options{CloseWait: time.Hour})
	p.dial("")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.hub.Stop(ctx); err != nil {
		t.Error(err)
	}
	if n := p.hub.Stats().Clients; n != 0 {
		t.Errorf("%d clients after Stop", n)
	}
}

// Stop while clients come, go and are written to: it returns, everything it
// leaves is closed, and whoever comes later is refused.
func TestStopUnderLoad(t *testing.T) {
	for range 10 {
		p := open(t, hub.Options{CloseWait: 50 * time.Millisecond})
		url := strings.Replace(p.srv.URL, "http", "ws", 1) + "/" + sales
		var load sync.WaitGroup
		for range 8 {
			load.Go(func() {
				for {
					conn, _, _, err := ws.Dialer{Timeout: patience}.Dial(context.Background(), url)
					if err != nil {
						return // refused: the hub has stopped
					}
					p.publish("event")
					_ = conn.Close()
				}
			})
		}
		eventually(t, "events", func() bool { return p.hub.Stats().Frames > 20 })
		if err := p.hub.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		load.Wait()
		if n := p.hub.Stats().Clients; n != 0 {
			t.Errorf("%d clients after Stop", n)
		}
		if _, _, _, err := (ws.Dialer{}).Dial(t.Context(), url); !errors.Is(err, ws.StatusError(503)) {
			t.Errorf("a stopped hub answers %v, want 503", err)
		}
	}
}

// Section 4, several tokens: account and instance tokens on one instance.
func TestMixedTokens(t *testing.T) {
	p := open(t, hub.Options{})
	a, b := p.dial("type=account"), p.dial("type=instance")
	p.alive(a)
	b.want("alive")
	list := p.hub.Clients(sales)
	if len(list) != 2 || list[0].TokenType != "account" || list[1].TokenType != "instance" {
		t.Errorf("%+v", list)
	}
}

func TestLifecycle(t *testing.T) {
	lifecycletest.Stress(t, func(t *testing.T) lifecycle.Service {
		h := newHub(hub.Options{})
		h.Stream(sales)
		return lifecycle.Funcs{OnStop: h.Stop}
	})
}
