package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/internal/seal"
	"github.com/chasqui/chasqui/internal/store/sqlgen"
)

var (
	_ account.Store  = (*DB)(nil)
	_ instance.Store = (*DB)(nil)
	_ dispatch.Store = (*DB)(nil)
	_ message.Store  = (*DB)(nil)
	_ media.Store    = (*DB)(nil)
)

// The values of Options.Sync.
const (
	SyncNormal = "normal" // a killed process loses nothing, a power cut may lose the last moments
	SyncFull   = "full"   // synced to disk at every commit
)

// Options say where the store is and how it is kept.
type Options struct {
	Path   string    // SQLite file; made with mode 0600 if missing
	Box    *seal.Box // required: seals the secrets
	Sync   string    // SyncNormal or SyncFull; empty: SyncNormal
	Logger *slog.Logger
}

// DB is the store. It is safe for concurrent use.
type DB struct {
	path   string
	writer *sql.DB // one connection
	reader *sql.DB // query only
	write  *sqlgen.Queries
	read   *sqlgen.Queries
	box    *seal.Box
	log    *slog.Logger
	clean  bool // as found at Open
	// waited says that a delivery may wait for a file: one did at Open, or has
	// begun to since. Until then nobody has to look for those it would hold up.
	waited atomic.Bool
	opened time.Time
	stats  queueStats
	died   atomic.Int64 // see Died
}

// Open opens the store, makes or migrates its schema and checks the encryption
// key. Errors: ErrWrongKey, and whatever keeps the file from being a database.
func Open(ctx context.Context, opts Options) (*DB, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Box == nil {
		return nil, errors.New("store: an encryption key is required")
	}
	path, err := createPrivate(opts.Path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", opts.Path, err)
	}
	writer, reader, err := openSQLite(path, opts.Sync)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", opts.Path, err)
	}
	db := &DB{path: path, writer: writer, reader: reader, box: opts.Box, log: opts.Logger, opened: time.Now()}
	if err := db.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", opts.Path, err), db.Close())
	}
	return db, nil
}

func (db *DB) prepare(ctx context.Context) (err error) {
	if err := migrate(ctx, db.writer, db.log); err != nil {
		return err
	}
	if db.write, err = sqlgen.Prepare(ctx, db.writer); err != nil {
		return err
	}
	if db.read, err = sqlgen.Prepare(ctx, db.reader); err != nil {
		return err
	}
	if err := db.checkKey(ctx); err != nil {
		return err
	}
	waiting, err := db.read.AnyWaitingAnywhere(ctx)
	if err != nil {
		return err
	}
	db.waited.Store(len(waiting) > 0)
	db.clean, err = db.endedClean(ctx)
	return err
}

// Close waits for running calls and closes the file.
func (db *DB) Close() error {
	var errs []error
	for _, q := range []*sqlgen.Queries{db.read, db.write} {
		if q != nil {
			errs = append(errs, q.Close())
		}
	}
	return errors.Join(append(errs, db.reader.Close(), db.writer.Close())...)
}

// Ping reports whether the store can be read.
func (db *DB) Ping(ctx context.Context) error {
	_, err := db.read.GetMeta(ctx, metaKeyCheck)
	return err
}

// now is the time by a clock that nobody sets: the wall clock of Open, and what
// has passed since. What is due by it stays due when the wall clock jumps.
func (db *DB) now() time.Time { return db.opened.Add(time.Since(db.opened)) }

// WhatsApp returns the write connection for whatsmeow's sqlstore, which keeps
// its tables in the same file. The caller must not close it.
//
// It is a pool of one. That suits sqlstore, whose transactions travel in the
// context: a query inside one uses the connection that the transaction holds,
// and no lock of sqlstore is taken inside a transaction that is also held while
// waiting for a connection. Whoever uses it otherwise must close rows before
// the next query and pass the transaction on, or waits for itself.
func (db *DB) WhatsApp() *sql.DB { return db.writer }

// transact runs fn in a write transaction. It waits for the connection as long
// as ctx allows; once it has it, it goes through to the end: the work is short,
// and a context that can be cancelled costs a goroutine for every statement.
func (db *DB) transact(ctx context.Context, fn func(ctx context.Context, q *sqlgen.Queries) error) (err error) {
	conn, err := db.writer.Conn(ctx)
	if err != nil {
		return translate(err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	ctx = context.WithoutCancel(ctx)
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return translate(err)
	}
	// Deferred, so that a panic cannot keep the connection that everybody needs.
	defer func() {
		if rerr := tx.Rollback(); !errors.Is(rerr, sql.ErrTxDone) {
			err = errors.Join(err, rerr)
		}
	}()
	if err := fn(ctx, db.write.WithTx(tx)); err != nil {
		return translate(err)
	}
	return translate(tx.Commit())
}
