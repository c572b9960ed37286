package mediatest

import (
	"context"
	"os"
	"sync"

	"github.com/chasqui/chasqui/internal/media"
)

// Source is a media.Source whose files, failures and phone the test decides on.
// A path that it knows nothing of is expired. Its zero value is ready.
type Source struct {
	// Phone answers Rerequest; nil: the phone does not have the file.
	Phone func(ctx context.Context, key media.Key, ref media.Ref) (media.Ref, error)

	mu       sync.Mutex // guards the rest
	files    map[string][]byte
	failures map[string][]error
	held     map[string]chan struct{}
	calls    []string
	asked    int
	running  int
	peak     int
}

var _ media.Source = (*Source)(nil)

// Serve puts a file at a path.
func (s *Source) Serve(path string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		s.files = map[string][]byte{}
	}
	s.files[path] = data
}

// Fail makes the next downloads from a path fail, each with one of errs.
func (s *Source) Fail(path string, errs ...error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures == nil {
		s.failures = map[string][]error{}
	}
	s.failures[path] = append(s.failures[path], errs...)
}

// Hold makes downloads from a path wait until release is called, once.
func (s *Source) Hold(path string) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = map[string]chan struct{}{}
	}
	gate := make(chan struct{})
	s.held[path] = gate
	return func() { close(gate) }
}

// Calls returns the paths of the downloads that began, in order, and how many
// ran at once at most.
func (s *Source) Calls() (paths []string, peak int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...), s.peak
}

// Asked returns how often the phone was asked.
func (s *Source) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// DownloadTo implements media.Source.
func (s *Source) DownloadTo(ctx context.Context, _ string, ref media.Ref, limit int64, f *os.File) (int64, error) {
	gate, data, err := s.begin(ref.DirectPath)
	defer s.end()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	switch {
	case err != nil:
		return 0, err
	case int64(len(data)) > limit:
		return 0, media.ErrTooLarge
	}
	if err := f.Truncate(0); err != nil {
		return 0, err
	}
	n, err := f.WriteAt(data, 0)
	return int64(n), err
}

func (s *Source) begin(path string) (gate chan struct{}, data []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, path)
	s.running++
	s.peak = max(s.peak, s.running)
	if errs := s.failures[path]; len(errs) > 0 {
		s.failures[path] = errs[1:]
		return s.held[path], nil, errs[0]
	}
	data, found := s.files[path]
	if !found {
		return s.held[path], nil, media.ErrExpired
	}
	return s.held[path], data, nil
}

func (s *Source) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
}

// Rerequest implements media.Source.
func (s *Source) Rerequest(ctx context.Context, _ string, key media.Key, ref media.Ref) (media.Ref, error) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	if s.Phone == nil {
		return media.Ref{}, media.ErrExpired
	}
	return s.Phone(ctx, key, ref)
}
