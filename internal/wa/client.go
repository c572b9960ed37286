package wa

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/wa/waconv"
	"github.com/chasqui/chasqui/internal/wa/walog"
)

// client is one instance's connection: a whatsmeow client and what the gateway
// adds to it. Locks, outermost first: dialing, recording, signalling, mu. The
// gate is independent of them.
type client struct {
	engine *Engine
	spec   instance.Spec
	log    *slog.Logger
	wm     *whatsmeow.Client
	gate   gate

	life context.Context // ends with Close; carries the library's context logger
	end  context.CancelFunc
	work sync.WaitGroup // handlers and goroutines in progress

	dialing   sync.Mutex    // one dial or close at a time; guards givenUp
	givenUp   chan struct{} // closed when a dial that was given up has ended; nil if none was
	recording sync.Mutex    // orders converting and publishing
	signals   outlet
	uploads   uploads

	mu       sync.Mutex // guards the fields below
	closed   bool
	wanted   bool               // the supervisor wants a connection
	hangUp   context.CancelFunc // ends the connection in use or being dialled
	calling  bool               // a dial is in progress; the library blocks meanwhile
	online   bool               // logged in, as far as noticed
	pairing  chan struct{}      // closed when the library is done with a pairing; nil outside one
	settings instance.Settings
	presence string // available or unavailable, as sent last
	typists  int    // sends that are showing typing
	self     identity
	sends    map[string]chan struct{}
	groups   map[types.JID]waconv.Group
	waiting  map[types.MessageID]*missing
	burst    burst
	chores   chores
	trouble  trouble
	labels   labelState
	phone    time.Time // the newest sign of life told
}

var _ instance.Client = (*client)(nil)

func newClient(e *Engine, spec instance.Spec, device *store.Device, signal func(instance.Signal)) (*client, error) {
	life, end := context.WithCancel(context.Background()) //nolint:forbidigo // a client outlives the call that opens it; Close ends it
	log := e.log.With("instance", spec.Name)
	c := &client{
		engine: e, spec: spec, log: log,
		life: walog.Context(life, log), end: end,
		settings: spec.Settings, presence: string(types.PresenceUnavailable), self: identityOf(device),
		labels: labelState{stale: e.opts.Unclean && device.ID != nil},
	}
	c.signals.deliver = signal
	c.gate.guard(device)
	c.wm = whatsmeow.NewClient(device, walog.New(log, c.overhear))
	c.configure()
	if err := c.useProxy(spec.ProxyURL); err != nil {
		end()
		return nil, err
	}
	return c, nil
}

// configure sets the library's switches; the reasons stand beside each.
func (c *client) configure() {
	wm := c.wm
	wm.EnableAutoReconnect = false         // the supervisor reconnects
	wm.DisableLoginAutoReconnect = true    // after pairing we do, and tell when it fails
	wm.SynchronousAck = true               // acknowledge what is recorded, not before
	wm.EnableDecryptedEventBuffer = true   // a repeated message can be decrypted again
	wm.UseRetryMessageStore = true         // answer retry receipts after a restart
	wm.ManualHistorySyncDownload = true    // bounded here, and dropped when off
	wm.EmitAppStateEventsOnFullSync = true // labels read whole are compared
	wm.AutomaticMessageRerequestFromPhone = true
	wm.SetMaxParallelRetryReceiptHandling(1) // each one encrypts
	wm.QRClientType = pairClientType
	wm.GetClientPayload = c.payload
	wm.BackgroundEventCtx = c.life
	wm.AddEventHandlerWithSuccessStatus(c.handle)
}

// overhear counts what the library only logs: messages dropped because their
// Signal counter was used already. What is no trouble at all it keeps out of
// the log, and so what the library's goroutines complain of after Close.
func (c *client) overhear(_ string, args []any) (drop bool) {
	if c.life.Err() != nil {
		return true
	}
	for _, arg := range args {
		err, ok := arg.(error)
		switch {
		case !ok:
		case errors.Is(err, errWiped), errors.Is(err, context.Canceled): // we ended it ourselves
			return true
		case errors.Is(err, whatsmeow.ErrNotConnected): // the end of a connection is told by a signal
			return true
		case errors.Is(err, signalerror.ErrOldCounter):
			c.engine.stats.oldCounters.Add(1)
			return false
		}
	}
	return false
}

