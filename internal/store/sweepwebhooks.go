package store

import (
	"context"
	"fmt"
	"time"

	"github.com/chasqui/chasqui/internal/store/sqlgen"
	"github.com/chasqui/chasqui/internal/webhook"
)

// chunkStep is how many chunks of bodies one transaction deletes: 4 MiB.
const chunkStep = 16

// SweepDeliveries deletes at most step deliveries in that state, Delivered or
// Dead, that finished before that time, the oldest first, with the bodies that
// nothing refers to any more, and returns how many deliveries. Long
// bodies stay for SweepBody.
func (db *DB) SweepDeliveries(ctx context.Context, state webhook.State, before time.Time, step int) (n int64, err error) {
	err = db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		gone, err := q.SweepDeliveries(ctx, sqlgen.SweepDeliveriesParams{
			State: string(state), Before: fromTime(before), Step: int32(step),
		})
		n = int64(len(gone))
		if err != nil || n == 0 {
			return err
		}
		for _, g := range gone {
			err := q.UnreferBody(ctx, sqlgen.UnreferBodyParams{InstanceID: g.InstanceID, ID: g.BodyID})
			if err != nil {
				return err
			}
		}
		return q.DeleteUnusedBodies(ctx)
	})
	return n, err
}

// GiveUpPaused makes at most step deliveries dead that paused webhooks have had
// queued since before that time, and returns how many.
func (db *DB) GiveUpPaused(ctx context.Context, before time.Time, step int) (n int64, err error) {
	lines, err := db.read.ListPausedLines(ctx)
	if err != nil {
		return 0, err
	}
	for _, l := range lines {
		ids, err := db.read.ListStale(ctx, sqlgen.ListStaleParams{
			WebhookID: l.ID, Before: fromTime(before), Step: int32(step),
		})
		if err != nil {
			return 0, err
		}
		if len(ids) > 0 {
			return db.giveUp(ctx, l.InstanceID, ids)
		}
	}
	return 0, nil
}

// giveUp makes deliveries dead, unless their webhook is not paused any more.
func (db *DB) giveUp(ctx context.Context, instanceID string, ids []string) (n int64, err error) {
	err = db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n = 0
		for _, id := range ids {
			dead, err := q.GiveUpDelivery(ctx, sqlgen.GiveUpDeliveryParams{
				Reason: webhook.ReasonPaused, Now: fromTime(db.now()), InstanceID: instanceID, ID: id,
			})
			if err != nil {
				return err
			}
			n += dead
		}
		return nil
	})
	if err == nil {
		db.died.Add(n)
	}
	return n, err
}

// SweepBody deletes a body that nothing refers to any more and returns 1, or 0
// if there is none. It takes a transaction for each 4 MiB of it.
func (db *DB) SweepBody(ctx context.Context) (n int64, err error) {
	unused, err := db.read.ListUnusedBodies(ctx, 1)
	if err != nil || len(unused) == 0 {
		return 0, err
	}
	if err := db.deleteBody(ctx, bodyKey{unused[0].InstanceID, unused[0].ID}); err != nil {
		return 0, fmt.Errorf("delete webhook body: %w", err)
	}
	return 1, nil
}

// deleteBody deletes a body's chunks in steps, and then its row.
func (db *DB) deleteBody(ctx context.Context, k bodyKey) error {
	return db.inSteps(ctx, func(ctx context.Context, q *sqlgen.Queries) (n int64, err error) {
		n, err = q.DeleteSomeChunks(ctx, sqlgen.DeleteSomeChunksParams{
			InstanceID: k.instanceID, BodyID: k.id, Step: chunkStep,
		})
		if err != nil || n > 0 {
			return n, err
		}
		return 0, q.DeleteBody(ctx, sqlgen.DeleteBodyParams{InstanceID: k.instanceID, ID: k.id})
	})
}

// deleteQueue deletes the deliveries of an instance and their bodies, in steps.
func (db *DB) deleteQueue(ctx context.Context, instanceID string) error {
	err := db.inSteps(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.DeleteSomeDeliveries(ctx, sqlgen.DeleteSomeDeliveriesParams{InstanceID: instanceID, Step: deleteStep})
	})
	if err != nil {
		return err
	}
	err = db.inSteps(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.DeleteSomeBodies(ctx, sqlgen.DeleteSomeBodiesParams{InstanceID: instanceID, Step: deleteStep})
	})
	if err != nil {
		return err
	}
	long, err := db.read.ListBodies(ctx, instanceID) // all others are gone
	if err != nil {
		return err
	}
	for _, id := range long {
		if err := db.deleteBody(ctx, bodyKey{instanceID, id}); err != nil {
			return err
		}
	}
	return nil
}

// inSteps runs step in a transaction of its own again and again, until it finds
// nothing more to do.
func (db *DB) inSteps(ctx context.Context, step func(ctx context.Context, q *sqlgen.Queries) (int64, error)) error {
	for n := int64(1); n > 0; {
		err := db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
			n, err = step(ctx, q)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
