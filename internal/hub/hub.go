package hub

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Options tune the hub. A zero value stands for the default.
type Options struct {
	Ping    time.Duration // between pings; default 30 s
	Timeout time.Duration // a client silent for so long is dropped; default 75 s
	// Stall is how long a client may take not one byte while data wait before
	// it is dropped; default 30 s.
	Stall time.Duration
	// CloseWait is how long a closing client has to take the frame in progress
	// and the close frame, and to answer it; default 5 s.
	CloseWait   time.Duration
	MaxClients  int   // per instance; 0: no limit
	LagMemory   int64 // bytes that laggards alone may keep; default 256 MiB
	MaxMessage  int64 // of a client, in bytes; default MaxMessage
	Compression bool  // negotiate permessage-deflate
	// Portable keeps to the form that works everywhere, a goroutine for each
	// client, where there is a leaner one.
	Portable bool
	Logger   *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Ping = orDefault(o.Ping, 30*time.Second)
	o.Timeout = orDefault(o.Timeout, 75*time.Second)
	o.Stall = orDefault(o.Stall, 30*time.Second)
	o.CloseWait = orDefault(o.CloseWait, 5*time.Second)
	o.LagMemory = orDefault(o.LagMemory, 256<<20)
	o.MaxMessage = orDefault(o.MaxMessage, MaxMessage)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func orDefault[T ~int64](v, standard T) T {
	if v <= 0 {
		return standard
	}
	return v
}

// Hub holds all connections of this process.
type Hub struct {
	opts  Options
	log   *slog.Logger
	start time.Time
	wheel *wheel
	quit  chan struct{}
	wg    sync.WaitGroup

	attempts, batches, inbounds sync.Pool

	total atomic.Int64 // clients, over all streams
	lag   atomic.Int64 // bytes that laggards alone keep
	stats counters

	mu      sync.Mutex // guards the next four
	streams map[string]*Stream
	timing  bool // keepTime runs
	stopped bool
	poller  *poller // nil: the portable form only; set before the first client comes

	watchMu  sync.Mutex // guards watching
	watching map[*client]struct{}

	relieveMu sync.Mutex // one cut for memory at a time
}

// New returns a hub. It starts nothing until the first client comes; Stop ends
// what was started.
func New(opts Options) *Hub {
	opts = opts.withDefaults()
	h := &Hub{
		opts:     opts,
		log:      opts.Logger,
		start:    time.Now(),
		wheel:    newWheel(tickFor(opts.Ping, opts.Timeout, opts.Stall, opts.CloseWait), max(opts.Ping, opts.Timeout)),
		quit:     make(chan struct{}),
		streams:  map[string]*Stream{},
		watching: map[*client]struct{}{},
	}
	h.attempts.New = func() any { return newAttempt() }
	h.batches.New = func() any { return &batch{} }
	h.inbounds.New = func() any { return &inbound{limit: opts.MaxMessage} }
	return h
}

// now is the time since New in nanoseconds, monotonic.
func (h *Hub) now() int64 { return int64(time.Since(h.start)) }

func (h *Hub) attempt() *attempt { return h.attempts.Get().(*attempt) }

func (h *Hub) release(a *attempt) {
	a.reset()
	h.attempts.Put(a)
}

// Stream opens the stream of an instance: the same one for the same ID, until
// Forget.
func (h *Hub) Stream(instanceID string) *Stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.streams[instanceID]
	if s == nil {
		s = &Stream{hub: h, id: instanceID}
		h.streams[instanceID] = s
	}
	return s
}

// lookup returns the stream of an instance, nil if it was never opened.
func (h *Hub) lookup(instanceID string) *Stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.streams[instanceID]
}

func (h *Hub) allStreams() []*Stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*Stream, 0, len(h.streams))
	for _, s := range h.streams {
		all = append(all, s)
	}
	return all
}

// Count returns how many clients are connected to the instance.
func (h *Hub) Count(instanceID string) int {
	if s := h.lookup(instanceID); s != nil {
		return int(s.count.Load())
	}
	return 0
}

// Full reports that the instance has as many clients as Options.MaxClients
// allows.
func (h *Hub) Full(instanceID string) bool {
	return h.opts.MaxClients > 0 && h.Count(instanceID) >= h.opts.MaxClients
}

// Client describes one connection.
type Client struct {
	ID            string // UUID version 7
	RemoteAddress string
	UserAgent     string
	TokenType     string // account or instance
	ConnectedAt   time.Time
	FramesSent    int64
	BytesSent     int64
	Pending       int // events that wait for this client
}

// Clients lists the connections of an instance in the order in which they were
// opened.
func (h *Hub) Clients(instanceID string) []Client {
	s := h.lookup(instanceID)
	if s == nil {
		return nil
	}
	clients, head := s.snapshot()
	list := make([]Client, 0, len(clients))
	for _, c := range clients {
		list = append(list, Client{
			ID: c.id.String(), RemoteAddress: c.by.address, UserAgent: c.by.agent.Value(), TokenType: c.by.token.Value().kind,
			ConnectedAt: time.Unix(c.id.Time().UnixTime()).UTC(), FramesSent: c.frames.Load(), BytesSent: c.bytes.Load(),
			Pending: int(c.waiting(head)),
		})
	}
	return sorted(list)
}

// Close closes one connection of an instance, or all for an empty clientID, and
// returns how many there were.
func (h *Hub) Close(instanceID, clientID string, code int) int {
	s := h.lookup(instanceID)
	if s == nil {
		return 0
	}
	return s.closeIf(code, func(c *client) bool { return clientID == "" || c.id.String() == clientID })
}

