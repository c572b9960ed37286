package payload_test

import (
	"encoding/json"
	"testing"

	"github.com/chasqui/chasqui/bench/fanout/payload"
)

func TestEventsHaveTheSizeAndTheMarker(t *testing.T) {
	for _, size := range []int{1024, 4096, 1 << 20} {
		p := payload.NewMaker(size).Make(0xfedcba98, 1_234_567_890_123)
		if len(p) != size {
			t.Errorf("size %d: %d bytes", size, len(p))
		}
		if !json.Valid(p) {
			t.Errorf("size %d: not JSON", size)
		}
		for _, hint := range []int{0, 7, 42, size} {
			e, end, ok := payload.Scan(p, hint)
			if want := (payload.Event{Number: 0xfedcba98, At: 1_234_567_890_123}); !ok || e != want {
				t.Errorf("size %d, hint %d: %+v, %v", size, hint, e, ok)
			}
			if got := string(p[end : end+2]); got != `",` {
				t.Errorf("after the marker comes %q", got)
			}
		}
	}
}

func TestScanFindsNothingInBrokenMarkers(t *testing.T) {
	for _, p := range []string{"", "bench:", "bench:0000000g:0000000000000000", "bench:00000001:000000000000000", "other"} {
		if e, _, ok := payload.Scan([]byte(p), 0); ok {
			t.Errorf("%q: %+v", p, e)
		}
	}
}
