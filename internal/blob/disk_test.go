package blob_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/chasqui/chasqui/internal/blob"
	"github.com/chasqui/chasqui/internal/blob/blobtest"
	"github.com/chasqui/chasqui/internal/media"
)

func openDisk(t *testing.T, dir string) *blob.Disk {
	t.Helper()
	d, err := blob.NewDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestDisk(t *testing.T) { blobtest.Run(t, openDisk(t, filepath.Join(t.TempDir(), "media"))) }

// source is an open file with the given text.
func source(t *testing.T, text string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// No name leads out of the folder, nor to what lies beside the objects.
func TestDiskRefusesNames(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := openDisk(t, filepath.Join(dir, "media"))
	if err := os.Symlink(dir, filepath.Join(dir, "media", "out")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"", ".", "..", "../secret", "a/../../secret", "/etc/passwd", "a//b", "a/", ".partial/x", "a/.b", `a\b`, "a\x00b", "out/secret",
	} {
		if err := d.Put(t.Context(), name, source(t, "x"), 1, ""); err == nil {
			t.Errorf("Put %q succeeded", name)
		}
		if body, _, err := d.Open(t.Context(), name); err == nil {
			_ = body.Close()
			t.Errorf("Open %q succeeded", name)
		}
		if err := d.Delete(t.Context(), name); err == nil {
			t.Errorf("Delete %q succeeded", name)
		}
		if name != "out/secret" { // there the link is what is in the way
			if err := d.DeleteAll(t.Context(), name); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("DeleteAll %q: %v", name, err)
			}
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "secret")); err != nil || string(b) != "secret" {
		t.Errorf("outside: %q, %v", b, err)
	}
}

// Files of users are nobody else's business: 0600 in folders of 0700.
func TestDiskModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "media")
	d := openDisk(t, dir)
	if err := d.Put(t.Context(), "i-1/ab/file", source(t, "text"), 4, ""); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a crash left half written is removed at the next start, and nothing else.
func TestDiskRemovesHalfFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "media")
	d := openDisk(t, dir)
	if err := d.Put(t.Context(), "i-1/whole", source(t, "text"), 4, ""); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, ".partial", "half")
	if err := os.WriteFile(half, []byte("te"), 0o600); err != nil {
		t.Fatal(err)
	}
	d = openDisk(t, dir)
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the half file: %v", err)
	}
	body, size, err := d.Open(t.Context(), "i-1/whole")
	if err != nil || size != 4 {
		t.Fatalf("the whole file: %d bytes, %v", size, err)
	}
	_ = body.Close()
}

func TestDiskDeleteAll(t *testing.T) {
	d := openDisk(t, t.TempDir())
	for _, object := range []string{"i-1/ab/one", "i-1/cd/two", "i-2/ab/three"} {
		if err := d.Put(t.Context(), object, source(t, "text"), 4, ""); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second finds nothing
		if err := d.DeleteAll(t.Context(), "i-1"); err != nil {
			t.Fatal(err)
		}
	}
	for object, want := range map[string]error{"i-1/ab/one": media.ErrNotThere, "i-1/cd/two": media.ErrNotThere, "i-2/ab/three": nil} {
		body, _, err := d.Open(t.Context(), object)
		if !errors.Is(err, want) {
			t.Errorf("Open %s: %v, want %v", object, err, want)
		}
		if err == nil {
			_ = body.Close()
		}
	}
}
