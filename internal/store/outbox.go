package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/store/sqlgen"
	"github.com/chasqui/chasqui/internal/webhook"
)

// outbox writes what the recorded events of one instance leave for its
// webhooks, in the transaction that records them.
type outbox struct {
	db         *DB
	q          *sqlgen.Queries
	instanceID string
	out        dispatch.Outbox
	now        time.Time
	scratch    []byte // of the encoder
	// queues says whether something of the instance waits for a file, which
	// later events of the same chat have to wait behind. It is asked once.
	queues  bool
	asked   bool
	touched []string // webhooks with something new in their line
}

// leave writes the deliveries of the events that have a sequence.
func (o *outbox) leave(ctx context.Context, items []dispatch.Item, events []*event.Event) error {
	for i, e := range events {
		if e == nil || e.Sequence == 0 {
			continue
		}
		if err := o.leaveOne(ctx, &items[i], e); err != nil {
			return err
		}
	}
	for _, id := range o.touched {
		if err := o.q.WakeLine(ctx, sqlgen.WakeLineParams{Now: fromTime(o.now), ID: id}); err != nil {
			return err
		}
	}
	if len(o.touched) > 0 && o.out.Due != nil {
		o.out.Due(o.touched)
	}
	return nil
}

// leaveOne writes an event's bodies, one per variant, and its deliveries.
func (o *outbox) leaveOne(ctx context.Context, item *dispatch.Item, e *event.Event) error {
	withFile := item.Media != nil && e.Type() == event.TypeMessage
	var plain, full []*webhook.Hook
	for i := range o.out.Hooks {
		h := &o.out.Hooks[i]
		switch {
		case !h.Filter.Allows(e.Type()):
		case h.Base64 && withFile:
			full = append(full, h)
		default:
			plain = append(plain, h)
		}
	}
	if len(plain)+len(full) == 0 {
		return nil
	}
	var err error
	if o.scratch, err = o.out.Encode(o.scratch[:0], e); err != nil {
		// It could never be sent. To fail would have WhatsApp send the message
		// again and again.
		o.db.log.Error("an event cannot be encoded for its webhooks",
			"instance_id", o.instanceID, "event_id", e.ID, "error", err)
		return nil
	}
	if err := o.leaveVariant(ctx, e, plain, nil); err != nil {
		return err
	}
	return o.leaveVariant(ctx, e, full, item)
}

