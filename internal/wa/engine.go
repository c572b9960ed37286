package wa

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"golang.org/x/sync/semaphore"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/internal/wa/walog"
)

// Devices keeps the logins and their cryptographic state. It is implemented by
// whatsmeow's sqlstore.Container.
type Devices interface {
	NewDevice() *store.Device
	// GetDevice returns nil without an error for an unknown device.
	GetDevice(ctx context.Context, jid types.JID) (*store.Device, error)
}

// Publisher records what happened on an instance and hands it on. When Publish
// returns nil the items are committed.
type Publisher interface {
	Publish(ctx context.Context, instanceID string, items ...dispatch.Item) error
}

// Names remembers what people and groups are called, across restarts.
type Names interface {
	// Name returns "" for an unknown JID.
	Name(ctx context.Context, instanceID, jid string) (string, error)
}

// Options tune the engine. The zero value is a live engine.
type Options struct {
	Logger *slog.Logger
	// HTTPClient makes the client that reaches the simulated network; it turns
	// the engine into a sandbox engine. Nil: the real WhatsApp.
	HTTPClient func() *http.Client
	// Version pins the web version ("2.3000.123"). Empty: the built-in one, or
	// what a VersionKeeper finds.
	Version string
	// ServerProxy is used where an instance has no proxy of its own. It may
	// hold credentials.
	ServerProxy string
	// DeviceName is what phones list the linked device as; default chasqui.
	DeviceName string
	// Names may be nil.
	Names Names
	// Messages finds polls again whose votes arrive; nil: votes show the hash
	// of each option instead of its name.
	Messages Messages
	// Labels returns the stored labels; nil: labels that ended while the
	// gateway was down are not told.
	Labels Labels
	// Unclean says that the process before this one did not stop cleanly: each
	// instance's labels are then read whole at its first connection.
	Unclean bool
	// PlaceholderWait is how long an undecryptable message may still come
	// before it is reported as unsupported; default 60 s.
	PlaceholderWait time.Duration
	// HistoryWorkers bounds the history downloads in progress; default 2.
	HistoryWorkers int
}

// Messages finds stored messages; message.Store has it too.
type Messages interface {
	GetQuote(ctx context.Context, instanceID, messageID string) (q message.Quote, found bool, err error)
}

// Labels reads the stored labels and their assignments.
type Labels interface {
	Labels(ctx context.Context, instanceID string) ([]dispatch.LabelRecord, error)
}

// Engine makes the clients of all instances. Its methods may be called from
// several goroutines.
type Engine struct {
	opts      Options
	devices   Devices
	publisher Publisher
	log       *slog.Logger
	sandbox   *http.Client      // nil: live
	direct    http.RoundTripper // shared by all live clients without a proxy
	version   versionSlot
	history   *semaphore.Weighted
	stats     counters

	mu      sync.RWMutex // guards clients
	clients map[string]*client
}

var (
	_ instance.Engine    = (*Engine)(nil)
	_ message.Transports = (*Engine)(nil)
	_ media.Source       = (*Engine)(nil)
)

// NewEngine returns an engine over the stored logins. It fails when the pinned
// version is malformed, and when a live engine is asked for in a sandbox
// process or the other way round.
func NewEngine(devices Devices, publisher Publisher, opts Options) (*Engine, error) {
	if err := claimMode(opts.HTTPClient != nil); err != nil {
		return nil, err
	}
	return newEngine(devices, publisher, opts)
}

// newEngine makes an engine of either kind, whatever the process trusts.
func newEngine(devices Devices, publisher Publisher, opts Options) (*Engine, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.DeviceName == "" {
		opts.DeviceName = "chasqui"
	}
	if opts.PlaceholderWait == 0 {
		opts.PlaceholderWait = time.Minute
	}
	if opts.HistoryWorkers == 0 {
		opts.HistoryWorkers = 2
	}
	walog.RouteSignal(opts.Logger)
	e := &Engine{
		opts: opts, devices: devices, publisher: publisher, log: opts.Logger,
		history: semaphore.NewWeighted(int64(opts.HistoryWorkers)),
		clients: make(map[string]*client),
		direct:  http.DefaultTransport.(*http.Transport).Clone(),
	}
	if opts.Version != "" {
		if err := e.version.pin(opts.Version); err != nil {
			return nil, fmt.Errorf("wa: version: %w", err)
		}
	}
	if opts.HTTPClient != nil {
		e.sandbox = opts.HTTPClient()
	}
	return e, nil
}

// Open implements instance.Engine.
func (e *Engine) Open(ctx context.Context, spec instance.Spec, signal func(instance.Signal)) (instance.Client, error) {
	if err := checkRoot(e.sandbox != nil); err != nil {
		return nil, errRootChanged
	}
	device, err := loadDevice(ctx, e.devices, spec.DeviceJID)
	if err != nil {
		return nil, err
	}
	c, err := newClient(e, spec, device, signal)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.clients[spec.ID] = c
	e.mu.Unlock()
	return c, nil
}

var errUnknownDevice = fmt.Errorf("wa: %w", instance.ErrLoginGone)

// loadDevice loads a stored login, or makes a new device for an empty address.
func loadDevice(ctx context.Context, devices Devices, jid string) (*store.Device, error) {
	if jid == "" {
		return devices.NewDevice(), nil
	}
	parsed, err := types.ParseJID(jid)
	if err != nil {
		return nil, fmt.Errorf("wa: device address: %w", err)
	}
	device, err := devices.GetDevice(ctx, parsed)
	if err != nil {
		return nil, fmt.Errorf("wa: load device: %w", err)
	}
	if device == nil {
		return nil, errUnknownDevice
	}
	return device, nil
}

// Forget implements instance.Engine.
func (e *Engine) Forget(ctx context.Context, deviceJID string) error {
	return Forget(ctx, e.devices, deviceJID)
}

// Forget removes a stored login without telling WhatsApp; it needs no engine,
// for work on a database that no server uses. An unknown device is no error.
func Forget(ctx context.Context, devices Devices, deviceJID string) error {
	device, err := loadDevice(ctx, devices, deviceJID)
	if errors.Is(err, errUnknownDevice) || (err == nil && device.ID == nil) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := device.Delete(ctx); err != nil {
		return fmt.Errorf("wa: forget device: %w", err)
	}
	return nil
}

// Transport implements message.Transports.
func (e *Engine) Transport(instanceID string) (message.Transport, bool) {
	c, ok := e.client(instanceID)
	if !ok || !c.loggedIn() {
		return nil, false
	}
	return c, true
}

// client returns the open client of an instance.
func (e *Engine) client(instanceID string) (*client, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	c, ok := e.clients[instanceID]
	return c, ok
}

// released forgets a closed client, unless another one was opened meanwhile.
func (e *Engine) released(c *client) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.clients[c.spec.ID] == c {
		delete(e.clients, c.spec.ID)
	}
}
