package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/store/sqlgen"
	"github.com/chasqui/chasqui/internal/webhook"
)

// Claim implements webhook.Queue. Lines whose lease has ended without a release
// are due again. One that cannot be opened stays leased: it must not keep the
// others from being claimed.
func (db *DB) Claim(ctx context.Context, owner string, slow bool, now, until time.Time, limit int) ([]webhook.Line, error) {
	var rows []sqlgen.Webhook
	err := db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		if err := q.FreeExpiredLeases(ctx, fromTime(now)); err != nil {
			return err
		}
		claim := sqlgen.ClaimFastParams{
			Owner: owner, Until: fromTime(until), Now: fromTime(now), Step: int32(limit),
		}
		if slow {
			rows, err = q.ClaimSlow(ctx, sqlgen.ClaimSlowParams(claim))
		} else {
			rows, err = q.ClaimFast(ctx, claim)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b sqlgen.Webhook) int { return cmp.Compare(a.DueAt, b.DueAt) })
	lines := make([]webhook.Line, 0, len(rows))
	for i := range rows {
		w, err := db.toWebhook(&rows[i])
		if err != nil {
			db.log.Error("a stored webhook cannot be opened", "webhook_id", rows[i].ID, "error", err)
			continue
		}
		lines = append(lines, webhook.Line{Webhook: w})
	}
	return lines, nil
}

