package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"
)

const (
	// checkpointEvery is the pause between two looks at the log.
	checkpointEvery = time.Second
	// logLimit is how many pages (4 KiB) the log may hold before the writer is
	// made to start it anew.
	logLimit = 16384
	// defaultAutoCheckpoint is SQLite's own rule: after so many pages the
	// writer that commits copies the log into the file.
	defaultAutoCheckpoint = 1000
)

// Checkpointer copies the write-ahead log into the database file in the
// background, so that no writer has to: by SQLite's own rule the commit that
// fills the log copies it, while everybody waits. It is a lifecycle.Service and
// may be started again after a stop.
type Checkpointer struct {
	db  *DB
	log *slog.Logger

	mu     sync.Mutex // guards the rest
	cancel context.CancelFunc
	run    sync.WaitGroup
}

// NewCheckpointer returns a checkpointer of db that does not run yet.
func NewCheckpointer(db *DB, log *slog.Logger) *Checkpointer {
	return &Checkpointer{db: db, log: log}
}

// Start takes the work from the writers; it does nothing if it has it already.
func (c *Checkpointer) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		return nil
	}
	// A connection of its own: a passive checkpoint runs beside the writer.
	conn, err := connect(dsn(c.db.path, url.Values{}))
	if err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	conn.SetMaxOpenConns(1)
	if err := c.autoCheckpoint(ctx, 4*logLimit); err != nil {
		return errors.Join(err, conn.Close())
	}
	ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.run.Go(func() { c.work(ctx, conn) })
	return nil
}

// Stop gives the work back to the writers and waits for the checkpoint in
// progress.
func (c *Checkpointer) Stop(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel == nil {
		return nil
	}
	c.cancel()
	c.run.Wait()
	c.cancel = nil
	return c.autoCheckpoint(ctx, defaultAutoCheckpoint)
}

func (c *Checkpointer) autoCheckpoint(ctx context.Context, pages int) error {
	_, err := c.db.writer.ExecContext(ctx, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", pages))
	return err
}

func (c *Checkpointer) work(ctx context.Context, conn *sql.DB) {
	defer func() {
		if err := conn.Close(); err != nil {
			c.log.Warn("closing the checkpoint connection", "error", err)
		}
	}()
	for ctx.Err() == nil {
		wait(ctx, checkpointEvery)
		if err := c.checkpoint(ctx, conn); err != nil && ctx.Err() == nil {
			c.log.Error("the write-ahead log could not be copied", "error", err)
		}
	}
}

// checkpoint copies what it can without making anybody wait. Under a steady
// load the log is never empty at that moment and would only grow: when it is
// long, the writer starts it anew, for which it only has to copy the few pages
// written meanwhile.
func (c *Checkpointer) checkpoint(ctx context.Context, conn *sql.DB) error {
	pages, err := copyLog(ctx, conn, "PASSIVE")
	if err != nil || pages < logLimit {
		return err
	}
	_, err = copyLog(ctx, c.db.writer, "RESTART")
	return err
}

// copyLog runs a checkpoint and returns how many pages the log holds.
func copyLog(ctx context.Context, db *sql.DB, mode string) (pages int, err error) {
	var busy, copied int
	err = db.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &pages, &copied)
	return pages, err
}
