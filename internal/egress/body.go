package egress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/chasqui/chasqui/internal/webhook"
)

var errOver = errors.New("the post is over")

// body is what a post sends. A short one is read into memory first, so that it
// can be sent again and so that an error of reading it is known before anything
// is sent. A longer one is streamed.
type body struct {
	size   int64
	small  []byte
	first  io.ReadCloser
	reopen func() (io.ReadCloser, error)

	mu      sync.Mutex // guards what follows
	streams []*stream
	err     error // of reading one of them
}

// newBody takes over r.Body.
func newBody(r webhook.Request) (*body, error) {
	if r.Body == nil {
		return &body{}, nil
	}
	b := &body{size: r.Size, reopen: r.Reopen}
	if r.Size > webhook.InlineBody {
		b.first = b.stream(r.Body)
		return b, nil
	}
	b.small = make([]byte, r.Size)
	_, err := io.ReadFull(r.Body, b.small)
	return b, errors.Join(err, r.Body.Close())
}

// open returns the body for the first time.
func (b *body) open() io.ReadCloser {
	switch {
	case b.size == 0:
		return http.NoBody
	case b.small != nil:
		return io.NopCloser(bytes.NewReader(b.small))
	}
	return b.first
}

// again returns the body anew, nil if that cannot be.
func (b *body) again() io.ReadCloser {
	if b.size <= int64(len(b.small)) {
		return b.open()
	}
	if b.reopen == nil {
		return nil
	}
	r, err := b.reopen()
	if err != nil {
		b.fail(err)
		return nil
	}
	return b.stream(r)
}

func (b *body) stream(r io.ReadCloser) io.ReadCloser {
	s := &stream{body: b, left: b.size, from: r}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.streams = append(b.streams, s)
	return s
}

func (b *body) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// finish takes the streams away from the transport. What closing one says is of
// no use by then: either all of it was read, or the post has failed.
func (b *body) finish() {
	b.mu.Lock()
	streams := b.streams
	b.mu.Unlock()
	for _, s := range streams {
		_ = s.Close()
	}
}

// explain is explain for an error of a post with this body: one of the body
// itself says nothing about the receiver.
func (b *body) explain(err error) error {
	b.mu.Lock()
	own := b.err
	b.mu.Unlock()
	if own != nil {
		return unreadable(fmt.Errorf("%w (%w)", own, err))
	}
	return explain(err)
}

// stream is one reading of a body by the transport. Its lock is held while it
// is read, so that the transport, which may go on for a moment after a post has
// failed, does not read what the caller has taken back.
type stream struct {
	body *body

	mu   sync.Mutex
	from io.ReadCloser // nil once closed
	left int64
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.from == nil {
		return 0, errOver
	}
	n, err := s.from.Read(p)
	s.left -= int64(n)
	if errors.Is(err, io.EOF) && s.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.body.fail(err)
	}
	return n, err
}

// Close implements io.Closer.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.from == nil {
		return nil
	}
	err := s.from.Close()
	s.from = nil
	return err
}
