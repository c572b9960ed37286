package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chasqui/chasqui/internal/store/sqlgen"
	"github.com/chasqui/chasqui/internal/webhook"
)

// Settle implements webhook.Queue.
func (db *DB) Settle(ctx context.Context, owner string, now time.Time, list []webhook.Settlement) error {
	return db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		for i := range list {
			if err := db.settleLine(ctx, q, owner, now, &list[i]); err != nil {
				return fmt.Errorf("settle webhook %s: %w", list[i].WebhookID, err)
			}
		}
		return nil
	})
}

func (db *DB) settleLine(ctx context.Context, q *sqlgen.Queries, owner string, now time.Time, s *webhook.Settlement) error {
	l, err := db.lineOrNone(ctx, q, s.WebhookID, now)
	if err != nil || l == nil || l.LeaseOwner != owner {
		return err
	}
	stale := s.Revision != l.Revision
	for i := range s.Outcomes {
		if stale && s.Outcomes[i].State != webhook.Delivered {
			continue
		}
		if err := db.settleOne(ctx, l, &s.Outcomes[i]); err != nil {
			return err
		}
	}
	if s.Health != nil && !stale {
		if err := l.setHealth(ctx, s.Health); err != nil {
			return err
		}
	}
	if !s.Release {
		return nil
	}
	return l.release(ctx)
}

// settleOne writes an outcome. A delivery that is not pending any more stays as
// it is.
func (db *DB) settleOne(ctx context.Context, l *queueLine, o *webhook.Outcome) error {
	log, err := db.sealAttempts([]webhook.Attempt{o.Attempt}, o.ID)
	if err != nil {
		return err
	}
	// Most succeed at the first attempt: there is no log to add to.
	n, err := l.q.SettleDelivery(ctx, settlement(l, o, log, false))
	if err != nil || n > 0 {
		return err
	}
	before, err := l.q.GetAttempts(ctx, sqlgen.GetAttemptsParams{
		InstanceID: l.InstanceID, ID: o.ID, WebhookID: l.ID,
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if log, err = db.addAttempt(before, o); err != nil {
		return err
	}
	_, err = l.q.SettleDelivery(ctx, settlement(l, o, log, true))
	return err
}

func settlement(l *queueLine, o *webhook.Outcome, log []byte, known bool) sqlgen.SettleDeliveryParams {
	p := sqlgen.SettleDeliveryParams{
		InstanceID: l.InstanceID, ID: o.ID, WebhookID: l.ID, Known: known,
		State: string(o.State), Reason: o.Reason, Parked: o.Parked,
		Failures: int64(o.Failures), EventFailures: int64(o.EventFailures),
		FirstAttempt: fromTime(o.FirstAttempt), Now: fromTime(l.now), Attempts: log,
	}
	if o.State == webhook.Pending {
		p.NextAt = fromTime(o.NextAttempt)
	} else {
		p.FinishedAt = fromTime(l.now)
	}
	return p
}

// setHealth notes how the receiver does, and disables the webhook if it said
// so.
func (l *queueLine) setHealth(ctx context.Context, h *webhook.Health) error {
	err := l.q.SetHealth(ctx, sqlgen.SetHealthParams{
		ID: l.ID, FailingSince: fromTime(h.FailingSince), Paused: h.Paused, Reason: h.Reason,
	})
	if err != nil {
		return err
	}
	l.Paused = h.Paused
	if !h.Disabled || !l.Enabled {
		return nil
	}
	l.Enabled = false
	l.Generation++
	if err := l.q.DisableWebhook(ctx, l.ID); err != nil {
		return err
	}
	_, err = l.bury(ctx, buryStep)
	return err
}

func attemptsPlace(id string) string { return "webhook_deliveries.attempts/" + id }

// sealAttempts seals a log: a receiver may answer with what it was sent.
func (db *DB) sealAttempts(log []webhook.Attempt, deliveryID string) ([]byte, error) {
	plain, err := json.Marshal(log)
	if err != nil {
		return nil, fmt.Errorf("attempts of delivery %s: %w", deliveryID, err)
	}
	return db.box.Seal(plain, attemptsPlace(deliveryID)), nil
}

func (db *DB) openAttempts(sealed []byte, deliveryID string) (log []webhook.Attempt, err error) {
	if sealed == nil {
		return nil, nil
	}
	plain, err := db.box.Open(sealed, attemptsPlace(deliveryID))
	if err == nil {
		err = json.Unmarshal(plain, &log)
	}
	if err != nil {
		return nil, fmt.Errorf("attempts of delivery %s: %w", deliveryID, err)
	}
	return log, nil
}

// addAttempt returns the log with the outcome's attempt. A log that cannot be
// opened any more begins anew: it must not keep a delivery from ending.
func (db *DB) addAttempt(before []byte, o *webhook.Outcome) ([]byte, error) {
	log, err := db.openAttempts(before, o.ID)
	if err != nil {
		db.log.Error("a log of attempts is lost", "error", err)
		log = nil
	}
	log = append(log, o.Attempt)
	if extra := len(log) - webhook.KeptAttempts; extra > 0 {
		log = log[extra:]
	}
	return db.sealAttempts(log, o.ID)
}
