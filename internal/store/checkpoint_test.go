package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/lifecycle/lifecycletest"
	"github.com/chasqui/chasqui/internal/store"
)

// TestCheckpointerCopiesTheLog: what was written reaches the database file
// without a writer doing it, and without the store being closed.
func TestCheckpointerCopiesTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	db := open(t, path)
	c := store.NewCheckpointer(db, slog.New(slog.DiscardHandler))
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := size(t, path)
	if _, err := db.WhatsApp().Exec("CREATE TABLE filler (x BLOB); INSERT INTO filler VALUES (zeroblob(1000000))"); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for size(t, path) < before+1000000 {
		if time.Now().After(deadline) {
			t.Fatalf("the file has %d bytes, %d before", size(t, path), before)
		}
		<-time.After(10 * time.Millisecond)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	var pages int
	if err := db.WhatsApp().QueryRow("PRAGMA wal_autocheckpoint").Scan(&pages); err != nil || pages != 1000 {
		t.Errorf("after Stop the writer copies the log every %d pages (%v), want SQLite's 1000", pages, err)
	}
}

// TestLogStaysBounded: a writer that never pauses does not let the log grow for
// ever.
func TestLogStaysBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	db := open(t, path)
	c := store.NewCheckpointer(db, slog.New(slog.DiscardHandler))
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if _, err := db.WhatsApp().Exec("CREATE TABLE filler (id INTEGER PRIMARY KEY, x BLOB)"); err != nil {
		t.Fatal(err)
	}
	written := 0
	for written < 600<<20 {
		if _, err := db.WhatsApp().Exec("INSERT OR REPLACE INTO filler VALUES (1, zeroblob(1048576))"); err != nil {
			t.Fatal(err)
		}
		written += 1 << 20
	}
	if wal := size(t, path+"-wal"); wal > int64(written)*3/4 {
		t.Errorf("the log has %d MiB after %d MiB were written", wal>>20, written>>20)
	}
}

func TestCheckpointerLifecycle(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "c.db"))
	lifecycletest.Stress(t, func(t *testing.T) lifecycle.Service { return store.NewCheckpointer(db, slog.New(slog.DiscardHandler)) })
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestStatementsAreKept: a query asked twice is prepared once; two readers of
// the same query at a time each get their own rows.
func TestStatementsAreKept(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "c.db")).WhatsApp()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	const query = "SELECT value FROM (SELECT 1 AS value UNION ALL SELECT 2 UNION ALL SELECT 3)"
	outer, err := tx.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	var pairs string
	for outer.Next() {
		var a int
		if err := outer.Scan(&a); err != nil {
			t.Fatal(err)
		}
		inner, err := tx.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		for inner.Next() {
			var b int
			if err := inner.Scan(&b); err != nil {
				t.Fatal(err)
			}
			pairs += fmt.Sprintf("%d%d ", a, b)
		}
		if err := inner.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if pairs != "11 12 13 21 22 23 31 32 33 " {
		t.Errorf("two readers of one query saw %s", pairs)
	}
}
