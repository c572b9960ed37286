package crowd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chasqui/chasqui/bench/fanout/wire"
)

const (
	// perSource is how many connections come from one loopback address; a
	// system has about 28,000 ports for them.
	perSource   = 20_000
	dialTimeout = 20 * time.Second
	dialAtOnce  = 16
)

// dialled is a connection that was upgraded, or why not; early is what came
// with the answer.
type dialled struct {
	conn  net.Conn
	early []byte
	err   error
}

// connect opens what was asked for, a few at a time. Who is connected already is
// read meanwhile by nobody.
func (c *Crowd) connect(ctx context.Context, q *wire.Connect) error {
	t := c.tallies[q.Tally]
	if t == nil {
		t = &tally{}
		c.tallies[q.Tally] = t
	}
	first := len(c.clients) + len(c.held)
	done, next := make(chan dialled), make(chan int)
	var wg sync.WaitGroup
	for range dialAtOnce {
		wg.Go(func() {
			for i := range next {
				done <- dial(ctx, q, i, first+i)
			}
		})
	}
	n := q.Instances * q.Each
	wg.Go(func() {
		defer close(next)
		for i := range n {
			next <- i
		}
	})
	var failed error
	for range n {
		if d := <-done; d.err != nil {
			failed = d.err
		} else if err := c.take(d, q, t); err != nil {
			failed = err
		}
	}
	wg.Wait()
	return failed
}

// take makes a client of a connection.
func (c *Crowd) take(d dialled, q *wire.Connect, t *tally) error {
	if q.TLS {
		c.hold(d.conn)
		return nil
	}
	return c.adopt(d.conn.(*net.TCPConn), q, t, d.early)
}

// dial opens connection i of those that were asked for; nth counts all.
func dial(ctx context.Context, q *wire.Connect, i, nth int) dialled {
	path := q.Path
	if strings.Contains(path, "%") {
		path = fmt.Sprintf(path, i/q.Each)
	}
	d := net.Dialer{Timeout: dialTimeout, Control: socketOptions(q.ReceiveBuffer)}
	if source := nth / perSource; source > 0 {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+source))}
	}
	conn, err := d.DialContext(ctx, "tcp", q.Address)
	if err != nil {
		return dialled{err: fmt.Errorf("connection %d: %w", nth, err)}
	}
	if q.TLS {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // our own server with a certificate of its own
	}
	early, err := upgrade(conn, q, path)
	if err != nil {
		return dialled{err: fmt.Errorf("connection %d: %w", nth, errors.Join(err, conn.Close()))}
	}
	return dialled{conn: conn, early: early}
}

// socketOptions lets the system choose a port when it knows the other end, and
// bounds what it takes for a socket that nobody reads, unless size is 0.
func socketOptions(size int) func(string, string, syscall.RawConn) error {
	return func(_, _ string, conn syscall.RawConn) error {
		var port, buffer error
		err := conn.Control(func(fd uintptr) {
			port = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
			if size > 0 {
				buffer = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size)
			}
		})
		return errors.Join(err, port, buffer)
	}
}

// upgrade asks for a WebSocket and says hello. early is what came with the
// answer.
func upgrade(conn net.Conn, q *wire.Connect, path string) (early []byte, err error) {
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", path, q.Address)
	for name, value := range q.Header {
		request += name + ": " + value + "\r\n"
	}
	if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return nil, err
	}
	answer, buf := []byte(nil), make([]byte, 4096)
	for !bytes.Contains(answer, []byte("\r\n\r\n")) {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		answer = append(answer, buf[:n]...)
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 101 ")) {
		return nil, fmt.Errorf("not upgraded: %.300s", answer)
	}
	if q.Hello != "" {
		if _, err := conn.Write(masked(opText, []byte(q.Hello))); err != nil {
			return nil, err
		}
	}
	_, early, _ = bytes.Cut(answer, []byte("\r\n\r\n"))
	return early, conn.SetDeadline(time.Time{})
}

// adopt takes the connection's descriptor away from Go's poller.
func (c *Crowd) adopt(conn *net.TCPConn, q *wire.Connect, t *tally, early []byte) error {
	f, err := conn.File()
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err = errors.Join(err, f.Close(), conn.Close()); err != nil {
		return err
	}
	for len(c.byFD) <= fd {
		c.byFD = append(c.byFD, nil)
	}
	cl := &client{fd: fd, tally: t, replies: q.Replies, next: q.Made + 1}
	c.clients = append(c.clients, cl)
	c.byFD[fd] = cl
	t.clients++
	cl.feed(early, c.clock.Now(), func(p []byte) { c.write(cl, p) })
	return c.watch(cl)
}

// hold keeps a connection open and reads what comes, until it ends.
func (c *Crowd) hold(conn net.Conn) {
	c.held = append(c.held, conn)
	c.wg.Go(func() {
		_, _ = io.Copy(io.Discard, conn) // how it ends is not looked at
	})
}
