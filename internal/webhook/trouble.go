package webhook

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// trouble is something that fails time after time: it is logged when it begins
// and when it is over, and tried again ever more seldom.
type trouble struct {
	mu   sync.Mutex // guards wait
	wait time.Duration
}

// failed returns how long to wait before the next try.
func (t *trouble) failed(log *slog.Logger, what string, err error) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wait == 0 {
		log.Error(what, "error", err)
		t.wait = firstRetry
		return t.wait
	}
	t.wait = min(2*t.wait, lastRetry)
	return t.wait
}

// over notes a success; what names the trouble.
func (t *trouble) over(log *slog.Logger, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wait > 0 {
		log.Info("over: " + what)
	}
	t.wait = 0
}

// sleep waits for d; false if ctx was over first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
