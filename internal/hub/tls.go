package hub

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"syscall"
)

// Listener returns ln with connections that the hub can write to without
// waiting, even under TLS: give it to tls.NewListener or http.Server.ServeTLS.
// Without it the hub still works, but every event for a TLS client then takes
// a goroutine that may wait. Connections that are not TCP pass unchanged.
func Listener(ln net.Listener) net.Listener { return listener{ln} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	tcp, ok := conn.(*net.TCPConn)
	if err != nil || !ok {
		return conn, err
	}
	raw, rerr := tcp.SyscallConn()
	if rerr != nil {
		return conn, nil //nolint:nilerr // the connection itself is fine
	}
	return &keeper{TCPConn: tcp, raw: raw}, nil
}

// keeper is the TCP connection below a TLS one. Until it is told to keep, it is
// as any other. Then it takes every byte at once and keeps what the socket has
// not taken, so that the TLS layer never sees a half-written record.
type keeper struct {
	*net.TCPConn
	raw syscall.RawConn

	mu      sync.Mutex // guards the rest
	keeps   bool
	rest    []byte // taken, but not by the socket yet
	waiting bool   // somebody waits for the socket and will write rest
}

// keepLimit bounds what a keeper keeps, in bytes: one batch with what TLS adds
// to it, and as much again for what TLS itself has to answer.
const keepLimit = 2 * tlsBatch

var errKeepsTooMuch = errors.New("the client does not read what TLS answers")

// Write keeps p for the next flush. A client that makes TLS answer more than it
// takes, by asking for new keys without end, loses its connection.
func (k *keeper) Write(p []byte) (int, error) {
	k.mu.Lock()
	if !k.keeps {
		k.mu.Unlock()
		return k.TCPConn.Write(p)
	}
	defer k.mu.Unlock()
	if len(k.rest)+len(p) > keepLimit {
		closeQuietly(k.TCPConn) // TLS alone would not tell anybody until the next event
		return 0, errKeepsTooMuch
	}
	k.rest = append(k.rest, p...)
	return len(p), nil
}

// flush makes one attempt to write what is kept, without waiting. It reports
// whether anything is left.
func (k *keeper) flush(a *attempt) (left bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.rest) == 0 || k.waiting {
		return len(k.rest) > 0, nil
	}
	a.p = k.rest
	if err := k.raw.Write(a.once); err != nil {
		return true, err
	}
	n, err := a.result()
	k.drop(n)
	return len(k.rest) > 0, err
}

// wait writes part of what is kept, as soon as the socket takes something.
func (k *keeper) wait(a *attempt) error {
	k.mu.Lock()
	a.p, k.waiting = k.rest, true
	k.mu.Unlock()
	err := k.raw.Write(a.wait)
	n, werr := a.result()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting = false
	k.drop(n)
	if err != nil {
		return err
	}
	return werr
}

func (k *keeper) drop(n int) {
	if k.rest = k.rest[n:]; len(k.rest) == 0 {
		k.rest = nil
	}
}

func (k *keeper) pending() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.rest) > 0
}

// Close makes a last attempt to send what is kept: the TLS alert.
func (k *keeper) Close() error {
	a := newAttempt()
	_, _ = k.flush(a) // the connection is given up either way
	return k.TCPConn.Close()
}

// tlsSocket is a TLS connection over a keeper.
type tlsSocket struct {
	conn  *tls.Conn
	under *keeper
}

// tlsBatch bounds what is encrypted before the socket is tried, in bytes, and
// so what a stalled client can make us keep besides its frames.
const tlsBatch = 128 << 10

func newTLSSocket(conn net.Conn) (blocking, bool) {
	t, ok := conn.(*tls.Conn)
	if !ok {
		return nil, false
	}
	k, ok := t.NetConn().(*keeper)
	if !ok || boundKernel(k.TCPConn, k.raw) != nil {
		return nil, false
	}
	k.mu.Lock()
	k.keeps = true
	k.mu.Unlock()
	return &tlsSocket{conn: t, under: k}, true
}

func (s *tlsSocket) try(a *attempt, p []byte) (int, error) {
	if left, err := s.under.flush(a); left || err != nil {
		return 0, err
	}
	total := 0
	for total < len(p) {
		n, err := s.conn.Write(p[total:min(len(p), total+tlsBatch)])
		total += n
		if err != nil {
			return total, err
		}
		if left, err := s.under.flush(a); left || err != nil {
			return total, err
		}
	}
	return total, nil
}

func (s *tlsSocket) write(a *attempt, p []byte) (int, error) {
	if s.under.pending() {
		return 0, s.under.wait(a)
	}
	return s.try(a, p)
}

func (s *tlsSocket) pending() bool              { return s.under.pending() }
func (s *tlsSocket) read(p []byte) (int, error) { return s.conn.Read(p) }

func (s *tlsSocket) closeWrite() {
	// Errors mean that the connection has ended, which is what is wanted.
	_ = s.conn.CloseWrite()
	_, _ = s.under.flush(newAttempt())
	_ = s.under.CloseWrite()
}

func (s *tlsSocket) close() { closeQuietly(s.conn) }

func (s *tlsSocket) abort() {
	_ = s.under.SetLinger(0) // see socket.abort
	closeQuietly(s.under.TCPConn)
}
