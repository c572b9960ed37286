package hub

import "net"

// transport is a client's socket as the hub uses it. One goroutine writes at a
// time and one reads. The portable forms are here; one driven by readiness
// notification fits behind the same interface.
type transport interface {
	// try writes what the socket takes at once and never waits. Fewer bytes
	// than given and a nil error mean that it is full.
	try(a *attempt, p []byte) (int, error)
	// write waits until the socket has taken something: part of p, or of what
	// it kept from earlier writes.
	write(a *attempt, p []byte) (int, error)
	// pending reports that bytes already taken have not reached the socket.
	pending() bool
	read(p []byte) (int, error)
	// closeWrite ends our side only, where the connection can do that.
	closeWrite()
	// close ends the connection after what the kernel holds has been sent.
	close()
	// abort ends it at once and makes the kernel forget what it holds.
	abort()
}

// newTransport prepares the connection and picks the way to write to it.
func newTransport(conn net.Conn) transport {
	if t, ok := newTLSSocket(conn); ok {
		return t
	}
	if k, ok := conn.(*keeper); ok {
		conn = k.TCPConn
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		if s, err := newSocket(tcp); err == nil {
			return s
		}
	}
	return &stream{conn: conn}
}

// stream is any other connection. It cannot be tried without waiting, so every
// write is done by the goroutine of a client that is behind.
type stream struct{ conn net.Conn }

// streamPiece bounds one waiting write, so that progress is seen.
const streamPiece = 16 << 10

func (s *stream) try(*attempt, []byte) (int, error) { return 0, nil }

func (s *stream) write(_ *attempt, p []byte) (int, error) {
	return s.conn.Write(p[:min(len(p), streamPiece)])
}

func (s *stream) pending() bool              { return false }
func (s *stream) read(p []byte) (int, error) { return s.conn.Read(p) }

func (s *stream) closeWrite() {
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite() // fails if it is closed already
	}
}

func (s *stream) close() { closeQuietly(s.conn) }
func (s *stream) abort() { closeQuietly(s.conn) }

// closeQuietly closes a connection that is given up anyway: what Close reports
// about it changes nothing.
func closeQuietly(c net.Conn) {
	_ = c.Close()
}
