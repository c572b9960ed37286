package peer

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"unsafe"

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

// writeAll writes with the bare system call. unix.Write would first tell Go's
// scheduler, which takes this process's only processor away from a call that
// lasts longer than it likes: that costs up to a third more CPU, and is no part
// of the limit.
func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			p = p[n:]
		case unix.EINTR:
		default:
			return errno
		}
	}
	return nil
}

// Clients implements Peer.
func (r *raw) Clients() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.fds)
}