// Renew implements webhook.Queue.
func (db *DB) Renew(ctx context.Context, owner string, webhookIDs []string, until time.Time) (lost []string, err error) {
	err = db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		lost = nil
		for _, id := range webhookIDs {
			n, err := q.RenewLease(ctx, sqlgen.RenewLeaseParams{Until: fromTime(until), ID: id, Owner: owner})
			if err != nil {
				return err
			}
			if n == 0 {
				lost = append(lost, id)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}

// NextDue implements webhook.Queue. A leased line counts too, from the end of
// its lease: its owner may have died.
func (db *DB) NextDue(ctx context.Context) (time.Time, error) {
	var next int64
	for _, list := range []func(context.Context) ([]int64, error){
		db.read.NextDueFast, db.read.NextDueSlow, db.read.NextLeaseEnd,
	} {
		at, err := list(ctx)
		if err != nil {
			return time.Time{}, err
		}
		if len(at) > 0 {
			next = earlier(next, at[0])
		}
	}
	return toTime(next), nil
}

// earlier is the earlier of two times, of which 0 is none.
func earlier(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// Load implements webhook.Queue. It reads beside the writer. A body that cannot
// be opened is left out, and fails when it is read.
func (db *DB) Load(ctx context.Context, webhookID string, now time.Time, skip []string, limit int) (webhook.Load, error) {
	row, err := db.read.GetWebhook(ctx, webhookID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return webhook.Load{}, nil
	case err != nil:
		return webhook.Load{}, err
	}
	w, err := db.toWebhook(&row)
	if err != nil || !w.Enabled || w.Paused {
		return webhook.Load{Webhook: w}, err
	}
	l := loading{db: db, now: fromTime(now), skip: skip, limit: limit}
	if err := l.parked(ctx, &w); err != nil {
		return webhook.Load{}, err
	}
	if !l.full() {
		if err := l.line(ctx, &w); err != nil {
			return webhook.Load{}, err
		}
	}
	return webhook.Load{Webhook: w, Revision: row.Revision, Jobs: l.jobs, Next: toTime(l.next)}, nil
}

// loading collects the jobs of one line.
type loading struct {
	db    *DB
	now   int64
	skip  []string
	limit int
	jobs  []webhook.Job
	next  int64
}

// full reports that the limit is reached and something due was left out.
func (l *loading) full() bool { return len(l.jobs) >= l.limit && l.next != 0 && l.next <= l.now }

// step is how many rows to read: what is wanted, what is skipped, and one more
// to see whether there is more.
func (l *loading) step() int32 { return int32(l.limit - len(l.jobs) + len(l.skip) + 1) }

// parked adds the parked jobs that are due, and notes when the next one is.
func (l *loading) parked(ctx context.Context, w *webhook.Webhook) error {
	rows, err := l.db.read.ListParked(ctx, sqlgen.ListParkedParams{
		WebhookID: w.ID, Generation: w.Generation, Now: l.now, Step: l.step(),
	})
	if err != nil {
		return err
	}
	for i := range rows {
		if !l.add(w, sqlgen.ListLineRow(rows[i]), true) {
			return nil
		}
	}
	later, err := l.db.read.NextParked(ctx, sqlgen.NextParkedParams{
		WebhookID: w.ID, Generation: w.Generation, After: l.now,
	})
	if len(later) > 0 {
		l.next = earlier(l.next, later[0])
	}
	return err
}

// line adds the jobs of the line up to the first that is not due.
func (l *loading) line(ctx context.Context, w *webhook.Webhook) error {
	rows, err := l.db.read.ListLine(ctx, sqlgen.ListLineParams{
		WebhookID: w.ID, Generation: w.Generation, Step: l.step(),
	})
	if err != nil {
		return err
	}
	for i := range rows {
		if !l.add(w, rows[i], false) {
			return nil
		}
	}
	return nil
}

// add adds a job unless it is skipped. It returns false, and notes when there
// is more, at the first job that is not due or more than wanted.
func (l *loading) add(w *webhook.Webhook, row sqlgen.ListLineRow, parked bool) bool {
	switch {
	case slices.Contains(l.skip, row.ID):
		return true
	case row.NextAt > l.now:
		l.next = earlier(l.next, row.NextAt)
		return false
	case len(l.jobs) >= l.limit:
		l.next = l.now
		return false
	}
	key := bodyKey{w.InstanceID, row.BodyID}
	job := webhook.Job{
		ID:            row.ID,
		EventID:       row.EventID,
		Event:         event.Type(row.Event),
		Sequence:      row.Sequence,
		Parked:        parked,
		Failures:      int(row.Failures),
		EventFailures: int(row.EventFailures),
		FirstAttempt:  toTime(row.FirstAttempt),
		BodyID:        key.String(),
		BodySize:      row.Size,
	}
	if row.Body != nil {
		if body, err := l.db.openBody(row.Body, key); err == nil {
			job.Body = body
		} else {
			l.db.log.Error("a stored webhook body cannot be opened", "body_id", job.BodyID, "error", err)
		}
	}
	l.jobs = append(l.jobs, job)
	return true
}

// Bury implements webhook.Queue.
func (db *DB) Bury(ctx context.Context, webhookID string, limit int) (more bool, err error) {
	err = db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		more = false
		l, err := db.lineOrNone(ctx, q, webhookID, db.now())
		if l == nil || err != nil {
			return err
		}
		more, err = l.bury(ctx, limit)
		return err
	})
	return more, err
}

// ReleaseAll implements webhook.Queue. It is for a start: lines and deliveries
// that wait for a time are looked at again, since the clock may have been set
// back while nobody ran; those that are rightly waiting go on doing so.
func (db *DB) ReleaseAll(ctx context.Context, owner string) error {
	return db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		now := fromTime(db.now())
		if err := q.ReleaseLeases(ctx, owner); err != nil {
			return err
		}
		if err := q.HastenLines(ctx, now); err != nil {
			return err
		}
		return hastenFuture(ctx, q, now)
	})
}

// hastenFuture makes deliveries due whose last attempt was made in the future.
func hastenFuture(ctx context.Context, q *sqlgen.Queries, now int64) error {
	lines, err := q.ListAllLines(ctx)
	if err != nil {
		return err
	}
	for _, l := range lines {
		err := q.HastenParked(ctx, sqlgen.HastenParkedParams{Now: now, WebhookID: l.ID, Generation: l.Generation})
		if err != nil {
			return err
		}
		first, err := q.FirstInLine(ctx, sqlgen.FirstInLineParams{WebhookID: l.ID, Generation: l.Generation})
		if err != nil {
			return err
		}
		if len(first) == 0 || first[0].NextAt <= now || first[0].AttemptedAt <= now {
			continue
		}
		err = q.HastenDelivery(ctx, sqlgen.HastenDeliveryParams{Now: now, InstanceID: l.InstanceID, ID: first[0].ID})
		if err != nil {
			return err
		}
	}
	return nil
}
