package hub

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// poller reads from all plain TCP connections of a hub and tells laggards when
// they can go on, in one goroutine: an idle client has neither a goroutine nor
// a buffer. It waits with an epoll instance of its own (epoll(7)), and for that
// instance with Go's poller, so that no thread is blocked.
//
// A connection is taken out of Go's hands: its descriptor is duplicated and the
// net.Conn closed, since what that keeps would be most of a client's memory.
// From then on the poller alone ends it, see pollSocket.
type poller struct {
	hub   *Hub
	file  *os.File // the epoll instance
	ready syscall.RawConn
	epoll int // its descriptor, valid until stop
	count atomic.Int32
	ended atomic.Bool // stop was called

	mu      sync.Mutex    // guards the rest
	sockets []*pollSocket // by descriptor
	adopted int32         // how many there have been; wraps around
}

// readPiece is the poller's one buffer, in bytes: what a client may send before
// it is the next one's turn.
const readPiece = 16 << 10

func newPoller(h *Hub) (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create an epoll instance: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // tells os that Go's poller may have it
		return nil, errors.Join(fmt.Errorf("prepare an epoll instance: %w", err), unix.Close(fd))
	}
	p := &poller{hub: h, file: os.NewFile(uintptr(fd), "epoll"), epoll: fd}
	if p.ready, err = p.file.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("watch an epoll instance: %w", err), p.file.Close())
	}
	return p, nil
}

// stop ends run. No client is left.
func (p *poller) stop() {
	p.ended.Store(true)
	if err := p.file.Close(); err != nil {
		p.hub.log.Warn("The epoll instance could not be closed", "error", err)
	}
}

// adopt makes the connection the client's transport. After an error the
// connection is as it was.
func (p *poller) adopt(c *client, conn *net.TCPConn) error {
	s, err := p.take(conn)
	if err != nil {
		return err
	}
	s.client, c.tr = c, s // before the poller can find it
	p.count.Add(1)
	p.put(s)
	if err := p.control(unix.EPOLL_CTL_ADD, s, unix.EPOLLIN); err != nil {
		p.remove(s)
		p.count.Add(-1)
		s.free()
		return err
	}
	closeQuietly(conn) // the duplicate lives on
	return nil
}

// take duplicates the descriptor of a connection.
func (p *poller) take(conn *net.TCPConn) (*pollSocket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("raw connection: %w", err)
	}
	if err := boundKernel(conn, raw); err != nil {
		return nil, err
	}
	var fd int
	cerr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, cerr); err != nil {
		return nil, fmt.Errorf("duplicate a descriptor: %w", err)
	}
	return &pollSocket{fd: int32(fd)}, nil // descriptors are small
}

func (p *poller) put(s *pollSocket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if more := int(s.fd) + 1 - len(p.sockets); more > 0 {
		p.sockets = append(p.sockets, make([]*pollSocket, more)...)
	}
	p.adopted++
	s.generation = p.adopted
	p.sockets[s.fd] = s
}

func (p *poller) remove(s *pollSocket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sockets[s.fd] = nil
}

// lookup finds whom an event is for; nil if that connection has ended, though
// its descriptor may have been given to another.
func (p *poller) lookup(e *unix.EpollEvent) *pollSocket {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sockets[e.Fd]; s != nil && s.generation == e.Pad {
		return s
	}
	return nil
}

