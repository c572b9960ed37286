package media

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/semaphore"
)

// Fetcher downloads files within limits: none larger than max bytes, and no
// more than memory bytes in flight at once. Further ones wait their turn.
type Fetcher struct {
	downloads Downloader
	max       int64
	memory    *semaphore.Weighted
}

// NewFetcher returns a fetcher. A memory below max counts as max, since a file
// of that size could never be fetched otherwise.
func NewFetcher(downloads Downloader, max, memory int64) *Fetcher {
	if memory < max {
		memory = max
	}
	return &Fetcher{downloads: downloads, max: max, memory: semaphore.NewWeighted(memory)}
}

// Loaded is a fetched file in memory. It counts against the memory until
// Release, which is called once.
type Loaded struct {
	Bytes   []byte
	Release func()
}

// Fetch returns a file. It fails with ErrTooLarge, without a download where the
// sender's own claim says so, with ErrExpired, with the context's error when
// that ended first, and with the downloader's error otherwise.
func (f *Fetcher) Fetch(ctx context.Context, instanceID string, ref Ref) (Loaded, error) {
	claim := ref.Size
	switch {
	case claim > f.max:
		return Loaded{}, ErrTooLarge
	case claim <= 0:
		claim = f.max
	}
	file, err := f.fetch(ctx, instanceID, ref, claim)
	if errors.Is(err, ErrTooLarge) && claim < f.max {
		// The claim was wrong: reserve for the worst.
		return f.fetch(ctx, instanceID, ref, f.max)
	}
	return file, err
}

func (f *Fetcher) fetch(ctx context.Context, instanceID string, ref Ref, limit int64) (Loaded, error) {
	if err := f.memory.Acquire(ctx, limit); err != nil {
		return Loaded{}, fmt.Errorf("wait for media memory: %w", err)
	}
	b, err := f.downloads.Download(ctx, instanceID, ref, limit)
	if err == nil && int64(len(b)) > limit {
		err = ErrTooLarge
	}
	if err != nil {
		f.memory.Release(limit)
		if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
			err = errors.Join(cause, err)
		}
		return Loaded{}, err
	}
	return Loaded{Bytes: b, Release: func() { f.memory.Release(limit) }}, nil
}
