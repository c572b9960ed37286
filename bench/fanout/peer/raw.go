package peer

import (
	"bytes"
	"errors"
	"net"
	"sync"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// raw is the physical limit: the frame's bytes are written to blocking sockets
// in a loop, without reading, queues or anybody who is too slow.
type raw struct {
	joined bool // a burst is one write

	mu  sync.Mutex // guards fds
	fds []int
}

// Serve implements Peer.
func (r *raw) Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		if err := r.adopt(conn); err != nil {
			return err
		}
	}
}

// adopt answers the handshake and keeps a blocking descriptor of the socket,
// which Go's poller does not know.
func (r *raw) adopt(conn net.Conn) error {
	defer func() { _ = conn.Close() }() // the descriptor below lives on
	if _, err := ws.Upgrade(conn); err != nil {
		return err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return errors.New("raw: not a TCP connection")
	}
	f, err := tcp.File()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // likewise
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fds = append(r.fds, fd)
	return nil
}

// Publish implements Peer. The lock is held over the writes: nobody else needs
// it while events are published.
func (r *raw) Publish(events [][]byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	frames := make([][]byte, len(events))
	for i, p := range events {
		frames[i] = ws.MustCompileFrame(ws.NewTextFrame(p))
	}
	if r.joined {
		frames = [][]byte{bytes.Join(frames, nil)}
	}
	for _, f := range frames {
		for _, fd := range r.fds {
			if err := writeAll(fd, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		p = p[max(n, 0):]
	}
	return nil
}

// Clients implements Peer.
func (r *raw) Clients() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.fds)
}
