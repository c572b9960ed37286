package wasim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	waBinary "go.mau.fi/whatsmeow/binary"
)

// linger is how long a client is left to close the connection itself after a failure or stream:error. whatsmeow's
// queue loop drops what it has not handled when the connection closes (whatsmeow: client.go/handlerQueueLoop), so an
// earlier close would lose the stanza that says why.
const linger = time.Second

// handshakeTimeout bounds the three frames of the handshake.
const handshakeTimeout = 20 * time.Second

// conn is one connection of a client: registering (pairing is set) or logged in (device is set). Its reader goroutine
// is the HTTP handler's, and the only one to run handlers for it; its writer goroutine ends before serve returns.
type conn struct {
	server *Server
	ws     *websocket.Conn
	frames *frameReader
	*secured
	queue  *sendQueue
	cancel context.CancelFunc
	ctx    context.Context // ends with the connection
	ended  atomic.Bool     // a last stanza was queued: nothing more is read or sent
	heard  chan struct{}   // closed when the client has sent its first stanza

	device  *device  // set at login, before any handler runs
	pairing *pairing // set for a registration

	repliesMu sync.Mutex
	replies   map[string]func(*Node) // answers awaited from the client, by iq id
}

// serveWebSocket is the HTTP handler of the WhatsApp side.
func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	if s.down() {
		http.Error(w, "the simulated network is down", http.StatusServiceUnavailable)
		return
	}
	if !s.begin() {
		http.Error(w, ErrClosed.Error(), http.StatusServiceUnavailable)
		return
	}
	defer s.tasks.Done()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		s.log.Debug("websocket refused", "error", err)
		return
	}
	ws.SetReadLimit(maxFrame)
	ctx, cancel := context.WithCancel(s.ctx)
	c := &conn{server: s, ws: ws, ctx: ctx, cancel: cancel, queue: newSendQueue(), heard: make(chan struct{}), replies: map[string]func(*Node){}}
	c.frames = &frameReader{receive: c.receive}
	c.serve()
}

func (c *conn) receive() ([]byte, error) {
	_, data, err := c.ws.Read(c.ctx)
	return data, err
}

// serve runs the connection to its end.
func (c *conn) serve() {
	defer c.ws.CloseNow() //nolint:errcheck // the connection is over either way
	defer c.cancel()
	if err := c.shakeHands(); err != nil {
		c.server.log.Debug("handshake failed", "error", err)
		return
	}
	var writer sync.WaitGroup
	writer.Go(c.write)
	defer writer.Wait()
	defer c.cancel()
	if payload := c.payload; payload.GetDevicePairingData() != nil {
		c.register(payload)
	} else {
		c.login(payload)
	}
	c.read()
	c.leave()
}

func (c *conn) shakeHands() error {
	stop := time.AfterFunc(handshakeTimeout, c.cancel)
	defer stop.Stop()
	prologue, err := c.frames.header()
	if err != nil {
		return err
	}
	h, err := newHandshake(prologue, c.server.static, c.server.chain)
	if err != nil {
		return err
	}
	first, err := c.frames.next()
	if err != nil {
		return err
	}
	answer, err := h.hello(first)
	if err != nil {
		return err
	}
	if err = c.writeFrame(answer); err != nil {
		return err
	}
	second, err := c.frames.next()
	if err != nil {
		return err
	}
	c.secured, err = h.finish(second)
	return err
}

// read handles stanzas until the connection ends.
func (c *conn) read() {
	first := sync.OnceFunc(func() { close(c.heard) })
	for {
		n, err := c.readNode()
		first()
		if err != nil {
			c.server.log.Debug("connection ended", "client", c, "error", err)
			return
		}
		c.server.stats.frames.Add(1)
		if c.ended.Load() {
			continue
		}
		c.trace("received", n)
		c.server.router.dispatch(c, n)
	}
}

func (c *conn) readNode() (*Node, error) {
	sealed, err := c.frames.next()
	if err != nil {
		return nil, err
	}
	plain, err := c.in.open(sealed, nil)
	if err != nil {
		return nil, err
	}
	return decodeNode(plain)
}

