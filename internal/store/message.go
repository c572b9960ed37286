package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/internal/store/sqlgen"
)

// GetQuote implements message.Store. Of several messages with that ID it
// returns the newest. A placeholder has no Raw.
func (db *DB) GetQuote(ctx context.Context, instanceID, messageID string) (q message.Quote, found bool, err error) {
	row, err := db.read.GetQuote(ctx, sqlgen.GetQuoteParams{InstanceID: instanceID, MessageID: messageID})
	if errors.Is(err, sql.ErrNoRows) {
		return message.Quote{}, false, nil
	}
	if err != nil {
		return message.Quote{}, false, err
	}
	return message.Quote{
		MessageID:   row.MessageID,
		ChatJID:     row.ChatKey,
		Participant: row.SenderKey,
		FromMe:      row.FromMe,
		Raw:         row.Raw,
	}, true, nil
}

// MessageStatus returns how far a message got: server_error, delivered, read or
// played; empty without a receipt. found is false for an unknown message.
func (db *DB) MessageStatus(ctx context.Context, instanceID, chatKey, messageID string) (status string, found bool, err error) {
	rank, err := db.read.GetStatus(ctx, sqlgen.GetStatusParams{
		InstanceID: instanceID, MessageID: messageID, ChatKey: chatKey,
	})
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return statusNamed(rank), err == nil, err
}

// statusNamed undoes statusRank; empty without a receipt.
func statusNamed(rank int64) string {
	for name, r := range statusRank {
		if r == rank {
			return name
		}
	}
	return ""
}

// CountMessages returns how many messages of the instance are stored.
func (db *DB) CountMessages(ctx context.Context, instanceID string) (int64, error) {
	return db.read.CountMessages(ctx, instanceID)
}

// Name returns what somebody or some group was called last; empty if unknown.
func (db *DB) Name(ctx context.Context, instanceID, jid string) (string, error) {
	name, err := db.read.GetName(ctx, sqlgen.GetNameParams{InstanceID: instanceID, JID: jid})
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return name, err
}

// Labels returns the stored labels of the instance, deleted ones included, and
// then every assignment, removed ones (Labeled false) included.
func (db *DB) Labels(ctx context.Context, instanceID string) ([]dispatch.LabelRecord, error) {
	labels, err := db.read.ListLabels(ctx, instanceID)
	if err != nil {
		return nil, err
	}
	assignments, err := db.read.ListLabelAssignments(ctx, instanceID)
	if err != nil {
		return nil, err
	}
	list := make([]dispatch.LabelRecord, 0, len(labels)+len(assignments))
	for _, l := range labels {
		list = append(list, dispatch.LabelRecord{LabelID: l.LabelID, Name: l.Name, Color: int(l.Color), Deleted: l.Deleted})
	}
	for _, a := range assignments {
		list = append(list, dispatch.LabelRecord{
			LabelID: a.LabelID, ChatJID: a.ChatJID, MessageID: a.MessageID, Labeled: a.Labeled,
		})
	}
	return list, nil
}

// SweepMessages deletes at most step messages that were stored before that
// time, the oldest first, and returns how many.
func (db *DB) SweepMessages(ctx context.Context, before time.Time, step int) (n int64, err error) {
	err = db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		n, err = q.SweepMessages(ctx, sqlgen.SweepMessagesParams{Before: fromTime(before), Step: int32(step)})
		return err
	})
	return n, err
}
