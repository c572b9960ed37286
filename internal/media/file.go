package media

import (
	"io"
	"sync"
)

// File is a fetched file on the local disk. It stays readable until Close, also
// when the gateway's own copy is deleted meanwhile.
type File struct {
	bytes io.ReaderAt
	size  int64
	close func()
	once  sync.Once
}

// NewFile returns a file of size bytes. done is called by the first Close and
// may be nil.
func NewFile(bytes io.ReaderAt, size int64, done func()) *File {
	if done == nil {
		done = func() {}
	}
	return &File{bytes: bytes, size: size, close: done}
}

// Size returns the length in bytes.
func (f *File) Size() int64 { return f.size }

// Open returns a reader from the beginning. Any number of them may be open at
// once, each read by one goroutine, until the file is closed.
func (f *File) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(f.bytes, 0, f.size)), nil
}

// Close lets the file go; it must not be read any more. A second Close does
// nothing.
func (f *File) Close() { f.once.Do(f.close) }
