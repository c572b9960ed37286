package app

import (
	"context"
	"time"

	"github.com/chasqui/chasqui/internal/hub"
	"github.com/chasqui/chasqui/internal/telemetry"
	"github.com/chasqui/chasqui/internal/wa"
)

// counters reads what the parts count, for the metrics. Instances appear under
// their names; a name that two accounts use is one line.
func (p *parts) counters() func() telemetry.Snapshot {
	return func() telemetry.Snapshot {
		sockets := p.hub.Stats()
		s := telemetry.Snapshot{
			Clients: map[string]int{}, States: map[string]int{},
			Frames: sockets.Frames, Bytes: sockets.Bytes, Slow: sockets.Slow, LagMemory: sockets.LagMemory,
			Polled: sockets.Polled, Opened: sockets.Opened, Refused: sockets.Refused, Dropped: sockets.Dropped,
			Latency: latency(sockets.Latency), WhatsApp: engineCounters(p.engine.Stats()),
			Webhooks: p.webhookCounters(), Downloads: p.library.Downloads(),
		}
		s.Recorded, s.HandedOn = p.dispatcher.Produced()
		instances, err := p.db.ListInstances(context.Background(), "")
		if err != nil {
			p.log.Error("metrics without instances", "error", err)
		}
		for _, in := range instances {
			s.States[string(p.instances.Status(in).State)]++
			if n := sockets.ByInstance[in.ID]; n > 0 {
				s.Clients[in.Name] += n
			}
		}
		return s
	}
}

func (p *parts) webhookCounters() telemetry.Webhooks {
	done := p.worker.Stats()
	w := telemetry.Webhooks{
		Deliveries: map[string]int64{"delivered": done.Delivered, "parked": done.Parked, "dead": done.Dead + p.db.Died()},
		Attempts:   map[string]int64{"succeeded": done.Succeeded, "failed": done.Failed, "put_back": done.PutBack},
		Running:    map[string]int{"fast": done.FastRunning, "slow": done.SlowRunning},
		Failures:   done.SettleFailures,
	}
	depths, err := p.db.QueueStats(context.Background())
	if err != nil {
		p.log.Error("metrics without the queue of webhooks", "error", err)
	}
	for _, d := range depths {
		q := telemetry.Queue{State: string(d.State), Pending: d.Pending}
		if !d.Oldest.IsZero() {
			q.Oldest = max(0, time.Since(d.Oldest))
		}
		w.Queue = append(w.Queue, q)
	}
	return w
}

func latency(h hub.Histogram) telemetry.Latency {
	l := telemetry.Latency{Sum: h.Sum, Buckets: map[float64]uint64{}}
	for i, n := range h.Counts {
		l.Count += uint64(n) //nolint:gosec // counters are never negative
		if i < len(hub.LatencyBuckets) {
			l.Buckets[hub.LatencyBuckets[i].Seconds()] = l.Count
		}
	}
	return l
}

func engineCounters(s wa.Stats) map[string]int64 {
	return map[string]int64{
		"undecryptable": s.Undecryptable, "old_counters": s.OldCounters, "placeholders": s.Placeholders,
		"record_failures": s.RecordFailures, "lost": s.Lost, "resets": s.Resets, "panics": s.Panics,
	}
}
