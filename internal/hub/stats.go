package hub

import (
	"sync/atomic"
	"time"
)

// LatencyBuckets are the upper bounds of the publish-to-write histogram; what
// is above the last falls into one more bucket.
var LatencyBuckets = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, time.Second,
}

type counters struct {
	opened, dropped, refused atomic.Int64
	frames, bytes, slow      atomic.Int64
	latency                  [len(LatencyBuckets) + 1]atomic.Int64
	latencySum               atomic.Int64
}

// Stats is what the operator sees. Counters run since New.
type Stats struct {
	Clients    int            // connected now
	Polled     int            // of those, how many cost no goroutine
	ByInstance map[string]int // of those, by instance ID; only instances with some
	Opened     int64          // clients that were ever connected
	Refused    int64          // clients closed for what they sent: 1002, 1007, 1009
	Dropped    int64          // clients ended without a close frame: silent, stalled, or closing too slowly
	Frames     int64          // events written, once for each client
	Bytes      int64          // the same in bytes, control frames included
	Slow       int64          // clients cut with CloseSlow
	LagMemory  int64          // bytes kept for laggards alone
	Latency    Histogram      // from Publish until the last client in step had its write
}

// Histogram counts events by latency: Counts[i] is those up to
// LatencyBuckets[i], not cumulative; the last is the rest.
type Histogram struct {
	Counts [len(LatencyBuckets) + 1]int64
	Sum    time.Duration
}

// observe notes how long the frames of a round took.
func (h *Hub) observe(b *batch) {
	now := h.now()
	for _, f := range b.frames {
		took := now - f.at
		i := 0
		for i < len(LatencyBuckets) && took > int64(LatencyBuckets[i]) {
			i++
		}
		h.stats.latency[i].Add(1)
		h.stats.latencySum.Add(took)
	}
}

// Stats reads the counters.
func (h *Hub) Stats() Stats {
	st := Stats{
		Clients: int(h.total.Load()), ByInstance: map[string]int{},
		Polled: h.polledNow(),
		Opened: h.stats.opened.Load(), Refused: h.stats.refused.Load(), Dropped: h.stats.dropped.Load(),
		Frames: h.stats.frames.Load(), Bytes: h.stats.bytes.Load(), Slow: h.stats.slow.Load(),
		LagMemory: h.lag.Load(),
		Latency:   Histogram{Sum: time.Duration(h.stats.latencySum.Load())},
	}
	for i := range st.Latency.Counts {
		st.Latency.Counts[i] = h.stats.latency[i].Load()
	}
	for _, s := range h.allStreams() {
		if n := int(s.count.Load()); n > 0 {
			st.ByInstance[s.id] = n
		}
	}
	return st
}
