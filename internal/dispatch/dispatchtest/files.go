package dispatchtest

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/chasqui/chasqui/internal/media"
)

// Files is a media.Files whose fetches end when the test says so. Its zero value
// is ready.
type Files struct {
	mu      sync.Mutex // guards the rest
	calls   []string
	keys    []media.Key
	open    int
	results map[string]*result
}

type result struct {
	ready chan struct{}
	bytes io.ReaderAt
	size  int64
	err   error
}

// Finish makes fetches of the file at path, present and future, end with the
// given bytes or error. It is called once for a path.
func (f *Files) Finish(path string, file []byte, err error) {
	f.FinishWith(path, bytes.NewReader(file), int64(len(file)), err)
}

// FinishWith is Finish with a file of the test's own, which is size bytes long.
func (f *Files) FinishWith(path string, file io.ReaderAt, size int64, err error) {
	r := f.result(path)
	r.bytes, r.size, r.err = file, size, err
	close(r.ready)
}

// Calls returns the paths that were asked for, in order.
func (f *Files) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

// Keys returns for whose files was asked, in order.
func (f *Files) Keys() []media.Key {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]media.Key(nil), f.keys...)
}

// Open returns how many files were handed out and are not closed.
func (f *Files) Open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// Fetch implements media.Files. It ends with its context if the test does not
// end it first.
func (f *Files) Fetch(ctx context.Context, _ string, key media.Key, ref media.Ref) (*media.File, error) {
	f.mu.Lock()
	f.calls = append(f.calls, ref.DirectPath)
	f.keys = append(f.keys, key)
	f.mu.Unlock()
	r := f.result(ref.DirectPath)
	select {
	case <-r.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if r.err != nil {
		return nil, r.err
	}
	f.count(1)
	return media.NewFile(r.bytes, r.size, func() { f.count(-1) }), nil
}

func (f *Files) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open += n
}

func (f *Files) result(path string) *result {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.results == nil {
		f.results = map[string]*result{}
	}
	r := f.results[path]
	if r == nil {
		r = &result{ready: make(chan struct{})}
		f.results[path] = r
	}
	return r
}
