package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/store/sqlgen"
)

// statusRank orders what a receipt can say; only a higher rank replaces a lower
// one. A status that is not here says nothing about how far a message got.
var statusRank = map[string]int64{"server_error": 1, "delivered": 2, "read": 3, "played": 4}

// Record implements dispatch.Store. Besides repeated messages it drops items
// whose label is stored already as it says, so that labels that are read again
// tell only what is new.
//
// When it fails nothing is recorded and every Sequence is still 0. If the
// instance is gone the error is Instance not found.
func (db *DB) Record(ctx context.Context, instanceID string, items []dispatch.Item, events []*event.Event, out dispatch.Outbox) error {
	if len(items) != len(events) {
		return fmt.Errorf("record %d items with %d events", len(items), len(events))
	}
	err := db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		if err := recordItems(ctx, q, instanceID, items, events); err != nil {
			return err
		}
		return db.leave(ctx, q, instanceID, items, events, out)
	})
	if err != nil {
		for _, e := range events {
			if e != nil {
				e.Sequence = 0
			}
		}
	}
	if errors.Is(err, errOrphan) {
		return fault.InstanceNotFound()
	}
	return err
}

// leave writes what the recorded events leave for others to work on.
func (db *DB) leave(
	ctx context.Context, q *sqlgen.Queries, instanceID string,
	items []dispatch.Item, events []*event.Event, out dispatch.Outbox,
) error {
	if len(out.Hooks) > 0 {
		o := outbox{db: db, q: q, instanceID: instanceID, out: out, now: db.now()}
		if err := o.leave(ctx, items, events); err != nil {
			return err
		}
	}
	if out.KeepMedia {
		return db.wantFiles(ctx, q, instanceID, items, events)
	}
	return nil
}

// recordItems stores the items and numbers the events of those that are news.
func recordItems(ctx context.Context, q *sqlgen.Queries, instanceID string, items []dispatch.Item, events []*event.Event) error {
	kept := make([]bool, len(items))
	var count int64
	for i := range items {
		var err error
		if kept[i], err = recordItem(ctx, q, instanceID, &items[i]); err != nil {
			return err
		}
		if kept[i] && events[i] != nil {
			count++
		}
	}
	last, err := takeSequence(ctx, q, instanceID, count)
	if err != nil {
		return err
	}
	next := last - count + 1
	for i, e := range events {
		if e != nil && kept[i] {
			e.Sequence = next
			next++
		}
	}
	return nil
}

// takeSequence takes count numbers and returns the last. It finds out that the
// instance is gone where no foreign key does.
func takeSequence(ctx context.Context, q *sqlgen.Queries, instanceID string, count int64) (int64, error) {
	last, err := q.TakeSequence(ctx, sqlgen.TakeSequenceParams{Count: count, ID: instanceID})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fault.InstanceNotFound()
	}
	return last, err
}

// recordItem stores one item and reports whether it is news.
func recordItem(ctx context.Context, q *sqlgen.Queries, instanceID string, item *dispatch.Item) (news bool, err error) {
	if item.Message != nil {
		if news, err = putMessage(ctx, q, instanceID, item.Message); err != nil || !news {
			return false, err
		}
	}
	if item.Label != nil {
		if news, err = putLabel(ctx, q, instanceID, item.Label); err != nil || !news {
			return false, err
		}
	}
	if item.Receipt != nil {
		if err := raiseStatus(ctx, q, instanceID, item.Receipt); err != nil {
			return false, err
		}
	}
	for _, n := range item.Names {
		if n.Name == "" {
			continue // a name that is not told does not erase one that was
		}
		err := q.PutName(ctx, sqlgen.PutNameParams{InstanceID: instanceID, JID: n.JID, Name: n.Name})
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

func putMessage(ctx context.Context, q *sqlgen.Queries, instanceID string, m *dispatch.MessageRecord) (news bool, err error) {
	if m.ChatLID != "" || m.SenderLID != "" {
		err := q.RekeyMessage(ctx, sqlgen.RekeyMessageParams{
			InstanceID: instanceID, MessageID: m.ID, ChatKey: m.ChatKey, SenderKey: m.SenderKey,
			ChatLID: cmp.Or(m.ChatLID, m.ChatKey), SenderLID: cmp.Or(m.SenderLID, m.SenderKey),
		})
		if err != nil {
			return false, err
		}
	}
	n, err := q.PutMessage(ctx, sqlgen.PutMessageParams{
		InstanceID:  instanceID,
		MessageID:   m.ID,
		ChatKey:     m.ChatKey,
		SenderKey:   m.SenderKey,
		FromMe:      m.FromMe,
		Kind:        m.Type,
		Body:        m.Text,
		Source:      m.Source,
		SentAt:      fromTime(m.Timestamp),
		StoredAt:    time.Now().UnixMilli(),
		Placeholder: m.Placeholder,
		Raw:         m.Raw,
	})
	return n > 0, err
}

func putLabel(ctx context.Context, q *sqlgen.Queries, instanceID string, l *dispatch.LabelRecord) (news bool, err error) {
	var n int64
	if l.ChatJID == "" {
		n, err = q.PutLabel(ctx, sqlgen.PutLabelParams{
			InstanceID: instanceID, LabelID: l.LabelID, Name: l.Name, Color: int64(l.Color), Deleted: l.Deleted,
		})
	} else {
		n, err = q.PutLabelAssignment(ctx, sqlgen.PutLabelAssignmentParams{
			InstanceID: instanceID, LabelID: l.LabelID, ChatJID: l.ChatJID, MessageID: l.MessageID, Labeled: l.Labeled,
		})
	}
	return n > 0, err
}

func raiseStatus(ctx context.Context, q *sqlgen.Queries, instanceID string, r *dispatch.ReceiptRecord) error {
	rank, ok := statusRank[r.Status]
	if !ok {
		return nil
	}
	for _, id := range r.MessageIDs {
		err := q.RaiseStatus(ctx, sqlgen.RaiseStatusParams{
			InstanceID: instanceID, MessageID: id, ChatKey: r.ChatKey, Status: rank, StatusAt: fromTime(r.At),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
