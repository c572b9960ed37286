package hub_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"github.com/chasqui/chasqui/internal/hub"
)

// plainConn hides what kind of connection it is.
type plainConn struct{ net.Conn }

type plainListener struct{ net.Listener }

func (l plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return plainConn{c}, nil
}

// transports are the kinds of server that the same promises hold for.
var transports = map[string]struct {
	tls  bool
	wrap func(net.Listener) net.Listener
}{
	"tls":             {tls: true, wrap: hub.Listener},
	"tls, unprepared": {tls: true, wrap: func(ln net.Listener) net.Listener { return ln }},
	"wrapped tcp":     {wrap: hub.Listener},
	"any connection":  {wrap: func(ln net.Listener) net.Listener { return plainListener{ln} }},
}

// eachTransport runs a test over every kind of server.
func eachTransport(t *testing.T, opts hub.Options, test func(t *testing.T, p *place)) {
	for name, kind := range transports {
		t.Run(name, func(t *testing.T) {
			p := &place{t: t, hub: newHub(opts)}
			p.hub.Stream(sales)
			p.srv = httptest.NewUnstartedServer(p)
			p.srv.Listener = kind.wrap(p.srv.Listener)
			if kind.tls {
				p.srv.StartTLS()
			} else {
				p.srv.Start()
			}
			p.closeWith(t)
			test(t, p)
		})
	}
}

// dialer connects as the server's certificate wants.
func (p *place) dialer() ws.Dialer {
	return ws.Dialer{Timeout: patience, TLSConfig: &tls.Config{RootCAs: pool(p.srv), ServerName: "example.com"}}
}

func TestTransportsKeepOrder(t *testing.T) {
	eachTransport(t, hub.Options{}, func(_ *testing.T, p *place) {
		a, b := p.dialWith(p.dialer(), ""), p.dialWith(p.dialer(), "")
		bodies := append(numbered(500), strings.Repeat("x", 1<<20), "last")
		for i, body := range bodies {
			p.publish(body)
			if i%100 == 50 {
				p.caughtUp()
			}
		}
		a.want(bodies...)
		b.want(bodies...)
		a.send(ws.NewPingFrame([]byte("x")))
		if f := a.next(); f.Header.OpCode != ws.OpPong {
			p.t.Errorf("got %v, want a pong", f.Header.OpCode)
		}
	})
}

func TestTransportsCutAndClose(t *testing.T) {
	eachTransport(t, hub.Options{CloseWait: 2 * time.Second}, func(t *testing.T, p *place) {
		slow, quick := p.dialWith(p.dialer(), ""), p.dialWith(p.dialer(), "")
		body := strings.Repeat("x", 64<<10)
		for range 2000 { // far more than any kernel takes for a client that does not read
			if p.hub.Count(sales) < 2 {
				break
			}
			p.publish(body)
			quick.want(body)
		}
		if code := slow.closeCode(); code != 4408 {
			t.Errorf("slow client closed with %d, want 4408", code)
		}
		p.alive(quick)
		quick.send(text("\xff"))
		quick.wantClose(1007)
		third := p.dialWith(p.dialer(), "")
		third.send(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")))
		third.wantClose(1000)
	})
}

// Stop does not hang on a client that does not read, whatever carries it.
func TestTransportsStop(t *testing.T) {
	eachTransport(t, hub.Options{}, func(t *testing.T, p *place) {
		p.dialWith(p.dialer(), "")
		for range 40 {
			p.publish(strings.Repeat("x", 1<<20))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.hub.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
}

// Section 4, compression: negotiated only if the operator turned it on; clients
// with and without it share the stream. The client is one that others wrote.
func TestCompression(t *testing.T) {
	for _, on := range []bool{false, true} {
		t.Run(fmt.Sprint(on), func(t *testing.T) {
			p := open(t, hub.Options{Compression: on})
			ctx := t.Context()
			conn, res, err := websocket.Dial(ctx, p.srv.URL+"/"+sales, &websocket.DialOptions{
				CompressionMode: websocket.CompressionNoContextTakeover, CompressionThreshold: 1,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.CloseNow() }()
			if got := res.Header.Get("Sec-WebSocket-Extensions") != ""; got != on {
				t.Errorf("negotiated: %v, want %v", got, on)
			}
			conn.SetReadLimit(-1)
			plain := p.dial("")
			for _, body := range []string{"{}", strings.Repeat("{}", 1000), strings.Repeat("abc", 1<<20)} {
				p.publish(body)
				plain.want(body)
				if _, got, err := conn.Read(ctx); err != nil || string(got) != body {
					t.Fatalf("read %.40q, %v; want %.40q", got, err, body)
				}
			}
			if err := conn.Write(ctx, websocket.MessageText, []byte(strings.Repeat("compressed and ignored ", 50))); err != nil {
				t.Fatal(err)
			}
			p.publish("after")
			if _, got, err := conn.Read(ctx); err != nil || string(got) != "after" {
				t.Errorf("read %q, %v", got, err)
			}
			for _, c := range p.hub.Clients(sales) {
				if small := c.BytesSent < 1<<20; small != (on && c.UserAgent != "") {
					t.Errorf("%d bytes sent to %q, compression %v", c.BytesSent, c.UserAgent, on)
				}
			}
			if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// An offer of terms that we do not meet, or cannot read, gets no compression
// and no error.
func TestCompressionOffers(t *testing.T) {
	p := open(t, hub.Options{Compression: true})
	for offer, want := range map[string]bool{
		"permessage-deflate":                                                true,
		"permessage-deflate; client_max_window_bits":                        true,
		"permessage-deflate; server_max_window_bits=10":                     false,
		"permessage-deflate; server_max_window_bits=99":                     false,
		"permessage-deflate; client_max_window_bits=x, ;;":                  false,
		"x-webkit-deflate-frame":                                            false,
		"permessage-deflate; server_max_window_bits=10, permessage-deflate": true,
	} {
		c := p.raw()
		c.write([]byte("GET /" + sales + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
			"Sec-WebSocket-Extensions: " + offer + "\r\n\r\n"))
		if got := c.skipAnswer().Get("Sec-WebSocket-Extensions") != ""; got != want {
			t.Errorf("%s: negotiated %v, want %v", offer, got, want)
		}
		c.vanish()
	}
}
