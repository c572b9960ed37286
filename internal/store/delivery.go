package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/store/sqlgen"
	"github.com/chasqui/chasqui/internal/webhook"
)

// newest sorts behind every UUID.
const newest = "~"

// lookedAt is how many deliveries one page of the log reads at most: where few
// match, all would be too many for one request.
const lookedAt = 20_000

// ListDeliveries implements webhook.Store.
func (db *DB) ListDeliveries(ctx context.Context, instanceID string, query webhook.Query) (list []webhook.Delivery, further string, err error) {
	webhookID := ""
	if query.Label != "" {
		var err error
		webhookID, err = db.read.GetWebhookLabelled(ctx, sqlgen.GetWebhookLabelledParams{
			InstanceID: instanceID, Label: query.Label,
		})
		if errors.Is(err, sql.ErrNoRows) {
			return nil, "", nil
		}
		if err != nil {
			return nil, "", err
		}
	}
	if query.Before == "" {
		query.Before = newest
	}
	rows, further, err := db.deliveryRows(ctx, instanceID, webhookID, query)
	if err != nil {
		return nil, "", err
	}
	list = make([]webhook.Delivery, len(rows))
	for i := range rows {
		if list[i], err = db.toDelivery(&rows[i]); err != nil {
			return nil, "", err
		}
	}
	return list, further, nil
}

// deliveryRows reads by way of what there is least of: dead ones, pending ones,
// or, a part at a time, all.
func (db *DB) deliveryRows(
	ctx context.Context, instanceID, webhookID string, query webhook.Query,
) (rows []sqlgen.ListDeliveriesRow, further string, err error) {
	switch query.State {
	case webhook.Dead:
		return db.deadRows(ctx, instanceID, webhookID, query)
	case webhook.Pending:
		n, err := db.read.CountPending(ctx, sqlgen.CountPendingParams{InstanceID: instanceID, Step: lookedAt})
		if err != nil {
			return nil, "", err
		}
		if n < lookedAt {
			rows, err := db.pendingRows(ctx, instanceID, webhookID, query)
			return rows, "", err
		}
	}
	if query.Label != "" || query.State != "" || query.Event != "" {
		further, err = lowest(db.read.NthDelivery(ctx, sqlgen.NthDeliveryParams{
			InstanceID: instanceID, Before: query.Before, Places: lookedAt - 1,
		}))
		if err != nil {
			return nil, "", err
		}
	}
	rows, err = db.read.ListDeliveries(ctx, sqlgen.ListDeliveriesParams{
		InstanceID: instanceID, WebhookID: webhookID, State: string(query.State),
		Event: string(query.Event), Before: query.Before, Lowest: further, Step: int32(query.Limit),
	})
	return rows, further, err
}

// lowest is the ID where a part of the log ends, empty if that is the last.
func lowest(ids []string, err error) (string, error) {
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

func (db *DB) deadRows(
	ctx context.Context, instanceID, webhookID string, query webhook.Query,
) (rows []sqlgen.ListDeliveriesRow, further string, err error) {
	further, err = lowest(db.read.NthDeadDelivery(ctx, sqlgen.NthDeadDeliveryParams{
		InstanceID: instanceID, Before: query.Before, Places: lookedAt - 1,
	}))
	if err != nil {
		return nil, "", err
	}
	dead, err := db.read.ListDeadDeliveries(ctx, sqlgen.ListDeadDeliveriesParams{
		InstanceID: instanceID, WebhookID: webhookID,
		Event: string(query.Event), Before: query.Before, Lowest: further, Step: int32(query.Limit),
	})
	if err != nil {
		return nil, "", err
	}
	rows = make([]sqlgen.ListDeliveriesRow, len(dead))
	for i := range dead {
		rows[i] = sqlgen.ListDeliveriesRow(dead[i])
	}
	return rows, further, nil
}

func (db *DB) pendingRows(
	ctx context.Context, instanceID, webhookID string, query webhook.Query,
) ([]sqlgen.ListDeliveriesRow, error) {
	pending, err := db.read.ListPendingDeliveries(ctx, sqlgen.ListPendingDeliveriesParams{
		InstanceID: instanceID, WebhookID: webhookID,
		Event: string(query.Event), Before: query.Before, Step: int32(query.Limit),
	})
	if err != nil {
		return nil, err
	}
	rows := make([]sqlgen.ListDeliveriesRow, len(pending))
	for i := range pending {
		rows[i] = sqlgen.ListDeliveriesRow(pending[i])
	}
	return rows, nil
}

func (db *DB) toDelivery(row *sqlgen.ListDeliveriesRow) (webhook.Delivery, error) {
	attempts, err := db.openAttempts(row.Attempts, row.ID)
	if err != nil {
		return webhook.Delivery{}, err
	}
	return webhook.Delivery{
		ID:            row.ID,
		WebhookID:     row.WebhookID,
		Label:         row.Label,
		Event:         event.Type(row.Event),
		EventID:       row.EventID,
		Sequence:      row.Sequence,
		State:         webhook.State(row.State),
		Reason:        row.Reason,
		CreatedAt:     toTime(row.CreatedAt),
		NextAttemptAt: toTime(row.NextAt),
		Attempts:      attempts,
	}, nil
}

// Requeue implements webhook.Store. A delivery of a disabled webhook stays as
// it is.
func (db *DB) Requeue(ctx context.Context, instanceID, id string, now time.Time) (state webhook.State, webhookID string, found bool, err error) {
	err = db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		row, err := q.GetDelivery(ctx, sqlgen.GetDeliveryParams{InstanceID: instanceID, ID: id})
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		state, webhookID, found = webhook.State(row.State), row.WebhookID, true
		if state == webhook.Pending {
			return nil
		}
		l, err := db.line(ctx, q, webhookID, now)
		if err != nil || !l.Enabled {
			return err
		}
		err = q.RequeueDelivery(ctx, sqlgen.RequeueDeliveryParams{
			Generation: l.Generation, Now: fromTime(now), InstanceID: instanceID, ID: id,
		})
		if err != nil {
			return err
		}
		return l.wake(ctx)
	})
	return state, webhookID, found, err
}

// RequeueDead implements webhook.Store. Those of a disabled webhook stay as
// they are.
func (db *DB) RequeueDead(ctx context.Context, webhookID string, now time.Time, limit int) (int, error) {
	var n int64
	err := db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n = 0
		l, err := db.lineOrNone(ctx, q, webhookID, now)
		if err != nil || l == nil || !l.Enabled {
			return err
		}
		n, err = q.RequeueDead(ctx, sqlgen.RequeueDeadParams{
			Generation: l.Generation, Now: fromTime(now),
			InstanceID: l.InstanceID, WebhookID: l.ID, Step: int32(limit),
		})
		if err != nil || n == 0 {
			return err
		}
		return l.wake(ctx)
	})
	return int(n), err
}
