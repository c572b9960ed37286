package media

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
)

// Budget bounds the bytes of files that are in memory at once. Who finds it
// spent waits, first come first served.
type Budget struct {
	size  int64
	bytes *semaphore.Weighted
}

// NewBudget returns a budget of size bytes.
func NewBudget(size int64) *Budget {
	return &Budget{size: size, bytes: semaphore.NewWeighted(size)}
}

// Acquire waits for n bytes, and fails when ctx ends first. More than the whole
// budget counts as the whole, since it could never be had otherwise.
func (b *Budget) Acquire(ctx context.Context, n int64) error {
	if err := b.bytes.Acquire(ctx, min(n, b.size)); err != nil {
		return fmt.Errorf("wait for media memory: %w", err)
	}
	return nil
}

// Release gives back what Acquire got for the same n.
func (b *Budget) Release(n int64) { b.bytes.Release(min(n, b.size)) }
