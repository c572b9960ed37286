package hub

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket is a plain TCP connection, written to without waiting through its
// file descriptor.
type socket struct {
	conn *net.TCPConn
	raw  syscall.RawConn
}

func newSocket(conn *net.TCPConn) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("raw connection: %w", err)
	}
	if err := boundKernel(conn, raw); err != nil {
		return nil, err
	}
	return &socket{conn: conn, raw: raw}, nil
}

func (s *socket) try(a *attempt, p []byte) (int, error) {
	a.p = p
	if err := s.raw.Write(a.once); err != nil {
		return 0, err
	}
	return a.result()
}

func (s *socket) write(a *attempt, p []byte) (int, error) {
	a.p = p
	if err := s.raw.Write(a.wait); err != nil {
		return 0, err
	}
	return a.result()
}

func (s *socket) pending() bool              { return false }
func (s *socket) read(p []byte) (int, error) { return s.conn.Read(p) }
func (s *socket) closeWrite()                { _ = s.conn.CloseWrite() } // fails if it is closed already
func (s *socket) close()                     { closeQuietly(s.conn) }

func (s *socket) abort() {
	// Without this the kernel would go on offering the bytes that the client
	// does not take. An error means that the connection is gone already.
	_ = s.conn.SetLinger(0)
	closeQuietly(s.conn)
}

// attempt is the working memory of whoever writes: the callbacks for
// syscall.RawConn, made once, and room to join frames. It is pooled.
type attempt struct {
	p   []byte
	n   int
	err error

	once func(fd uintptr) bool // one write, full or not
	wait func(fd uintptr) bool // until the socket takes something

	frames []*frame
	join   []byte
}

func newAttempt() *attempt {
	a := &attempt{}
	a.once = func(fd uintptr) bool {
		a.n, a.err = writeFD(int(fd), a.p)
		return true
	}
	a.wait = func(fd uintptr) bool {
		a.n, a.err = writeFD(int(fd), a.p)
		return !errors.Is(a.err, unix.EAGAIN)
	}
	return a
}

func (a *attempt) result() (int, error) {
	n, err := a.n, a.err
	a.p, a.n, a.err = nil, 0, nil
	if errors.Is(err, unix.EAGAIN) {
		return 0, nil
	}
	return n, err
}

// reset lets go of frames, and of a join buffer that grew unusually large.
func (a *attempt) reset() {
	a.p = nil
	clear(a.frames)
	a.frames = a.frames[:0]
	if cap(a.join) > 2*joinLimit {
		a.join = nil
	}
}

func writeFD(fd int, p []byte) (int, error) {
	for {
		n, err := write(fd, p)
		if !errors.Is(err, unix.EINTR) {
			return max(n, 0), err
		}
	}
}
