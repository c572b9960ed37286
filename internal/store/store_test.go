package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/chasqui/chasqui/internal/seal"
	"github.com/chasqui/chasqui/internal/store"
	"github.com/chasqui/chasqui/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(envVictim); spec != "" {
		fmt.Fprintln(os.Stderr, "victim:", victim(spec))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func newBox(fill byte) (*seal.Box, error) {
	return seal.New(bytes.Repeat([]byte{fill}, seal.KeySize))
}

func box(t testing.TB, fill byte) *seal.Box {
	t.Helper()
	b, err := newBox(fill)
	must(t, err)
	return b
}

// open opens the file and closes it when the test is over.
func open(t testing.TB, path string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Path: path, Box: box(t, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func newFile(t testing.TB) string { return filepath.Join(t.TempDir(), "chasqui.db") }

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.Store { return open(t, newFile(t)) })
}
