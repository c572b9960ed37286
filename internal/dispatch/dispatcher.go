package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/webhook"
)

// Dispatcher records events and hands them on.
type Dispatcher struct {
	store   Store
	streams Streams
	files   media.Files
	opts    Options
	memory  *media.Budget // for frames with a file, while they are made
	log     *slog.Logger
	ids     eventIDs

	recorded, handedOn atomic.Int64

	waits sync.WaitGroup // chats that wait for media

	mu       sync.RWMutex // guards the rest
	channels map[string]*channel
	stopped  bool
}

// New returns a dispatcher; Stop releases what it started.
func New(store Store, streams Streams, files media.Files, opts Options) *Dispatcher {
	opts = opts.withDefaults()
	return &Dispatcher{
		store: store, streams: streams, files: files, opts: opts,
		memory: opts.Memory, log: opts.Logger,
		channels: map[string]*channel{},
	}
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.BaseURL == nil {
		o.BaseURL = func() string { return "" }
	}
	if o.MediaWait <= 0 {
		o.MediaWait = 15 * time.Second
	}
	if o.MediaMax <= 0 {
		o.MediaMax = 16 << 20
	}
	if o.Memory == nil {
		o.Memory = media.NewBudget(128 << 20)
	}
	return o
}

var errUnknownInstance = errors.New("dispatch: the instance is not open")

// Open makes an instance known, or changes its origin. It must come before the
// first Publish.
func (d *Dispatcher) Open(ctx context.Context, o Origin) error {
	if ch := d.channel(o.InstanceID); ch != nil {
		ch.origin.Store(&o)
		return nil
	}
	ws, _, err := d.store.GetWebSocket(ctx, o.InstanceID)
	if err != nil {
		return fmt.Errorf("read the WebSocket configuration of instance %s: %w", o.InstanceID, err)
	}
	hooks, err := d.store.ListWebhooks(ctx, o.InstanceID)
	if err != nil {
		return fmt.Errorf("read the webhooks of instance %s: %w", o.InstanceID, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	ch := d.channels[o.InstanceID]
	if ch == nil {
		ch = newChannel(d, o.InstanceID, d.streams.Stream(o.InstanceID))
		ch.apply(ws)
		ch.hooks = webhook.HooksOf(hooks)
		ch.closed = d.stopped
		d.channels[o.InstanceID] = ch
	}
	ch.origin.Store(&o)
	return nil
}

// Close forgets an instance. What waits for media goes out without it.
func (d *Dispatcher) Close(instanceID string) {
	d.mu.Lock()
	ch := d.channels[instanceID]
	delete(d.channels, instanceID)
	d.mu.Unlock()
	if ch != nil {
		ch.stopWaiting()
	}
}

// Stop ends the waits for media and returns when nothing runs any more, or with
// the context's error when that is over first. What is published afterwards is
// recorded, and goes out without waiting for media.
func (d *Dispatcher) Stop(ctx context.Context) error {
	d.mu.Lock()
	d.stopped = true
	channels := make([]*channel, 0, len(d.channels))
	for _, ch := range d.channels {
		channels = append(channels, ch)
	}
	d.mu.Unlock()
	for _, ch := range channels {
		ch.stopWaiting()
	}
	done := make(chan struct{})
	go func() {
		d.waits.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop waiting for media: %w", ctx.Err())
	}
}

func (d *Dispatcher) channel(instanceID string) *channel {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.channels[instanceID]
}

// Publish numbers and records the items of one instance and hands the events
// on. When it returns nil they are committed; the live side is not waited for.
// Calls for one instance are taken one after the other.
func (d *Dispatcher) Publish(ctx context.Context, instanceID string, items ...Item) error {
	ch := d.channel(instanceID)
	if ch == nil {
		return fmt.Errorf("%w: %s", errUnknownInstance, instanceID)
	}
	return ch.publish(ctx, items)
}

// PublishState publishes a state event; it implements instance.Publisher.
func (d *Dispatcher) PublishState(ctx context.Context, instanceID string, s *event.State) error {
	return d.Publish(ctx, instanceID, Item{Data: s})
}

// Produced returns how many events were recorded and how many were handed to a
// stream with clients, since start.
func (d *Dispatcher) Produced() (recorded, handedOn int64) {
	return d.recorded.Load(), d.handedOn.Load()
}

// WebSocket returns the stored configuration; found is false if there is none.
func (d *Dispatcher) WebSocket(ctx context.Context, instanceID string) (ws WebSocket, found bool, err error) {
	ws, found, err = d.store.GetWebSocket(ctx, instanceID)
	if err != nil {
		return WebSocket{}, false, fault.Wrap(fault.Internal, "Failed to get websocket configuration", err)
	}
	if ws.Events == nil {
		ws.Events = []event.Type{}
	}
	return ws, found, nil
}

// SetWebSocket stores the configuration and puts it in force for the next
// event. It returns it as persisted: event names in order without repeats, and
// no more than the switch when it is off. An unknown event name is an invalid
// body; when storing fails the old configuration stays in force.
func (d *Dispatcher) SetWebSocket(ctx context.Context, instanceID string, ws WebSocket) (WebSocket, error) {
	ws, err := ws.normal()
	if err != nil {
		return WebSocket{}, err
	}
	ch := d.channel(instanceID)
	if ch == nil {
		return WebSocket{}, fault.InstanceNotFound()
	}
	ch.setting.Lock()
	defer ch.setting.Unlock()
	if err := d.store.PutWebSocket(ctx, instanceID, ws); err != nil {
		return WebSocket{}, fault.Wrap(fault.Internal, "Failed to save websocket configuration", err)
	}
	ch.apply(ws)
	return ws, nil
}

// ChangeHooks runs change between two events of the instance and puts the hooks
// that it returns in force, so that what change stored holds for exactly the
// events after it. If change fails the hooks stay. An instance that is not open
// is Instance not found.
func (d *Dispatcher) ChangeHooks(instanceID string, change func() ([]webhook.Hook, error)) error {
	ch := d.channel(instanceID)
	if ch == nil {
		return fault.InstanceNotFound()
	}
	ch.order.Lock()
	defer ch.order.Unlock()
	hooks, err := change()
	if err != nil {
		return err
	}
	ch.hooks = hooks
	return nil
}

// normal checks a configuration and brings it into the form in which it is
// stored.
func (ws WebSocket) normal() (WebSocket, error) {
	var unknown []fault.Detail
	names := make([]event.Type, 0, len(ws.Events))
	seen := event.Filter(0)
	for i, t := range ws.Events {
		switch {
		case !t.Valid():
			unknown = append(unknown, fault.Detail{
				Field:  fmt.Sprintf("events[%d]", i),
				Reason: "must be one of " + event.AllowedNames(),
			})
		case !seen.Allows(t):
			seen |= event.FilterOf([]event.Type{t})
			names = append(names, t)
		}
	}
	if len(unknown) > 0 {
		return WebSocket{}, fault.InvalidBody(unknown...)
	}
	if !ws.Enabled {
		return WebSocket{Events: []event.Type{}}, nil
	}
	ws.Events = names
	return ws, nil
}
