package media_test

import (
	"context"
	"errors"
	"testing"

	"github.com/chasqui/chasqui/internal/media"
)

// server is a Downloader with one file.
type server struct {
	file   []byte
	limits []int64
}

func (s *server) Download(_ context.Context, _ string, _ media.Ref, limit int64) ([]byte, error) {
	s.limits = append(s.limits, limit)
	if int64(len(s.file)) > limit {
		return nil, media.ErrTooLarge
	}
	return s.file, nil
}

func TestFetch(t *testing.T) {
	for _, tc := range []struct {
		name   string
		claim  int64
		actual int
		limits []int64 // of the downloads
		err    error
	}{
		{"as claimed", 50, 50, []int64{50}, nil},
		{"no claim", 0, 50, []int64{100}, nil},
		{"larger than claimed", 10, 50, []int64{10, 100}, nil},
		{"claims too much", 101, 50, nil, media.ErrTooLarge},
		{"is too much", 50, 101, []int64{50, 100}, media.ErrTooLarge},
		{"exactly the limit", 100, 100, []int64{100}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &server{file: make([]byte, tc.actual)}
			f := media.NewFetcher(s, 100, 0)
			for range 3 { // memory for one: it must come back
				s.limits = nil
				file, err := f.Fetch(t.Context(), "i", media.Ref{Size: tc.claim})
				if !errors.Is(err, tc.err) {
					t.Fatalf("got %v, want %v", err, tc.err)
				}
				if len(s.limits) != len(tc.limits) {
					t.Fatalf("downloads with limits %d, want %d", s.limits, tc.limits)
				}
				for i := range tc.limits {
					if s.limits[i] != tc.limits[i] {
						t.Errorf("downloads with limits %d, want %d", s.limits, tc.limits)
					}
				}
				if err == nil {
					if len(file.Bytes) != tc.actual {
						t.Errorf("%d bytes, want %d", len(file.Bytes), tc.actual)
					}
					file.Release()
				}
			}
		})
	}
}

// A fetch that waits for memory gives up with its context.
func TestFetchWaitsForMemory(t *testing.T) {
	f := media.NewFetcher(&server{file: []byte("x")}, 100, 100)
	held, err := f.Fetch(t.Context(), "i", media.Ref{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Fetch(ctx, "i", media.Ref{Size: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	held.Release()
	if _, err := f.Fetch(t.Context(), "i", media.Ref{Size: 1}); err != nil {
		t.Errorf("after the release: %v", err)
	}
}
