package hub

import "net"

// transport is a client's socket as the hub writes to it; one goroutine does so
// at a time. Every transport is blocking or polled.
type transport interface {
	// try writes what the socket takes at once and never waits. Fewer bytes
	// than given and a nil error mean that it is full.
	try(a *attempt, p []byte) (int, error)
	// pending reports that bytes already taken have not reached the socket.
	pending() bool
	// closeWrite ends our side only, where the connection can do that.
	closeWrite()
	// close ends the connection after what the kernel holds has been sent.
	close()
	// abort ends it at once and makes the kernel forget what it holds.
	abort()
}

// blocking is the portable kind, which goroutines wait for: one that reads as
// long as the client lives, and one that writes as long as it lags.
type blocking interface {
	transport
	read(p []byte) (int, error)
	// write waits until the socket has taken something: part of p, or of what
	// it kept from earlier writes.
	write(a *attempt, p []byte) (int, error)
}

// polled is the kind that a poller waits for. The poller reads, and calls
// client.hear, client.writable and Hub.forget.
type polled interface {
	transport
	// awaitRoom makes the poller look for room in the socket, or stop doing so.
	// client.mu is held and client.gone is false.
	awaitRoom(on bool) error
}

// newTransport prepares the connection and picks the way to write to it.
func newTransport(conn net.Conn) blocking {
	if t, ok := newTLSSocket(conn); ok {
		return t
	}
	if tcp, ok := plainTCP(conn); ok {
		if s, err := newSocket(tcp); err == nil {
			return s
		}
	}
	return &stream{conn: conn}
}

// plainTCP returns the TCP connection that conn is, if there is nothing between.
func plainTCP(conn net.Conn) (*net.TCPConn, bool) {
	if k, ok := conn.(*keeper); ok {
		conn = k.TCPConn
	}
	tcp, ok := conn.(*net.TCPConn)
	return tcp, ok
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
