package hub_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/hub"
)

// patience is how long a test waits for a fact before it fails.
const patience = 20 * time.Second

const sales = "instance-sales"

// place is a hub behind a real HTTP server on loopback.
type place struct {
	t   testing.TB
	hub *hub.Hub
	srv *httptest.Server
}

// open starts a hub and its server; both end with the test. The path of a
// request is the instance, the query gives the owner.
func open(t testing.TB, opts hub.Options) *place {
	t.Helper()
	p := &place{t: t, hub: newHub(opts)}
	p.hub.Stream(sales)
	p.srv = httptest.NewServer(p)
	p.closeWith(t)
	return p
}

// closeWith stops the hub and the server when the test ends.
func (p *place) closeWith(t testing.TB) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := p.hub.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
		p.srv.Close()
	})
}

func (p *place) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	w.Header().Set("X-Request-Id", "request-1")
	err := p.hub.Serve(w, r, strings.TrimPrefix(r.URL.Path, "/"), hub.Owner{
		AccountID: q.Get("account"), TokenType: cmp.Or(q.Get("type"), "instance"), TokenID: q.Get("token"),
		RemoteAddress: r.RemoteAddr, UserAgent: r.UserAgent(),
	})
	var f *fault.Error
	if errors.As(err, &f) {
		w.WriteHeader(map[fault.Kind]int{
			fault.Invalid: 400, fault.NotFound: 404, fault.UpgradeRequired: 426,
			fault.RateLimited: 429, fault.Unavailable: 503,
		}[f.Kind])
		_, _ = io.WriteString(w, f.Message)
	}
}

// publish hands the stream one event whose JSON is body.
func (p *place) publish(body string) {
	p.t.Helper()
	err := p.hub.Stream(sales).Publish(len(body), func(dst []byte) ([]byte, error) { return append(dst, body...), nil })
	if err != nil {
		p.t.Errorf("Publish: %v", err)
	}
}

// eventually polls until ok holds, and fails with what it waited for.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("waited %v for: %s", patience, what)
		}
	}
}

// clients waits until the instance has n clients.
func (p *place) clients(n int) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%d clients", n), func() bool { return p.hub.Count(sales) == n })
}

// peer is a client made of frames, so that it can do what no library would.
type peer struct {
	t    testing.TB
	conn net.Conn
	r    io.Reader
}

// dial connects one client to the instance. query is added to the URL.
func (p *place) dial(query string) *peer {
	p.t.Helper()
	d := ws.Dialer{Timeout: patience}
	return p.dialWith(d, query)
}

func (p *place) dialWith(d ws.Dialer, query string) *peer {
	p.t.Helper()
	url := strings.Replace(p.srv.URL, "http", "ws", 1) + "/" + sales + "?" + query // https becomes wss
	conn, br, _, err := d.Dial(context.Background(), url)
	if err != nil {
		p.t.Fatalf("dial: %v", err)
	}
	c := &peer{t: p.t, conn: conn, r: conn}
	if br != nil {
		c.r = io.MultiReader(bytes.NewReader(buffered(br)), conn)
	}
	p.t.Cleanup(c.vanish)
	return c
}

func buffered(br *bufio.Reader) []byte {
	b := make([]byte, br.Buffered())
	_, _ = io.ReadFull(br, b)
	return b
}

// vanish closes the connection without a close frame.
func (c *peer) vanish() { _ = c.conn.Close() }

// send writes frames, masked as a client must.
func (c *peer) send(frames ...ws.Frame) {
	c.t.Helper()
	for _, f := range frames {
		c.write(ws.MustCompileFrame(ws.MaskFrame(f)))
	}
}

// write sends bytes as they are. A connection that the server has closed is
// for the reading side to report.
func (c *peer) write(b []byte) {
	c.t.Helper()
	if err := c.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.conn.Write(b); err != nil && errors.Is(err, context.DeadlineExceeded) {
		c.t.Fatalf("write: %v", err)
	}
}

// frame reads one frame.
func (c *peer) frame() (ws.Frame, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return ws.Frame{}, err
	}
	h, err := ws.ReadHeader(c.r)
	if err != nil {
		return ws.Frame{}, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(c.r, payload)
	return ws.Frame{Header: h, Payload: payload}, err
}

// next reads the next frame that is no ping.
func (c *peer) next() ws.Frame {
	c.t.Helper()
	for {
		f, err := c.frame()
		if err != nil {
			c.t.Fatalf("read a frame: %v", err)
		}
		if f.Header.OpCode != ws.OpPing {
			return f
		}
	}
}

// want reads events and compares them with the given bodies.
func (c *peer) want(bodies ...string) {
	c.t.Helper()
	for i, want := range bodies {
		f := c.next()
		if f.Header.OpCode != ws.OpText || !f.Header.Fin || string(f.Payload) != want {
			c.t.Fatalf("event %d: got opcode %v %.80q, want text %.80q", i, f.Header.OpCode, f.Payload, want)
		}
	}
}

// wantClose reads up to the close frame, checks its code, answers it and
// expects the server to end the connection.
func (c *peer) wantClose(code int) {
	c.t.Helper()
	if got := c.closeCode(); got != code {
		c.t.Fatalf("closed with %d, want %d", got, code)
	}
}

// closeCode reads until the end: the code of the close frame, 1006 without one.
func (c *peer) closeCode() int {
	c.t.Helper()
	for {
		f, err := c.frame()
		var ne net.Error
		switch {
		case errors.As(err, &ne) && ne.Timeout():
			c.t.Fatalf("the connection was not closed: %v", err)
		case err != nil:
			return 1006
		case f.Header.OpCode == ws.OpClose:
			code, _ := ws.ParseCloseFrameData(f.Payload)
			c.send(ws.NewCloseFrame(f.Payload))
			if _, err := c.frame(); err == nil {
				c.t.Fatal("a frame came after the close frame")
			}
			return int(code)
		}
	}
}

// raw opens a TCP connection to the server without an upgrade.
func (p *place) raw() *peer {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.srv.Listener.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	c := &peer{t: p.t, conn: conn, r: bufio.NewReader(conn)}
	p.t.Cleanup(c.vanish)
	return c
}

// skipAnswer reads the answer to an upgrade that was written by hand.
func (c *peer) skipAnswer() http.Header {
	c.t.Helper()
	res, err := http.ReadResponse(c.r.(*bufio.Reader), nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		c.t.Fatalf("upgrade answered with %v, %v", res, err)
	}
	return res.Header
}

// pool trusts the server's certificate.
func pool(srv *httptest.Server) *x509.CertPool {
	p := x509.NewCertPool()
	if cert := srv.Certificate(); cert != nil {
		p.AddCert(cert)
	}
	return p
}
