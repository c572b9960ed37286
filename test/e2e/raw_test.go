package e2e_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/chasqui/chasqui/internal/apptest"
)

// object is a JSON object.
type object = map[string]any

// is is the fields that a frame must have.
type is = map[string]string

// raw is a WebSocket client made of bytes, so that it can do what no library
// would.
type raw struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// knock asks for an upgrade with the given headers ("Name: value"; an empty
// value leaves a usual one out) and returns the answer and its body.
func knock(t testing.TB, g *apptest.Gateway, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	c, res := open(t, g, path, net.Dialer{}, headers...)
	if res.StatusCode == http.StatusSwitchingProtocols {
		c.vanish()
		return res, ""
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, strings.TrimSpace(string(body))
}

// open sends an upgrade over a connection of its own.
func open(t testing.TB, g *apptest.Gateway, path string, d net.Dialer, headers ...string) (*raw, *http.Response) {
	t.Helper()
	conn, err := d.Dial("tcp", strings.TrimPrefix(g.URL(""), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	c := &raw{t: t, conn: conn, r: bufio.NewReader(conn)}
	t.Cleanup(c.vanish)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, g.URL(path), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	usual := []string{
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}
	for _, h := range append(usual, headers...) {
		name, value, _ := strings.Cut(h, ": ")
		if req.Header.Set(name, value); value == "" {
			req.Header.Del(name)
		}
	}
	c.patience()
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(c.r, req)
	if err != nil {
		t.Fatal(err)
	}
	return c, res
}

// connect opens the socket of sales with the account's token.
func connect(t testing.TB, g *apptest.Gateway) *raw { return connectBy(t, g, net.Dialer{}) }

func connectBy(t testing.TB, g *apptest.Gateway, d net.Dialer) *raw {
	t.Helper()
	c, res := open(t, g, "/ws/sales", d, "token: "+apptest.Token)
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the upgrade is answered %d", res.StatusCode)
	}
	return c
}

// narrow makes a connection whose kernel takes little.
func narrow() net.Dialer {
	return net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if cerr := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		}); cerr != nil {
			return cerr
		}
		return err
	}}
}

func (c *raw) patience() {
	if err := c.conn.SetDeadline(time.Now().Add(apptest.Patience)); err != nil {
		c.t.Fatal(err)
	}
}

// vanish ends the connection without a close frame.
func (c *raw) vanish() { _ = c.conn.Close() }

// write sends bytes as they are; a connection that has ended is for the
// reading side to report.
func (c *raw) write(b []byte) {
	c.patience()
	_, _ = c.conn.Write(b)
}

// send writes frames, masked as a client must.
func (c *raw) send(frames ...ws.Frame) {
	for _, f := range frames {
		c.write(ws.MustCompileFrame(ws.MaskFrame(f)))
	}
}

// frame reads one frame, and reports the end of the connection as an error.
func (c *raw) frame() (ws.Frame, error) {
	c.patience()
	h, err := ws.ReadHeader(c.r)
	if err != nil {
		return ws.Frame{}, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(c.r, payload)
	return ws.Frame{Header: h, Payload: payload}, err
}

// until reads up to the first frame with that opcode.
func (c *raw) until(op ws.OpCode) ws.Frame {
	c.t.Helper()
	for {
		f, err := c.frame()
		if err != nil {
			c.t.Fatalf("waiting for a frame with opcode %d: %v", op, err)
		}
		if f.Header.OpCode == op {
			return f
		}
	}
}

// closed reads to the end: the code of the close frame, which it answers, or
// 1006 if there is none. A connection that stays open fails the test.
func (c *raw) closed() int {
	c.t.Helper()
	for {
		f, err := c.frame()
		var timeout net.Error
		switch {
		case err != nil && asTimeout(err, &timeout):
			c.t.Fatal("the connection was not closed")
		case err != nil:
			return 1006
		case f.Header.OpCode == ws.OpClose:
			code, _ := ws.ParseCloseFrameData(f.Payload)
			c.send(ws.NewCloseFrame(f.Payload))
			return int(code)
		}
	}
}
