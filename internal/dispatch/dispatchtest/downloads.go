package dispatchtest

import (
	"context"
	"sync"

	"github.com/chasqui/chasqui/internal/media"
)

// Downloads is a media.Downloader whose downloads end when the test says so.
type Downloads struct {
	mu      sync.Mutex // guards the rest
	calls   []string
	results map[string]*result
}

type result struct {
	ready chan struct{}
	bytes []byte
	err   error
}

// Finish makes downloads of the file at path, present and future, end with the
// given bytes or error. It is called once for a path.
func (d *Downloads) Finish(path string, bytes []byte, err error) {
	r := d.result(path)
	r.bytes, r.err = bytes, err
	close(r.ready)
}

// Calls returns the paths that were asked for, in order.
func (d *Downloads) Calls() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.calls...)
}

// Download implements media.Downloader. It ends with its context if the test
// does not end it first.
func (d *Downloads) Download(ctx context.Context, _ string, ref media.Ref, limit int64) ([]byte, error) {
	d.mu.Lock()
	d.calls = append(d.calls, ref.DirectPath)
	d.mu.Unlock()
	r := d.result(ref.DirectPath)
	select {
	case <-r.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if int64(len(r.bytes)) > limit {
		return nil, media.ErrTooLarge
	}
	return r.bytes, r.err
}

func (d *Downloads) result(path string) *result {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.results == nil {
		d.results = map[string]*result{}
	}
	r := d.results[path]
	if r == nil {
		r = &result{ready: make(chan struct{})}
		d.results[path] = r
	}
	return r
}
