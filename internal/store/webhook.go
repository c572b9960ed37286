package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/store/sqlgen"
	"github.com/chasqui/chasqui/internal/webhook"
)

var (
	_ webhook.Store  = (*DB)(nil)
	_ webhook.Queue  = (*DB)(nil)
	_ webhook.Bodies = (*DB)(nil)
)

// buryStep is how many deliveries one transaction makes dead on the side.
const buryStep = 500

// ListWebhooks implements webhook.Store and dispatch.Store.
func (db *DB) ListWebhooks(ctx context.Context, instanceID string) ([]webhook.Webhook, error) {
	rows, err := db.read.ListWebhooks(ctx, instanceID)
	if err != nil {
		return nil, err
	}
	list := make([]webhook.Webhook, len(rows))
	for i := range rows {
		if list[i], err = db.toWebhook(&rows[i]); err != nil {
			return nil, err
		}
	}
	// Not in SQL: the order would depend on the dialect's collation.
	slices.SortFunc(list, func(a, b webhook.Webhook) int { return cmp.Compare(a.Label, b.Label) })
	return list, nil
}

// PutWebhook implements webhook.Store; Instance not found if that is gone. An
// enabled webhook whose first delivery waits for its next attempt makes that at
// once.
func (db *DB) PutWebhook(ctx context.Context, w webhook.Webhook) error {
	private, err := db.sealPrivate(&w)
	if err != nil {
		return err
	}
	err = db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		if err := q.PutWebhook(ctx, fromWebhook(&w, private)); err != nil {
			return err
		}
		l, err := db.line(ctx, q, w.ID, db.now())
		if err != nil {
			return err
		}
		if err := l.hastenFirst(ctx); err != nil {
			return err
		}
		if l.LeaseOwner == "" {
			return l.release(ctx)
		}
		_, err = l.bury(ctx, buryStep)
		return err
	})
	if errors.Is(err, errOrphan) {
		return fault.InstanceNotFound()
	}
	return err
}

// privates are the parts of a webhook that are sealed: the secrets, and what
// often holds one.
type privates struct {
	URL           string            `json:"url,omitempty"`
	Authorization *string           `json:"authorization,omitempty"`
	Secret        string            `json:"secret,omitempty"`
	OldSecret     string            `json:"oldSecret,omitempty"`
	Headers       map[string]string `json:"headers,omitempty"`
}

func privatePlace(id string) string { return "webhooks.private/" + id }

func (db *DB) sealPrivate(w *webhook.Webhook) ([]byte, error) {
	plain, err := json.Marshal(privates{
		URL: w.URL, Authorization: w.Authorization, Secret: w.Secret, OldSecret: w.OldSecret, Headers: w.Headers,
	})
	if err != nil {
		return nil, fmt.Errorf("webhook %s: %w", w.ID, err)
	}
	return db.box.Seal(plain, privatePlace(w.ID)), nil
}

func (db *DB) openPrivate(sealed []byte, id string) (p privates, err error) {
	plain, err := db.box.Open(sealed, privatePlace(id))
	if err == nil {
		err = json.Unmarshal(plain, &p)
	}
	if err != nil {
		return privates{}, fmt.Errorf("webhook %s: %w", id, err)
	}
	return p, nil
}

func fromWebhook(w *webhook.Webhook, private []byte) sqlgen.PutWebhookParams {
	return sqlgen.PutWebhookParams{
		ID:           w.ID,
		InstanceID:   w.InstanceID,
		Label:        w.Label,
		Enabled:      w.Enabled,
		Private:      private,
		ByEvents:     w.ByEvents,
		Events:       joinTypes(w.Events),
		MediaBase64:  w.MediaBase64,
		SecretUntil:  fromTime(w.OldSecretUntil),
		Ordering:     string(w.Ordering),
		Generation:   w.Generation,
		Paused:       w.Paused,
		Reason:       w.Reason,
		FailingSince: fromTime(w.FailingSince),
	}
}

func (db *DB) toWebhook(row *sqlgen.Webhook) (webhook.Webhook, error) {
	p, err := db.openPrivate(row.Private, row.ID)
	if err != nil {
		return webhook.Webhook{}, err
	}
	return webhook.Webhook{
		ID:             row.ID,
		InstanceID:     row.InstanceID,
		Label:          row.Label,
		Enabled:        row.Enabled,
		URL:            p.URL,
		Authorization:  p.Authorization,
		ByEvents:       row.ByEvents,
		Events:         splitTypes(row.Events),
		MediaBase64:    row.MediaBase64,
		Secret:         p.Secret,
		OldSecret:      p.OldSecret,
		OldSecretUntil: toTime(row.SecretUntil),
		Headers:        p.Headers,
		Ordering:       webhook.Ordering(row.Ordering),
		Generation:     row.Generation,
		Paused:         row.Paused,
		Reason:         row.Reason,
		FailingSince:   toTime(row.FailingSince),
	}, nil
}