// control changes what the epoll instance looks for. The caller knows that the
// socket's descriptor is open.
func (p *poller) control(op int, s *pollSocket, events uint32) error {
	err := unix.EpollCtl(p.epoll, op, int(s.fd), &unix.EpollEvent{Events: events, Fd: s.fd, Pad: s.generation})
	if err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// run serves the connections until stop.
func (p *poller) run() {
	a := p.hub.attempt()
	defer p.hub.release(a)
	buf := make([]byte, readPiece)
	events := make([]unix.EpollEvent, 128)
	for {
		n, err := p.wait(events)
		if err != nil && p.ended.Load() {
			return // the file was closed; os names that in several ways
		}
		if err != nil {
			p.hub.log.Error("Waiting for WebSocket clients failed", "error", err)
			return
		}
		for i := range events[:n] {
			if s := p.lookup(&events[i]); s != nil {
				p.serve(s, events[i].Events, buf, a)
			}
		}
	}
}

// wait returns how many events there are, at least one.
func (p *poller) wait(events []unix.EpollEvent) (n int, err error) {
	rerr := p.ready.Read(func(uintptr) bool {
		n, err = unix.EpollWait(p.epoll, events, 0)
		if errors.Is(err, unix.EINTR) {
			n, err = 0, nil
		}
		return n > 0 || err != nil
	})
	if rerr != nil {
		return 0, rerr
	}
	return n, err
}

// serve is one client's turn.
func (p *poller) serve(s *pollSocket, events uint32, buf []byte, a *attempt) {
	const failed = unix.EPOLLERR | unix.EPOLLHUP
	if events&(unix.EPOLLOUT|failed) != 0 {
		s.client.writable(a)
	}
	if events&(unix.EPOLLIN|failed) == 0 {
		return
	}
	if s.over.Load() {
		p.end(s)
		return
	}
	n, err := readFD(int(s.fd), buf)
	switch {
	case errors.Is(err, unix.EAGAIN):
	case err != nil || n == 0:
		p.end(s)
	default:
		s.client.hear(buf[:n])
	}
}

// writable goes on with a client that lags, for one turn. It is called when
// the socket may have room or has failed.
func (c *client) writable(a *attempt) {
	if c.lags.Load() == 0 {
		return // the socket is not ours to write to
	}
	before := c.bytes.Load()
	drained, ok := c.writeOut(a)
	if c.bytes.Load() != before {
		c.progress.Store(c.stream.hub.now())
	}
	if drained || !ok {
		c.caughtUp()
	}
}

// end is the end of a client, which happens nowhere else.
func (p *poller) end(s *pollSocket) {
	p.hub.forget(s.client)
	// From here on nobody uses awaitRoom, and the descriptor is still open.
	if err := p.control(unix.EPOLL_CTL_DEL, s, 0); err != nil {
		p.hub.log.Error("A WebSocket client could not be taken out of epoll", "client_id", s.client.id, "error", err)
	}
	p.remove(s)
	p.count.Add(-1)
	s.free()
	p.hub.wg.Done()
}

// pollSocket is a connection that the poller waits for.
//
// Descriptors are reused, so a write that comes late must not reach whoever got
// the number next: the descriptor stays open until the poller has freed it and
// the last system call on it has returned. close and abort only shut the
// connection down, which the poller then notices.
type pollSocket struct {
	client     *client
	fd         int32
	generation int32        // which owner of the descriptor's number this is
	users      atomic.Int32 // system calls in progress, and freed
	over       atomic.Bool  // close or abort was called
}

// freed is set in pollSocket.users when no system call may begin any more.
const freed = 1 << 30

// enter allows one system call, until leave; false: the connection has ended.
func (s *pollSocket) enter() bool {
	for {
		n := s.users.Load()
		if n&freed != 0 {
			return false
		}
		if s.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *pollSocket) leave() {
	if s.users.Add(-1) == freed {
		s.closeFD()
	}
}

// free closes the descriptor, or lets the last user do so. It is called once.
func (s *pollSocket) free() {
	if s.users.Or(freed) == 0 {
		s.closeFD()
	}
}

func (s *pollSocket) closeFD() {
	_ = unix.Close(int(s.fd)) // it is gone whatever close(2) reports
}

func (s *pollSocket) try(_ *attempt, p []byte) (int, error) {
	if !s.enter() {
		return 0, net.ErrClosed
	}
	n, err := writeFD(int(s.fd), p)
	s.leave()
	if errors.Is(err, unix.EAGAIN) {
		return 0, nil
	}
	return n, err
}

func (s *pollSocket) pending() bool { return false }

func (s *pollSocket) awaitRoom(on bool) error {
	var events uint32 = unix.EPOLLIN
	if on {
		events |= unix.EPOLLOUT
	}
	return s.client.stream.hub.poller.control(unix.EPOLL_CTL_MOD, s, events)
}

func (s *pollSocket) closeWrite() { s.shutdown(unix.SHUT_WR) }

func (s *pollSocket) close() {
	s.over.Store(true)
	s.shutdown(unix.SHUT_RDWR)
}

func (s *pollSocket) abort() {
	if s.enter() { // see socket.abort
		_ = unix.SetsockoptLinger(int(s.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		s.leave()
	}
	s.close()
}

func (s *pollSocket) shutdown(how int) {
	if s.enter() {
		_ = unix.Shutdown(int(s.fd), how) // fails if it has ended already
		s.leave()
	}
}

func readFD(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		if !errors.Is(err, unix.EINTR) {
			return max(n, 0), err
		}
	}
}
