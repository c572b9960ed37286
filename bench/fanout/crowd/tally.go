package crowd

import "github.com/chasqui/chasqui/bench/fanout/wire"

// tally counts what the clients of one name got since the last begin.
type tally struct {
	size    int64 // that frames must have; 0: any
	clients int   // that read

	deliveries, missing, repeated, late, odd, bytes int64

	first, last int64
	latency     histogram
}

// begin forgets what was counted.
func (t *tally) begin(size int) { *t = tally{size: int64(size), clients: t.clients} }

func (t *tally) frame(size int64) {
	t.bytes += size
	if t.size > 0 && size != t.size {
		t.odd++
	}
}

func (t *tally) event(made, now int64) {
	if t.deliveries == 0 {
		t.first = made
	}
	t.deliveries++
	t.last = now
	t.latency.add(now - made)
}

// total is what was counted when each client should have got each events.
func (t *tally) total(each int) wire.Tally {
	return wire.Tally{
		Deliveries: t.deliveries, Short: max(int64(each)*int64(t.clients)-t.deliveries-t.missing, 0),
		Missing: t.missing, Repeated: t.repeated, Late: t.late, Odd: t.odd, Bytes: t.bytes,
		P50: t.latency.quantile(0.5), P99: t.latency.quantile(0.99), Max: t.latency.max, First: t.first, Last: t.last,
	}
}
