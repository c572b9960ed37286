package blob_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// A disk that takes no more bytes, here a limit on the size of files: an error,
// the old file stays, and nothing half written does.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	old := bytes.Repeat([]byte{1}, 1000)
	if err := d.Put(t.Context(), "i-1/file", source(t, string(old)), 1000, ""); err != nil {
		t.Fatal(err)
	}
	large := source(t, string(make([]byte, 100_000)))
	limitFileSize(t, 50_000)
	if err := d.Put(t.Context(), "i-1/file", large, 100_000, ""); !errors.Is(err, syscall.EFBIG) {
		t.Fatalf("Put: %v, want %v", err, syscall.EFBIG)
	}
	body, _, err := d.Open(t.Context(), "i-1/file")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, old) {
		t.Errorf("the old file: %d bytes, %v", len(got), err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".partial")); err != nil || len(left) > 0 {
		t.Errorf("half files: %v, %v", left, err)
	}
}

// limitFileSize bounds the files of this process, until the test ends.
func limitFileSize(t *testing.T, bytes uint64) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: bytes, Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Error(err)
		}
		signal.Reset(syscall.SIGXFSZ)
	})
}
