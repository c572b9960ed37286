package listen

import (
	"testing"
	"time"
)

// TestBackoff: contract/events.md section 4, reconnecting: 1 s to 30 s, full
// jitter, reset after 60 s of health.
func TestBackoff(t *testing.T) {
	var b backoff
	ceilings := []int{1, 2, 4, 8, 16, 30, 30, 30}
	for i, ceiling := range ceilings {
		b.failures = i
		longest := time.Duration(0)
		for range 2000 {
			b.failures = i
			longest = max(longest, b.next(0))
		}
		if limit := time.Duration(ceiling) * time.Second; longest > limit+time.Millisecond || longest < limit*9/10 {
			t.Errorf("failure %d: pauses up to %s, want up to %s", i+1, longest, limit)
		}
	}
	b.failures = 7
	if b.next(59 * time.Second); b.failures != 8 {
		t.Error("59 s of health must not reset")
	}
	if b.next(60 * time.Second); b.failures != 1 {
		t.Error("60 s of health must reset")
	}
}
