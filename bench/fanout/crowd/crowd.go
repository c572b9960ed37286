package crowd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chasqui/chasqui/bench/fanout/machine"
	"github.com/chasqui/chasqui/bench/fanout/wire"
)

// Crowd is the clients of one process. One goroutine runs it.
type Crowd struct {
	clock   machine.Clock
	epoll   int
	in      int // descriptor of the requests
	out     *json.Encoder
	line    []byte // the request that is not whole
	buf     []byte
	clients []*client
	byFD    []*client
	tallies map[string]*tally
	ended   int   // of those that read
	cut     int   // of those that were stalled
	wait    *wait // nil: nobody waits

	held []net.Conn // TLS
	wg   sync.WaitGroup
}

// wait is an OpAwait or OpDrain that has not been answered.
type wait struct {
	each     map[string]int // nil: for the stalled ones to end
	deadline int64
}

// Run does what the requests on the descriptor in ask for until it ends, and
// answers on out.
func Run(ctx context.Context, in int, out io.Writer) error {
	clock, err := machine.NewClock()
	if err != nil {
		return err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	c := &Crowd{
		clock: clock, epoll: epoll, in: in, out: json.NewEncoder(out),
		buf: make([]byte, 256<<10), tallies: map[string]*tally{},
	}
	defer c.close()
	if err := c.control(unix.EPOLL_CTL_ADD, in); err != nil {
		return err
	}
	if err := c.loop(ctx); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// close resets every connection, so that no port stays in use.
func (c *Crowd) close() {
	for _, cl := range c.clients {
		if !cl.ended {
			c.end(cl)
		}
	}
	for _, conn := range c.held {
		_ = conn.Close() // given up
	}
	c.wg.Wait()
	_ = unix.Close(c.epoll)
}

func (c *Crowd) control(op, fd int) error {
	return unix.EpollCtl(c.epoll, op, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (c *Crowd) watch(cl *client) error { return c.control(unix.EPOLL_CTL_ADD, cl.fd) }

// loop reads from whoever has something until the requests end.
func (c *Crowd) loop(ctx context.Context) error {
	ready := make([]unix.EpollEvent, 512)
	for {
		n, err := unix.EpollWait(c.epoll, ready, c.patience())
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, e := range ready[:max(n, 0)] {
			if int(e.Fd) != c.in {
				c.read(c.byFD[e.Fd])
			} else if err := c.requests(ctx); err != nil {
				return err
			}
		}
		if err := c.settle(); err != nil {
			return err
		}
	}
}

// patience is how long epoll may wait, in milliseconds.
func (c *Crowd) patience() int {
	if c.wait == nil {
		return -1
	}
	return int(max(c.wait.deadline-c.clock.Now(), 0)/int64(time.Millisecond)) + 1
}

// read takes what a client's socket has; more of it makes epoll tell again.
func (c *Crowd) read(cl *client) {
	n, err := unix.Read(cl.fd, c.buf)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
	case err != nil || n == 0:
		c.end(cl)
		if cl.stalled {
			c.cut++
			break
		}
		c.ended++
		cl.tally.clients--
	default:
		cl.feed(c.buf[:n], c.clock.Now(), func(p []byte) { c.write(cl, p) })
	}
}

// write sends a few bytes. A socket that does not take them belongs to a server
// that reads nothing, which will end it.
func (c *Crowd) write(cl *client, p []byte) {
	_, _ = unix.Write(cl.fd, p)
}

// end resets a connection.
func (c *Crowd) end(cl *client) {
	cl.ended = true
	c.byFD[cl.fd] = nil
	_ = unix.SetsockoptLinger(cl.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(cl.fd)
}

// requests reads what was asked for; io.EOF at the end.
func (c *Crowd) requests(ctx context.Context) error {
	n, err := unix.Read(c.in, c.buf)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return nil
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return io.EOF
	}
	c.line = append(c.line, c.buf[:n]...)
	for {
		line, rest, whole := bytes.Cut(c.line, []byte("\n"))
		if !whole {
			return nil
		}
		var q wire.CrowdRequest
		if err := json.Unmarshal(line, &q); err != nil {
			return err
		}
		c.line = bytes.Clone(rest)
		if err := c.do(ctx, q); err != nil {
			return err
		}
	}
}

// do does what was asked for; an await or drain is answered by settle.
func (c *Crowd) do(ctx context.Context, q wire.CrowdRequest) error {
	var failed error
	switch q.Op {
	case wire.OpConnect:
		failed = c.connect(ctx, q.Connect)
	case wire.OpBegin:
		for _, t := range c.tallies {
			t.begin(q.Size)
		}
	case wire.OpStall:
		failed = c.stall(q.Clients)
	case wire.OpAwait:
		c.wait = &wait{each: q.Each, deadline: c.clock.Now() + q.Timeout}
		return nil
	case wire.OpDrain:
		failed = c.resume()
		c.wait = &wait{deadline: c.clock.Now() + q.Timeout}
		if failed == nil {
			return nil
		}
		c.wait = nil
	default:
		failed = fmt.Errorf("unknown operation %q", q.Op)
	}
	a := wire.CrowdAnswer{Clients: c.connected()}
	if failed != nil {
		a.Error = failed.Error()
	}
	return c.out.Encode(a)
}

// stall makes the first n clients stop reading. They count apart from then on.
func (c *Crowd) stall(n int) error {
	apart := &tally{}
	c.tallies["stalled"] = apart
	for _, cl := range c.clients[:min(n, len(c.clients))] {
		if cl.ended {
			continue
		}
		if err := c.control(unix.EPOLL_CTL_DEL, cl.fd); err != nil {
			return err
		}
		cl.stalled, cl.resting = true, true
		cl.tally.clients--
		cl.tally = apart
	}
	return nil
}

func (c *Crowd) resume() error {
	for _, cl := range c.clients {
		if !cl.resting {
			continue
		}
		if err := c.watch(cl); err != nil {
			return err
		}
		cl.resting = false
	}
	return nil
}

// settle answers who waits once it is time.
func (c *Crowd) settle() error {
	if c.wait == nil || !c.complete() && c.clock.Now() < c.wait.deadline {
		return nil
	}
	a := wire.CrowdAnswer{Clients: c.connected(), Ended: c.ended, Cut: c.cut, Tallies: map[string]wire.Tally{}, Codes: map[int]int{}}
	for name, t := range c.tallies {
		a.Tallies[name] = t.total(c.wait.each[name])
	}
	for _, cl := range c.clients {
		if cl.code != 0 {
			a.Codes[cl.code]++
		}
	}
	cpu, err := machine.CPU()
	if err != nil {
		a.Error = err.Error()
	}
	a.CPU, c.wait = int64(cpu), nil
	return c.out.Encode(a)
}

// complete reports that all that is waited for has come.
func (c *Crowd) complete() bool {
	if c.wait.each == nil {
		for _, cl := range c.clients {
			if cl.stalled && !cl.ended {
				return false
			}
		}
		return true
	}
	for name, each := range c.wait.each {
		t := c.tallies[name]
		if t == nil || t.deliveries+t.missing < int64(each)*int64(t.clients) {
			return false
		}
	}
	return true
}

// connected is how many connections are open.
func (c *Crowd) connected() int {
	n := len(c.held)
	for _, cl := range c.clients {
		if !cl.ended {
			n++
		}
	}
	return n
}