// CloseToken closes what was opened with a token, by its ID, and returns how
// many connections there were.
func (h *Hub) CloseToken(tokenID string, code int) int {
	return h.closeIf(code, func(c *client) bool { return c.by.token.Value().id == tokenID })
}

// CloseAccount closes what an account opened with its own token or those of its
// instances, and returns how many connections there were.
func (h *Hub) CloseAccount(accountID string, code int) int {
	return h.closeIf(code, func(c *client) bool { return c.by.token.Value().account == accountID })
}

func (h *Hub) closeIf(code int, match func(*client) bool) int {
	n := 0
	for _, s := range h.allStreams() {
		n += s.closeIf(code, match)
	}
	return n
}

func (s *Stream) closeIf(code int, match func(*client) bool) int {
	n := 0
	clients, _ := s.snapshot()
	for _, c := range clients {
		if match(c) && c.close(code) {
			n++
		}
	}
	return n
}

// Forget closes every connection of a deleted instance with CloseDeleted and
// lets go of its stream.
func (h *Hub) Forget(instanceID string) {
	h.mu.Lock()
	s := h.streams[instanceID]
	delete(h.streams, instanceID)
	h.mu.Unlock()
	if s != nil {
		s.closeIf(CloseDeleted, func(*client) bool { return true })
	}
}

// Stop refuses new clients, closes those that are connected with CloseShutdown
// and waits until all have gone, no longer than Options.CloseWait or ctx allow;
// who has not gone by then is dropped.
func (h *Hub) Stop(ctx context.Context) error {
	h.mu.Lock()
	first := !h.stopped
	h.stopped = true
	if first {
		h.wg.Add(1) // for lastOrders, before any other Stop can wait
	}
	h.mu.Unlock()
	for _, s := range h.allStreams() {
		s.closeIf(CloseShutdown, func(*client) bool { return true })
	}
	if first {
		go func() {
			defer h.wg.Done()
			h.lastOrders(ctx)
		}()
	}
	h.wg.Wait()
	return nil
}

// lingerCheck is how often Stop looks whether everybody has gone.
const lingerCheck = 5 * time.Millisecond

// lastOrders ends keepTime and the poller once all clients have gone, dropping them when ctx
// is over. Those that linger longer than CloseWait are dropped by keepTime.
func (h *Hub) lastOrders(ctx context.Context) {
	defer h.stopPoller()
	defer close(h.quit)
	t := time.NewTicker(lingerCheck)
	defer t.Stop()
	for {
		lingering := h.watched()
		if len(lingering) == 0 && h.total.Load() == 0 {
			return
		}
		if ctx.Err() != nil {
			for _, c := range lingering {
				h.drop(c, "shutdown is over")
			}
		}
		<-t.C
	}
}

// cut closes a client that is too slow, alone.
func (h *Hub) cut(c *client) {
	if c.close(CloseSlow) {
		h.stats.slow.Add(1)
		h.log.Warn("WebSocket client cut: too slow", "instance_id", c.stream.id, "client_id", c.id)
	}
}

// drop ends a connection without a close frame.
func (h *Hub) drop(c *client, why string) {
	if c.become(dropped) {
		h.stats.dropped.Add(1)
		h.log.Debug("WebSocket client dropped", "instance_id", c.stream.id, "client_id", c.id, "reason", why)
		c.tr.abort()
	}
}

// forget is the end of a client: its reader has returned.
func (h *Hub) forget(c *client) {
	c.mu.Lock()
	c.gone = true // first: nobody looks for frames of a client that left its stream
	c.mu.Unlock()
	c.stream.remove(c)
	h.wheel.remove(c)
	h.watchMu.Lock()
	c.ended = true
	delete(h.watching, c)
	h.watchMu.Unlock()
	if c.tr != nil {
		c.tr.close()
	}
	h.log.Debug("WebSocket client gone", "instance_id", c.stream.id, "client_id", c.id)
}

// watch makes keepTime look at the client at every tick.
func (h *Hub) watch(c *client) {
	h.watchMu.Lock()
	defer h.watchMu.Unlock()
	if !c.ended {
		h.watching[c] = struct{}{}
	}
}

// unwatch ends that for a client that is neither behind nor closing.
func (h *Hub) unwatch(c *client) {
	h.watchMu.Lock()
	defer h.watchMu.Unlock()
	if c.lags.Load() == 0 && c.deadline.Load() == 0 {
		delete(h.watching, c)
	}
}

func (h *Hub) watched() []*client {
	h.watchMu.Lock()
	defer h.watchMu.Unlock()
	list := make([]*client, 0, len(h.watching))
	for c := range h.watching {
		list = append(list, c)
	}
	return list
}

// relieve cuts clients, the one that holds most first, until laggards keep no
// more than Options.LagMemory.
func (h *Hub) relieve() {
	if h.lag.Load() <= h.opts.LagMemory {
		return
	}
	h.relieveMu.Lock()
	defer h.relieveMu.Unlock()
	for h.lag.Load() > h.opts.LagMemory {
		c := h.heaviest()
		if c == nil {
			return
		}
		h.cut(c)
		c.stream.trimmed()
	}
}

func (h *Hub) heaviest() *client {
	var worst *client
	var most int64
	for _, c := range h.watched() {
		if held := c.stream.holds(c); held > most {
			worst, most = c, held
		}
	}
	return worst
}
