package mediatest

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync"
	"time"

	"github.com/chasqui/chasqui/internal/media"
)

// Bucket is a media.Bucket in memory. Its zero value is ready.
type Bucket struct {
	mu      sync.Mutex // guards the rest
	fail    error
	held    chan struct{}
	objects map[string][]byte
}

var _ media.Bucket = (*Bucket)(nil)

// Fail makes every call fail with err until it is called with nil.
func (b *Bucket) Fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

// Hold makes puts wait until release is called, once.
func (b *Bucket) Hold() (release func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	gate := make(chan struct{})
	b.held = gate
	return func() { close(gate) }
}

// Objects returns what lies in the bucket.
func (b *Bucket) Objects() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := map[string]string{}
	for name, data := range b.objects {
		list[name] = string(data)
	}
	return list
}

// Put implements media.Shelf.
func (b *Bucket) Put(ctx context.Context, object string, f *os.File, size int64, _ string) error {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err != nil {
		return err
	}
	b.mu.Lock()
	gate := b.held
	b.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	if b.objects == nil {
		b.objects = map[string][]byte{}
	}
	b.objects[object] = data
	return nil
}

// Open implements media.Shelf.
func (b *Bucket) Open(_ context.Context, object string) (io.ReadCloser, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data, found := b.objects[object]
	switch {
	case b.fail != nil:
		return nil, 0, b.fail
	case !found:
		return nil, 0, media.ErrNotThere
	}
	return io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
}

// Delete implements media.Shelf.
func (b *Bucket) Delete(_ context.Context, object string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail == nil {
		delete(b.objects, object)
	}
	return b.fail
}

// Link implements media.Bucket: a URL that shows what it was made of.
func (b *Bucket) Link(object string, valid time.Duration) (string, error) {
	return "https://bucket.example.com/" + object + "?valid=" + valid.String(), nil
}

// Check implements media.Bucket.
func (b *Bucket) Check(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fail
}