// queueLine is a webhook's line within a write transaction.
//
// No wakeup is lost because everything that makes work for a line, and
// everything that computes when it is due, is a write transaction: what is
// recorded before a release is seen by it, and what is recorded after it finds
// the line unleased. On Postgres both have to lock the webhook's row first.
type queueLine struct {
	sqlgen.GetLineRow
	q    *sqlgen.Queries
	now  time.Time
	died *atomic.Int64
}

// line finds the line of a webhook; sql.ErrNoRows if that is gone.
func (db *DB) line(ctx context.Context, q *sqlgen.Queries, webhookID string, now time.Time) (*queueLine, error) {
	row, err := q.GetLine(ctx, webhookID)
	if err != nil {
		return nil, err
	}
	return &queueLine{GetLineRow: row, q: q, now: now, died: &db.died}, nil
}

// bury makes up to limit deliveries dead whose generation is over, and reports
// whether that may not have been all.
func (l *queueLine) bury(ctx context.Context, limit int) (more bool, err error) {
	over := l.Generation // the first that is not over
	if !l.Enabled {
		over = math.MaxInt64
	}
	n, err := l.q.BuryDeliveries(ctx, sqlgen.BuryDeliveriesParams{
		Reason: webhook.ReasonDisabled, Now: fromTime(l.now),
		InstanceID: l.InstanceID, WebhookID: l.ID, Generation: over, Step: int32(limit),
	})
	l.died.Add(n)
	return n >= int64(limit), err
}

// hastenFirst lets the first delivery of the line be attempted now.
func (l *queueLine) hastenFirst(ctx context.Context) error {
	first, err := l.first(ctx)
	if err != nil || first == nil || first.NextAt <= fromTime(l.now) {
		return err
	}
	return l.q.HastenDelivery(ctx, sqlgen.HastenDeliveryParams{
		Now: fromTime(l.now), InstanceID: l.InstanceID, ID: first.ID,
	})
}

// first is the first delivery of the line, nil if it is empty.
func (l *queueLine) first(ctx context.Context) (*sqlgen.FirstInLineRow, error) {
	rows, err := l.q.FirstInLine(ctx, sqlgen.FirstInLineParams{WebhookID: l.ID, Generation: l.Generation})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// wake computes when an unleased line is due, after something that may have
// changed that. Its owner looks itself.
func (l *queueLine) wake(ctx context.Context) error {
	if l.LeaseOwner != "" {
		return nil
	}
	return l.release(ctx)
}

// release ends the lease and notes when the line is due next.
func (l *queueLine) release(ctx context.Context) error {
	due, held, err := l.due(ctx)
	if err != nil {
		return err
	}
	return l.q.ScheduleLine(ctx, sqlgen.ScheduleLineParams{ID: l.ID, DueAt: due, Held: held})
}

// due is when the line has something to do, 0 if it has nothing. held says
// that its first delivery is not due yet, so that further events change
// nothing. What is to bury is buried on the way, a step at a time.
func (l *queueLine) due(ctx context.Context) (at int64, held bool, err error) {
	more, err := l.bury(ctx, buryStep)
	switch {
	case err != nil || l.Paused:
		return 0, false, err
	case more:
		return fromTime(l.now), false, nil
	}
	parked, err := l.q.NextParked(ctx, sqlgen.NextParkedParams{WebhookID: l.ID, Generation: l.Generation})
	if err != nil {
		return 0, false, err
	}
	if len(parked) > 0 {
		at = parked[0]
	}
	first, err := l.first(ctx)
	if err != nil || first == nil {
		return at, false, err
	}
	firstAt := max(first.NextAt, fromTime(l.now))
	if at == 0 || firstAt < at {
		at = firstAt
	}
	return at, first.NextAt > fromTime(l.now), nil
}

// lineOrNone is line, and nil if the webhook is gone.
func (db *DB) lineOrNone(ctx context.Context, q *sqlgen.Queries, webhookID string, now time.Time) (*queueLine, error) {
	l, err := db.line(ctx, q, webhookID, now)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return l, err
}
