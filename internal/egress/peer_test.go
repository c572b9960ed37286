package egress_test

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// peer is the receiver's end of a connection. gone is closed when the test is
// over.
type peer struct {
	*net.TCPConn
	gone chan struct{}
}

// reset ends the connection without a farewell.
func (p *peer) reset() { _ = p.SetLinger(0) }

// listen serves each connection on loopback with handle, which ends it by
// returning; it returns the URL.
func listen(t *testing.T, handle func(*peer)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				handle(&peer{c.(*net.TCPConn), gone})
			})
		}
	})
	t.Cleanup(func() {
		close(gone)
		_ = l.Close()
		serving.Wait()
	})
	return "http://" + l.Addr().String()
}

// countNew counts the connections that a server accepts.
func countNew(n *atomic.Int32) func(net.Conn, http.ConnState) {
	return func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			n.Add(1)
		}
	}
}
