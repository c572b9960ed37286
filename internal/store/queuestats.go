package store

import (
	"context"
	"sync"
	"time"

	"github.com/chasqui/chasqui/internal/store/sqlgen"
)

// LineState is how a webhook's line does, for statistics.
type LineState string

// The states of a line. That of a disabled webhook has only what is still to
// bury.
const (
	LineHealthy  LineState = "healthy"
	LineFailing  LineState = "failing"
	LinePaused   LineState = "paused"
	LineDisabled LineState = "disabled"
)

// QueueDepth is what waits in the lines of one state.
type QueueDepth struct {
	State   LineState
	Pending int64     // deliveries, parked and waiting ones included
	Oldest  time.Time // when the oldest of the firsts in line was made; zero if none
}

const (
	// statsFor is how long statistics are good for.
	statsFor = 10 * time.Second
	// statsShare bounds what they cost: they are good for at least as many
	// times as long as it took to count.
	statsShare = 50
)

// queueStats is the last count.
type queueStats struct {
	mu     sync.Mutex // held while counting, so that only one does; guards the rest
	depths []QueueDepth
	until  time.Time
}

// QueueStats returns how much is queued, one entry for each state of a line. It
// counts at most every 10 seconds, beside the writer: 500,000 deliveries take
// some tens of milliseconds.
func (db *DB) QueueStats(ctx context.Context) ([]QueueDepth, error) {
	db.stats.mu.Lock()
	defer db.stats.mu.Unlock()
	begin := time.Now()
	if begin.Before(db.stats.until) {
		return db.stats.depths, nil
	}
	depths, err := db.countQueue(ctx)
	if err != nil {
		return nil, err
	}
	end := time.Now()
	db.stats.depths = depths
	db.stats.until = end.Add(max(statsFor, statsShare*end.Sub(begin)))
	return depths, nil
}

// Died is how many deliveries became dead since Open without an attempt: those
// of disabled webhooks, and those that were queued for too long. The few that a
// failed transaction gave back count again.
func (db *DB) Died() int64 { return db.died.Load() }

func (db *DB) countQueue(ctx context.Context) ([]QueueDepth, error) {
	depths := []QueueDepth{{State: LineHealthy}, {State: LineFailing}, {State: LinePaused}, {State: LineDisabled}}
	rows, err := db.read.ListDepths(ctx)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if rows[i].Depth == 0 {
			continue
		}
		d := &depths[lineState(&rows[i])]
		d.Pending += rows[i].Depth
		oldest, err := db.read.OldestPending(ctx, rows[i].ID)
		if err != nil {
			return nil, err
		}
		if len(oldest) > 0 {
			if at := toTime(oldest[0]); d.Oldest.IsZero() || at.Before(d.Oldest) {
				d.Oldest = at
			}
		}
	}
	return depths, nil
}

// lineState is the place of a line's state in countQueue's list.
func lineState(row *sqlgen.ListDepthsRow) int {
	switch {
	case !row.Enabled:
		return 3
	case row.Paused:
		return 2
	case row.FailingSince > 0:
		return 1
	}
	return 0
}