// decodeNode reads one stanza. The decoder panics on some malformed input, which is only an error here.
func decodeNode(plain []byte) (n *Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = nil, fmt.Errorf("malformed stanza: %v", r)
		}
	}()
	if len(plain) == 0 {
		return nil, errors.New("empty frame")
	}
	unpacked, err := waBinary.Unpack(plain)
	if err != nil {
		return nil, err
	}
	return waBinary.Unmarshal(unpacked)
}

// send queues a stanza that nobody keeps: answers, presence. It never blocks.
func (c *conn) send(n Node) {
	if c.ended.Load() {
		return
	}
	if !c.queue.pushLive(queued{node: n, due: c.due()}) {
		c.server.log.Debug("client does not read, dropped", "client", c, "stanza", n.Tag)
	}
}

// end sends a last stanza (failure, stream:error) and closes the connection after it, unless the client does first.
func (c *conn) end(n Node) {
	if c.ended.Swap(true) {
		return
	}
	c.queue.push(queued{node: n, last: true})
}

// drop closes the connection without a word.
func (c *conn) drop() { c.cancel() }

// due is when something sent now may leave, by the account's delay fault.
func (c *conn) due() time.Time {
	if c.device == nil {
		return time.Time{}
	}
	return c.device.account.faults.due(c.server.now())
}

// write sends what is queued until the connection ends. It alone writes to the websocket after the handshake.
func (c *conn) write() {
	defer c.cancel()
	c.holdFirst()
	for {
		items := c.queue.take()
		if len(items) == 0 {
			select {
			case <-c.queue.wake:
				continue
			case <-c.ctx.Done():
				return
			}
		}
		for _, item := range items {
			if !c.writeItem(item) {
				return
			}
		}
	}
}

// holdFirst gives a client time to derive its keys before it has to read with them.
func (c *conn) holdFirst() {
	if c.server.firstStanza <= 0 {
		return
	}
	t := time.NewTimer(c.server.firstStanza)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.heard:
	case <-c.ctx.Done():
	}
}

// writeItem reports whether the connection goes on.
func (c *conn) writeItem(item queued) bool {
	if !c.pause(time.Until(item.due)) {
		return false
	}
	if err := c.writeNode(item.node); err != nil {
		c.server.log.Debug("write failed", "client", c, "error", err)
		return false
	}
	if item.last {
		c.pause(linger)
		return false
	}
	return true
}

// pause waits and reports false when the connection ended.
func (c *conn) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

func (c *conn) writeNode(n Node) error {
	c.trace("sent", &n)
	plain, err := waBinary.Marshal(n)
	if err != nil {
		return err
	}
	sealed, err := c.out.seal(plain, nil)
	if err != nil {
		return err
	}
	return c.writeFrame(sealed)
}

func (c *conn) writeFrame(payload []byte) error {
	data, err := frame(payload)
	if err != nil {
		return err
	}
	return c.ws.Write(c.ctx, websocket.MessageBinary, data)
}

// request sends an iq to the client and calls answer on the reader goroutine when the client answers.
func (c *conn) request(iq Node, answer func(*Node)) {
	c.repliesMu.Lock()
	c.replies[stringAttr(&iq, "id")] = answer
	c.repliesMu.Unlock()
	c.send(iq)
}

// replied hands an iq result or error to whoever asked.
func (c *conn) replied(n *Node) {
	id := stringAttr(n, "id")
	c.repliesMu.Lock()
	answer := c.replies[id]
	delete(c.replies, id)
	c.repliesMu.Unlock()
	if answer != nil {
		answer(n)
	}
}

// leave forgets the connection wherever it was known.
func (c *conn) leave() {
	if c.pairing != nil {
		c.pairing.abandon()
	}
	if c.device != nil && c.device.outbox.detach(c) {
		c.server.router.offline(c)
	}
}

// LogValue names the client in logs.
func (c *conn) LogValue() slog.Value {
	if c.device == nil {
		return slog.StringValue("unregistered")
	}
	return slog.StringValue(c.device.jid().String())
}

func (c *conn) trace(direction string, n *Node) {
	if c.server.log.Enabled(c.ctx, levelTrace) {
		c.server.log.Log(c.ctx, levelTrace, direction, "client", c, "stanza", n.String())
	}
}

// levelTrace is the level at which each stanza is logged.
const levelTrace = slog.LevelDebug - 4
