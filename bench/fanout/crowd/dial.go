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
)

// connect opens what was asked for. Who is connected already is read meanwhile
// by nobody.
func (c *Crowd) connect(ctx context.Context, q *wire.Connect) error {
	t := c.tallies[q.Tally]
	if t == nil {
		t = &tally{}
		c.tallies[q.Tally] = t
	}
	for i := range q.Instances {
		path := q.Path
		if strings.Contains(path, "%") {
			path = fmt.Sprintf(path, i)
		}
		for range q.Each {
			if err := c.open(ctx, q, path, t); err != nil {
				return fmt.Errorf("connection %d: %w", len(c.clients)+len(c.held), err)
			}
		}
	}
	return nil
}

func (c *Crowd) open(ctx context.Context, q *wire.Connect, path string, t *tally) error {
	source := 1 + (len(c.clients)+len(c.held))/perSource
	d := net.Dialer{Timeout: dialTimeout, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(source))}}
	if q.ReceiveBuffer > 0 {
		d.Control = receiveBuffer(q.ReceiveBuffer)
	}
	conn, err := d.DialContext(ctx, "tcp", q.Address)
	if err != nil {
		return err
	}
	if q.TLS {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // our own server with a certificate of its own
	}
	early, err := upgrade(conn, q, path)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	if q.TLS {
		c.hold(conn)
		return nil
	}
	return c.adopt(conn.(*net.TCPConn), q, t, early)
}

// receiveBuffer bounds what the system takes for a socket that nobody reads.
func receiveBuffer(size int) func(string, string, syscall.RawConn) error {
	return func(_, _ string, conn syscall.RawConn) error {
		var failed error
		err := conn.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size) })
		return errors.Join(err, failed)
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
