package listen

import (
	"math/rand/v2"
	"time"
)

// The reconnect rule of the event contract: exponential from 1 s to 30 s with
// full jitter, reset after 60 s of health.
const (
	firstPause  = time.Second
	longestWait = 30 * time.Second
	healthy     = 60 * time.Second
)

// backoff counts failures in a row.
type backoff struct {
	failures int
}

// next returns how long to wait before the next attempt. lived is how long the
// connection that just ended had lasted.
func (b *backoff) next(lived time.Duration) time.Duration {
	if lived >= healthy {
		b.failures = 0
	}
	ceiling := min(firstPause<<min(b.failures, 5), longestWait)
	b.failures++
	return rand.N(ceiling) + time.Millisecond
}
