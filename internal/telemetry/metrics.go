package telemetry

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Snapshot is what is counted elsewhere, read when somebody scrapes. Counters
// run since start.
type Snapshot struct {
	Clients   map[string]int // WebSocket clients connected, by instance name
	Frames    int64          // events written, once for each client
	Bytes     int64
	Slow      int64 // clients cut because they were too slow
	LagMemory int64 // bytes kept for laggards alone
	Latency   Latency
	Recorded  int64 // events produced
	HandedOn  int64 // of those, events handed to a stream with clients
	States    map[string]int
	WhatsApp  map[string]int64 // counters of the engine, by what they count
}

// Latency is a histogram: Buckets maps upper bounds to counts below them,
// cumulative.
type Latency struct {
	Count   uint64
	Sum     time.Duration
	Buckets map[float64]uint64 // seconds
}

// NewMetrics serves the Prometheus text of a fresh snapshot at each scrape, and
// of the process itself.
func NewMetrics(snapshot func() Snapshot) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&collector{snapshot: snapshot},
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// collector turns a snapshot into metrics.
type collector struct {
	snapshot func() Snapshot
}

var (
	clients    = desc("websocket_clients", "WebSocket clients connected, by instance.", "instance")
	allClients = desc("websocket_clients_connected", "WebSocket clients connected to all instances.")
	frames     = desc("websocket_frames_sent_total", "Events written to WebSocket clients, once for each client.")
	sentBytes  = desc("websocket_bytes_sent_total", "Bytes written to WebSocket clients.")
	slow       = desc("websocket_slow_disconnects_total", "Clients cut because they were too slow.")
	lagMemory  = desc("websocket_lag_bytes", "Bytes kept for lagging clients alone.")
	latency    = desc("websocket_publish_to_write_seconds", "From publishing an event until it was written to the clients in step.")
	recorded   = desc("events_recorded_total", "Events produced and recorded.")
	dropped    = desc("events_dropped_idle_total", "Events that no WebSocket client was there for, or that the filter held back.")
	states     = desc("instances", "Instances by connection state.", "state")
	engine     = desc("whatsapp_total", "What the WhatsApp engine counts.", "what")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("chasqui_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{clients, allClients, frames, sentBytes, slow, lagMemory, latency, recorded, dropped, states, engine} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.snapshot()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	total := 0
	for name, n := range s.Clients {
		total += n
		gauge(clients, float64(n), name)
	}
	gauge(allClients, float64(total))
	count(frames, s.Frames)
	count(sentBytes, s.Bytes)
	count(slow, s.Slow)
	gauge(lagMemory, float64(s.LagMemory))
	ch <- prometheus.MustNewConstHistogram(latency, s.Latency.Count, s.Latency.Sum.Seconds(), s.Latency.Buckets)
	count(recorded, s.Recorded)
	count(dropped, s.Recorded-s.HandedOn)
	for state, n := range s.States {
		gauge(states, float64(n), state)
	}
	for what, n := range s.WhatsApp {
		count(engine, n, what)
	}
}
