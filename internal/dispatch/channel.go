package dispatch

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/webhook"
)

// channel is one instance: the order of its events, and what its WebSocket
// clients want.
type channel struct {
	d      *Dispatcher
	id     string
	stream Stream
	origin atomic.Pointer[Origin]
	wants  atomic.Pointer[wants]

	// setting makes storing a configuration and putting it in force one step,
	// so that concurrent sets end in one of them, whole.
	setting sync.Mutex
	// order makes recording, numbering and handing on one step. It is held
	// while the store works: that is what keeps events in order. It guards
	// hooks, so that a change of them falls between two events.
	order sync.Mutex
	hooks []webhook.Hook

	chatsMu sync.Mutex // guards the next two; taken within order
	chats   map[string]*waitingChat
	closed  bool
}

// wants is what the last enabled configuration lets through.
type wants struct {
	filter event.Filter
	base64 bool
}

func newChannel(d *Dispatcher, id string, s Stream) *channel {
	ch := &channel{d: d, id: id, stream: s, chats: map[string]*waitingChat{}}
	ch.wants.Store(&wants{})
	return ch
}

// apply puts a configuration in force from the next event on. Turning it off
// changes nothing for sockets that are open: they keep what they had.
func (ch *channel) apply(ws WebSocket) {
	if ws.Enabled {
		ch.wants.Store(&wants{filter: event.FilterOf(ws.Events), base64: ws.MediaBase64})
	}
}

func (ch *channel) publish(ctx context.Context, items []Item) error {
	ch.order.Lock()
	defer ch.order.Unlock()
	events, linked := ch.number(items)
	var due []string
	out := ch.outbox(func(webhookIDs []string) { due = webhookIDs })
	out.KeepMedia = slices.Contains(linked, true)
	if err := ch.d.store.Record(ctx, ch.id, items, events, out); err != nil {
		return err
	}
	for i, e := range events {
		if e == nil || e.Sequence == 0 {
			continue
		}
		ch.d.recorded.Add(1)
		ch.hand(ctx, e, &items[i])
	}
	ch.tellFollowers(items, events, linked, due)
	return nil
}

func (ch *channel) outbox(due func(webhookIDs []string)) Outbox {
	if len(ch.hooks) == 0 {
		return Outbox{}
	}
	o := ch.envelope()
	return Outbox{
		Hooks: ch.hooks, Due: due,
		Encode: func(dst []byte, e *event.Event) ([]byte, error) { return event.AppendEnvelope(dst, e, o) },
	}
}

// tellFollowers wakes those for whom the recorded events left work.
func (ch *channel) tellFollowers(items []Item, events []*event.Event, linked []bool, due []string) {
	f := ch.d.opts.Followers
	if len(due) > 0 && f.Deliveries != nil {
		f.Deliveries(due)
	}
	if f.Bodies != nil && ch.waits(items, events) {
		f.Bodies()
	}
	for i := range linked {
		if linked[i] && events[i].Sequence != 0 && f.Files != nil {
			f.Files(ch.id)
			return
		}
	}
}

// waits reports whether a body of the recorded events waits for its file.
func (ch *channel) waits(items []Item, events []*event.Event) bool {
	for i, e := range events {
		if e == nil || e.Sequence == 0 || items[i].Media == nil {
			continue
		}
		for _, h := range ch.hooks {
			if h.Base64 && h.Filter.Allows(e.Type()) {
				return true
			}
		}
	}
	return false
}

// number makes an event of each item that has one, and says which of them got a
// link into the instance's bucket. The store gives the sequence.
func (ch *channel) number(items []Item) (events []*event.Event, linked []bool) {
	events = make([]*event.Event, len(items))
	for i := range items {
		if items[i].Data == nil {
			continue
		}
		now := time.Now().UTC()
		e := &event.Event{ID: ch.d.ids.next(now), Timestamp: now, Data: items[i].Data}
		if url, ok := ch.link(&items[i]); ok {
			e = e.WithMedia(func(m *event.Media) { m.S3URL = url })
			if linked == nil {
				linked = make([]bool, len(items))
			}
			linked[i] = true
		}
		events[i] = e
	}
	return events, linked
}

// link is where the file of a message will be in the instance's bucket; ok is
// false if there is no file, or no bucket.
func (ch *channel) link(item *Item) (url string, ok bool) {
	m, isMessage := item.Data.(*event.Message)
	if ch.d.opts.Links == nil || !isMessage || m.Body.Media == nil || item.Media == nil || item.Message == nil {
		return "", false
	}
	return ch.d.opts.Links.Link(ch.id, item.Message.key(), *item.Media)
}

// hand gives a recorded event to the clients. With nobody connected, or nobody
// interested, nothing is serialised, downloaded or allocated.
func (ch *channel) hand(ctx context.Context, e *event.Event, item *Item) {
	if ch.stream.Idle() {
		return
	}
	w := ch.wants.Load()
	if !w.filter.Allows(e.Type()) {
		return
	}
	ch.d.handedOn.Add(1)
	if chat := chatOf(e); chat != nil {
		ch.inOrder(ctx, chat, e, item, w.base64)
		return
	}
	ch.send(e)
}

// send serialises the event, once, and hands it to the stream.
func (ch *channel) send(e *event.Event) {
	if err := ch.stream.Publish(ch.frame(e)); err != nil {
		ch.d.log.Error("an event could not be sent", "instance_id", ch.id, "event_id", e.ID, "error", err)
	}
}

// frame is what the stream needs to make an event's frame.
func (ch *channel) frame(e *event.Event) (size int, encode func(dst []byte) ([]byte, error)) {
	o := ch.envelope()
	return sizeHint(e), func(dst []byte) ([]byte, error) { return event.AppendEnvelope(dst, e, o) }
}

func (ch *channel) envelope() event.Origin {
	o := event.Origin{BaseURL: ch.d.opts.BaseURL()}
	if of := ch.origin.Load(); of != nil {
		o.Instance = of.Name
		if ch.d.opts.IncludeToken {
			o.Token = of.Token
		}
	}
	return o
}

// sizeHint is about how many bytes an event's envelope takes; enough for one
// with a file, so that what holds the file never has to grow.
func sizeHint(e *event.Event) int {
	const usual = 1 << 10
	m, ok := e.Data.(*event.Message)
	if !ok || m.Body.Media == nil || m.Body.Media.Base64 == nil {
		return usual
	}
	texts := len(m.Body.Media.Caption) + len(m.Body.Media.URL) + len(m.Body.Media.S3URL)
	if m.Body.Content != nil {
		texts += len(m.Body.Content.Text)
	}
	if m.Body.Reply != nil {
		texts += len(m.Body.Reply.Text)
	}
	return 4*usual + 2*texts + int(m.Body.Media.Base64.EncodedSize())
}