// enter admits a handler or goroutine unless the client is closed; leave with
// c.work.Done.
func (c *client) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.work.Add(1)
	return true
}

// spawn runs f beside the caller; Close ends its context and waits for it.
func (c *client) spawn(f func(ctx context.Context)) {
	if !c.enter() {
		return
	}
	go func() {
		defer c.work.Done()
		f(c.life)
	}()
}

// loggedIn does not ask the library, which would wait for a dial in progress.
func (c *client) loggedIn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.online
}

func (c *client) setOnline(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.online = on && c.wanted
}

// replaced reports whether another connection took the place of one that ended.
func (c *client) replaced() bool {
	c.mu.Lock()
	calling := c.calling
	c.mu.Unlock()
	return calling || c.wm.IsConnected()
}

// Connect implements instance.Client.
func (c *client) Connect(ctx context.Context) error {
	if checkRoot(c.engine.sandbox != nil) != nil {
		return errRootChanged
	}
	c.mu.Lock()
	c.wanted = true
	c.mu.Unlock()
	c.signals.open()
	return c.dial(ctx)
}

// handshakeGrace is how long a dial that nobody wants any more may go on. The
// library waits 20 s for the answer to its handshake, even when the connection
// has ended (whatsmeow: handshake.go/doHandshake). So hanging up in the middle
// takes longer than to let a server answer that does.
const handshakeGrace = time.Second

// dial connects unless the connection is up or no longer wanted. ctx bounds the
// dial only; the connection lives until it is hung up.
func (c *client) dial(ctx context.Context) error {
	c.dialing.Lock()
	defer c.dialing.Unlock()
	if !c.dialGivenUp() && c.wm.IsConnected() {
		return nil
	}
	conn, hangUp := context.WithCancel(c.life)
	if !c.claimLine(hangUp) {
		hangUp()
		return context.Canceled
	}
	stop := context.AfterFunc(ctx, hangUp)
	err := c.connect(conn)
	c.mu.Lock()
	c.calling = false
	c.mu.Unlock()
	if !stop() && err == nil {
		c.wm.Disconnect()
		err = context.Cause(ctx)
	}
	if err != nil {
		hangUp()
		return fmt.Errorf("wa: connect: %w", err)
	}
	return nil
}

// connect runs the library's dial, and gives it up when conn ends. The library
// does not notice that while it waits for the server's handshake: it holds its
// socket lock until the answer is 20 s late (handshake.go/doHandshake). So a
// dial that was given up goes on alone; it has a dead connection and ends by
// itself. The caller holds dialing.
func (c *client) connect(conn context.Context) error {
	if c.givenUp != nil {
		select {
		case <-c.givenUp:
			c.givenUp = nil
		case <-conn.Done():
			return context.Cause(conn)
		}
	}
	var err error
	done := make(chan struct{})
	go func() { // nobody can wait for it longer than conn lives; see above
		defer close(done)
		err = c.wm.ConnectContext(conn)
	}()
	select {
	case <-done:
		return err
	case <-conn.Done():
		c.givenUp = done
		return context.Cause(conn)
	}
}

// dialGivenUp reports whether a dial that was given up still holds the
// library's socket lock. The caller holds dialing.
func (c *client) dialGivenUp() bool {
	select {
	case <-c.givenUp:
		c.givenUp = nil
	default:
	}
	return c.givenUp != nil
}

// claimLine makes hangUp the way to end the connection, and forgets what
// troubled the one before. False: nobody wants a connection any more.
func (c *client) claimLine(hangUp context.CancelFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wanted || c.closed {
		return false
	}
	if c.hangUp != nil {
		c.hangUp()
	}
	c.hangUp, c.calling, c.online = hangUp, true, false
	c.trouble.refusing, c.trouble.reason = false, ""
	c.pairing = nil
	if c.self.device.IsEmpty() {
		c.pairing = make(chan struct{})
	}
	return true
}