// leaveVariant writes one body, and a delivery of it for each of the hooks. The
// body waits for the file of item unless that is nil.
func (o *outbox) leaveVariant(ctx context.Context, e *event.Event, hooks []*webhook.Hook, item *dispatch.Item) error {
	if len(hooks) == 0 {
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	key := bodyKey{o.instanceID, id.String()}
	if item == nil {
		err = o.createBody(ctx, key, len(hooks), e)
	} else {
		err = o.createUnfilled(ctx, key, len(hooks), e, item)
	}
	if err != nil {
		return err
	}
	for _, h := range hooks {
		if err := o.createDelivery(ctx, h, e, key, item != nil); err != nil {
			return err
		}
	}
	return nil
}

func (o *outbox) createBody(ctx context.Context, k bodyKey, refs int, e *event.Event) error {
	body := sqlgen.CreateBodyParams{
		InstanceID: k.instanceID, ID: k.id, Refs: int64(refs), Filled: true,
		Size: int64(len(o.scratch)), CreatedAt: fromTime(e.Timestamp),
	}
	if len(o.scratch) <= webhook.InlineBody {
		body.Body = o.db.box.Seal(o.scratch, k.place())
		return o.q.CreateBody(ctx, body)
	}
	body.Fill = uuid.NewString()
	if err := o.q.CreateBody(ctx, body); err != nil {
		return err
	}
	for n, rest := int64(0), o.scratch; len(rest) > 0; n++ {
		piece := rest[:min(len(rest), chunkSize)]
		rest = rest[len(piece):]
		err := o.q.CreateChunk(ctx, sqlgen.CreateChunkParams{
			InstanceID: k.instanceID, BodyID: k.id, Fill: body.Fill, N: n,
			Chunk: o.db.box.Seal(piece, k.chunkPlace(body.Fill, n)),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *outbox) createUnfilled(ctx context.Context, k bodyKey, refs int, e *event.Event, item *dispatch.Item) error {
	from := source{Ref: *item.Media}
	if m := item.Message; m != nil {
		from.Message = media.Key{ChatKey: m.ChatKey, SenderKey: m.SenderKey, MessageID: m.ID}
	}
	text, err := json.Marshal(from)
	if err != nil {
		return fmt.Errorf("source of webhook body %s: %w", k, err)
	}
	return o.q.CreateBody(ctx, sqlgen.CreateBodyParams{
		InstanceID: k.instanceID, ID: k.id, Refs: int64(refs), Size: int64(len(o.scratch)),
		Body: o.db.box.Seal(o.scratch, k.place()), Source: o.db.box.Seal(text, k.sourcePlace()),
		CreatedAt: fromTime(e.Timestamp),
	})
}

func (o *outbox) createDelivery(ctx context.Context, h *webhook.Hook, e *event.Event, body bodyKey, unfilled bool) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	chat, waiting, err := o.place(ctx, h, e, unfilled)
	if err != nil {
		return err
	}
	if !waiting && !slices.Contains(o.touched, h.ID) {
		o.touched = append(o.touched, h.ID)
	}
	return o.q.CreateDelivery(ctx, sqlgen.CreateDeliveryParams{
		InstanceID: o.instanceID, ID: id.String(), WebhookID: h.ID, Generation: h.Generation,
		BodyID: body.id, Event: string(e.Type()), EventID: e.ID, Sequence: e.Sequence,
		ChatKey: chat, Waiting: waiting, CreatedAt: fromTime(e.Timestamp),
	})
}

// place says whether a delivery has to wait, and in which chat: for its own
// body, or behind one of the same chat that does. As for the WebSocket, what
// waits may have begun before the chat's number was known.
func (o *outbox) place(ctx context.Context, h *webhook.Hook, e *event.Event, unfilled bool) (chat string, waiting bool, err error) {
	c := chatOf(e)
	if c == nil {
		return "", false, nil
	}
	if err := o.lookForQueues(ctx); err != nil {
		return "", false, err
	}
	if o.queues {
		for _, key := range chatKeys(c) {
			ids, err := o.q.WaitingInChat(ctx, sqlgen.WaitingInChatParams{WebhookID: h.ID, ChatKey: key})
			if err != nil || len(ids) > 0 {
				return key, true, err
			}
		}
	}
	if !unfilled {
		return "", false, nil
	}
	o.queues = true
	o.db.waited.Store(true)
	return chatKeys(c)[0], true, nil
}

func (o *outbox) lookForQueues(ctx context.Context) error {
	if o.asked || !o.db.waited.Load() {
		return nil
	}
	ids, err := o.q.AnyWaiting(ctx, o.instanceID)
	o.asked, o.queues = true, len(ids) > 0
	return err
}

// chatOf is the chat whose order an event keeps, nil if none: only messages and
// their receipts wait for one another.
func chatOf(e *event.Event) *event.Chat {
	switch data := e.Data.(type) {
	case *event.Message:
		return &data.Body.Chat
	case *event.Status:
		return &data.Chat
	}
	return nil
}

// chatKeys are the names under which a chat may wait: its JID, and its LID,
// which is all that is known at first. The first is the one to use.
func chatKeys(c *event.Chat) []string {
	var keys []string
	for _, key := range []*string{c.JID, c.LID} {
		if key != nil {
			keys = append(keys, *key)
		}
	}
	if len(keys) == 0 {
		return []string{""}
	}
	return keys
}
