package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrFull says that the disk is full.
var ErrFull = errors.New("database or disk is full")

// errOrphan says that a row refers to one that is gone.
var errOrphan = errors.New("the row that is referred to is gone")

const (
	readers = 4
	// busyTimeout, in milliseconds, matters only between processes: a command
	// that works on the file while another process does.
	busyTimeout = 5000
)

// openSQLite returns the write connection and the pool of readers.
func openSQLite(path, sync string) (writer, reader *sql.DB, err error) {
	level, ok := map[string]string{"": "NORMAL", SyncNormal: "NORMAL", SyncFull: "FULL"}[sync]
	if !ok {
		return nil, nil, fmt.Errorf("sync is %q, want %s or %s", sync, SyncNormal, SyncFull)
	}
	writer, err = connect(dsn(path, url.Values{"_txlock": {"immediate"}},
		"journal_mode(WAL)", "synchronous("+level+")", "foreign_keys(1)"))
	if err != nil {
		return nil, nil, err
	}
	reader, err = connect(dsn(path, url.Values{}, "query_only(1)"))
	if err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	writer.SetMaxOpenConns(1)
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	return writer, reader, nil
}

func connect(dsn string) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(statementCache{connector}), nil
}

// createPrivate makes the file if it is missing, readable by its owner alone:
// it holds the keys of linked devices. SQLite gives its other files the same
// mode. It returns the absolute path.
func createPrivate(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	return path, f.Close()
}

func dsn(path string, query url.Values, pragmas ...string) string {
	query["_pragma"] = append([]string{fmt.Sprintf("busy_timeout(%d)", busyTimeout)}, pragmas...)
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	return u.String()
}

// translate names the errors of SQLite that callers may want to tell apart.
func translate(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Code()&0xff == sqlite3.SQLITE_FULL: // the rest of the code says where
		return fmt.Errorf("%w: %w", ErrFull, err)
	case e.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fmt.Errorf("%w: %w", errOrphan, err)
	}
	return err
}
