package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/media"
)

// patience bounds one call to a shelf.
const patience = 30 * time.Second

// Run checks the promises of media.Shelf. It uses objects below blobtest/ and
// deletes them in the end.
func Run(t *testing.T, shelf media.Shelf) {
	t.Helper()
	s := suite{shelf}
	t.Run("what is put is opened", s.roundTrips)
	t.Run("only size bytes from the beginning", s.putsFromTheBeginning)
	t.Run("a put replaces", s.replaces)
	t.Run("replaced while read", s.replacesWhole)
	t.Run("a failed put leaves the old file", s.failsWhole)
	t.Run("no such object", s.notThere)
	t.Run("deleted", s.deletes)
	t.Run("an ended context", s.obeysContext)
}

type suite struct{ shelf media.Shelf }

// bytesOf returns n bytes that depend on seed.
func bytesOf(seed, n int) []byte {
	b := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func file(t *testing.T, data []byte) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.Write(data); err != nil { // and leave the offset at the end
		t.Fatal(err)
	}
	return f
}

func (s suite) put(t *testing.T, object string, data []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.shelf.Put(ctx, object, file(t, data), int64(len(data)), "application/octet-stream"); err != nil {
		t.Fatalf("Put %q: %v", object, err)
	}
	t.Cleanup(func() {
		if err := s.shelf.Delete(context.WithoutCancel(t.Context()), object); err != nil {
			t.Errorf("Delete %q: %v", object, err)
		}
	})
}

// get reads an object whole and checks the size that Open tells.
func (s suite) get(t *testing.T, object string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	body, size, err := s.shelf.Open(ctx, object)
	if err != nil {
		t.Errorf("Open %q: %v", object, err)
		return nil
	}
	defer func() { _ = body.Close() }()
	data, err := io.ReadAll(body)
	if err != nil || int64(len(data)) != size {
		t.Errorf("%q: read %d bytes of %d: %v", object, len(data), size, err)
	}
	return data
}

func (s suite) want(t *testing.T, object string, want []byte) {
	t.Helper()
	if got := s.get(t, object); !bytes.Equal(got, want) {
		t.Errorf("%q holds %d bytes that are not the %d that were put", object, len(got), len(want))
	}
}

func (s suite) roundTrips(t *testing.T) {
	for object, size := range map[string]int{
		"blobtest/empty":                      0,
		"blobtest/one":                        1,
		"blobtest/sales/2026/09/3EB0AA11.jpg": 70_000,
		"blobtest/large.bin":                  6 << 20,
		"blobtest/with space, comma é +&.txt": 10,
		"blobtest/3EB0-_C767D82B.tar.gz":      10,
	} {
		data := bytesOf(size, size)
		s.put(t, object, data)
		s.want(t, object, data)
	}
}

func (s suite) putsFromTheBeginning(t *testing.T) {
	const object = "blobtest/prefix"
	s.put(t, object, nil)
	data := bytesOf(1, 5000)
	if err := s.shelf.Put(t.Context(), object, file(t, data), 3000, "image/jpeg"); err != nil {
		t.Fatal(err)
	}
	s.want(t, object, data[:3000])
}

func (s suite) replaces(t *testing.T) {
	const object = "blobtest/replaced"
	s.put(t, object, bytesOf(1, 5000))
	s.put(t, object, bytesOf(2, 100))
	s.want(t, object, bytesOf(2, 100))
}

// replacesWhole: whoever opens the object sees one of the files, whole.
func (s suite) replacesWhole(t *testing.T) {
	const object = "blobtest/raced"
	versions := [][]byte{bytesOf(1, 200_000), bytesOf(2, 100_000)}
	s.put(t, object, versions[0])
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 10 {
				if got := s.get(t, object); !bytes.Equal(got, versions[0]) && !bytes.Equal(got, versions[1]) {
					t.Errorf("%d bytes that are neither file", len(got))
				}
			}
		})
	}
	for i := range 10 {
		s.put(t, object, versions[(i+1)%2])
	}
	readers.Wait()
}

// failsWhole puts a file that is shorter than it is said to be.
func (s suite) failsWhole(t *testing.T) {
	const object = "blobtest/kept"
	s.put(t, object, []byte("old"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.shelf.Put(ctx, object, file(t, bytesOf(1, 100)), 200, "image/jpeg"); err == nil {
		t.Error("a file of 100 bytes was put as 200")
	}
	s.want(t, object, []byte("old"))
}

func (s suite) notThere(t *testing.T) {
	s.put(t, "blobtest/folder/file", []byte("x"))
	for _, object := range []string{"blobtest/nothing", "blobtest/folder", "blobtest/folder/file2"} {
		body, _, err := s.shelf.Open(t.Context(), object)
		if !errors.Is(err, media.ErrNotThere) {
			t.Errorf("Open %q: %v, want ErrNotThere", object, err)
		}
		if err == nil {
			_ = body.Close()
		}
	}
}

func (s suite) deletes(t *testing.T) {
	const object = "blobtest/deleted"
	s.put(t, object, []byte("x"))
	for range 2 { // the second finds nothing
		if err := s.shelf.Delete(t.Context(), object); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		if _, _, err := s.shelf.Open(t.Context(), object); !errors.Is(err, media.ErrNotThere) {
			t.Errorf("Open after Delete: %v, want ErrNotThere", err)
		}
	}
}

func (s suite) obeysContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	const object = "blobtest/late"
	if err := s.shelf.Put(ctx, object, file(t, []byte("x")), 1, "image/jpeg"); !errors.Is(err, context.Canceled) {
		t.Errorf("Put after the end: %v, want context.Canceled", err)
	}
	if _, _, err := s.shelf.Open(t.Context(), object); !errors.Is(err, media.ErrNotThere) {
		t.Errorf("Open: %v, want ErrNotThere", err)
	}
}
