package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/chasqui/chasqui/internal/media"
)

// Disk keeps files in a folder, below which nothing can lead out. Files are
// written under another name first, and appear when they are whole and on the
// disk. It may be used from several goroutines, but by one process.
type Disk struct {
	root *os.Root
}

var _ media.LocalShelf = (*Disk)(nil)

// Modes of what Disk makes: files of users are nobody else's business.
const (
	folderMode = 0o700
	fileMode   = 0o600
)

// partial is the folder of files that are being written. No object can lie in
// it, since no part of an object's name begins with a dot.
const partial = ".partial"

// NewDisk returns the shelf in the folder dir, which is made if it is missing.
// What an earlier process left half written is removed.
func NewDisk(dir string) (*Disk, error) {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	err = root.RemoveAll(partial)
	if err == nil {
		err = root.Mkdir(partial, folderMode)
	}
	if err != nil {
		return nil, fmt.Errorf("blob: %w", errors.Join(err, root.Close()))
	}
	return &Disk{root: root}, nil
}

// Close lets the folder go.
func (d *Disk) Close() error { return d.root.Close() }

// checkName refuses names that are not plain paths below the folder.
func checkName(name string) error {
	if !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\\\x00") {
		return fmt.Errorf("blob: object name %q: %w", name, fs.ErrInvalid)
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") {
			return fmt.Errorf("blob: object name %q: %w", name, fs.ErrInvalid)
		}
	}
	return nil
}

// Put implements media.Shelf. The type is not kept. When it fails, as on a full
// disk, what was there before stays.
func (d *Disk) Put(ctx context.Context, object string, f *os.File, size int64, _ string) error {
	if err := checkName(object); err != nil {
		return err
	}
	name := path.Join(partial, rand.Text())
	err := d.write(ctx, name, io.NewSectionReader(f, 0, size), size)
	if err == nil {
		err = d.root.MkdirAll(path.Dir(object), folderMode)
	}
	if err == nil {
		err = d.root.Rename(name, object)
	}
	if err == nil {
		return nil
	}
	if gone := d.root.Remove(name); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return fmt.Errorf("blob: put %s: %w", object, err)
}

// write makes a file of exactly size bytes, which is on the disk when it
// returns nil.
func (d *Disk) write(ctx context.Context, name string, body io.Reader, size int64) error {
	out, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, contextReader{ctx, body})
	if err == nil && n != size {
		err = fmt.Errorf("%d of %d bytes: %w", n, size, io.ErrUnexpectedEOF)
	}
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// contextReader ends a copy with its context.
type contextReader struct {
	ctx  context.Context
	body io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.body.Read(p)
}

// Open implements media.Shelf. The body is an *os.File, which stays readable
// when the object is replaced or deleted.
func (d *Disk) Open(_ context.Context, object string) (io.ReadCloser, int64, error) {
	if err := checkName(object); err != nil {
		return nil, 0, err
	}
	f, err := d.root.Open(object)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, media.ErrNotThere
	}
	if err != nil {
		return nil, 0, fmt.Errorf("blob: open %s: %w", object, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = media.ErrNotThere
	}
	if err != nil {
		return nil, 0, fmt.Errorf("blob: open %s: %w", object, errors.Join(err, f.Close()))
	}
	return f, info.Size(), nil
}

// Delete implements media.Shelf.
func (d *Disk) Delete(_ context.Context, object string) error {
	if err := checkName(object); err != nil {
		return err
	}
	if err := d.root.Remove(object); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blob: delete %s: %w", object, err)
	}
	return nil
}

// DeleteAll implements media.LocalShelf.
func (d *Disk) DeleteAll(_ context.Context, folder string) error {
	if err := checkName(folder); err != nil {
		return err
	}
	if err := d.root.RemoveAll(folder); err != nil {
		return fmt.Errorf("blob: delete all of %s: %w", folder, err)
	}
	return nil
}