// relogin connects again after pairing, when WhatsApp asks for it (stream error
// 515). The library could do it, but would not say when it fails. WhatsApp may
// ask before the library has noticed that its confirmation is out: closing the
// connection then would spoil the pairing.
func (c *client) relogin(ctx context.Context) {
	c.mu.Lock()
	pairing := c.pairing
	c.mu.Unlock()
	if pairing != nil {
		select {
		case <-pairing:
		case <-ctx.Done():
			return
		}
	}
	c.dialing.Lock()
	c.wm.Disconnect()
	c.dialing.Unlock()
	if err := c.dial(ctx); err != nil && !errors.Is(err, context.Canceled) {
		c.log.Warn("the login after pairing failed", "error", err)
		c.signal(instance.Signal{Kind: instance.SignalDisconnected, Reason: fault.ReasonOr(err, "WhatsApp could not be reached")})
	}
}

// pairingEnded tells relogin that the connection may be closed.
func (c *client) pairingEnded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pairing != nil {
		close(c.pairing)
		c.pairing = nil
	}
}

// Disconnect implements instance.Client. It must not be called from within the
// signal callback.
func (c *client) Disconnect() {
	c.mu.Lock()
	c.wanted, c.online = false, false
	hangUp, calling := c.hangUp, c.calling
	c.hangUp = nil
	c.presence = string(types.PresenceUnavailable)
	c.mu.Unlock()
	c.signals.shut()
	if calling { // the dial holds the lock below
		defer time.AfterFunc(handshakeGrace, hangUp).Stop()
	}
	c.dialing.Lock()
	if !c.dialGivenUp() {
		c.wm.Disconnect()
	}
	c.dialing.Unlock()
	if hangUp != nil {
		hangUp()
	}
}

// Close implements instance.Client.
func (c *client) Close() {
	c.Disconnect()
	c.flushWaiting()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.work.Wait()
	c.engine.released(c)
}

// Logout implements instance.Client.
func (c *client) Logout(ctx context.Context) error {
	if !c.loggedIn() {
		return whatsmeow.ErrNotConnected
	}
	c.signals.shut()
	if err := c.wm.Logout(ctx); err != nil && !errors.Is(err, errWiped) {
		c.signals.open()
		return fmt.Errorf("wa: logout: %w", err)
	}
	c.setOnline(false)
	return nil
}

// PairPhone implements instance.Client.
func (c *client) PairPhone(ctx context.Context, number string) (string, error) {
	code, err := c.wm.PairPhone(ctx, number, true, pairClientType, pairClientName)
	if err != nil {
		return "", pairFault(err)
	}
	return code, nil
}

// SetProxy implements instance.Client.
func (c *client) SetProxy(proxyURL string) error {
	c.dialing.Lock()
	defer c.dialing.Unlock()
	if c.wm.IsConnected() {
		return errors.New("wa: the proxy can only be changed while disconnected")
	}
	return c.useProxy(proxyURL)
}

// AskPhone implements instance.Client: it asks for the app state key that the
// phone gave us last, which phones answer by themselves.
func (c *client) AskPhone(ctx context.Context) error {
	key, err := c.wm.Store.AppStateKeys.GetLatestAppStateSyncKeyID(ctx)
	if err != nil {
		return fmt.Errorf("wa: app state key: %w", err)
	}
	if len(key) == 0 {
		return errors.New("wa: the phone has not shared an app state key yet")
	}
	_, err = c.wm.SendPeerMessage(ctx, &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_REQUEST.Enum(),
		AppStateSyncKeyRequest: &waE2E.AppStateSyncKeyRequest{
			KeyIDs: []*waE2E.AppStateSyncKeyId{{KeyID: key}},
		},
	}})
	if err != nil {
		return fmt.Errorf("wa: ask the phone: %w", err)
	}
	return nil
}
