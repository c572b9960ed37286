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
	Polled    int   // clients that cost no goroutine
	Opened    int64 // clients that ever connected
	Refused   int64 // clients closed for what they sent
	Dropped   int64 // clients ended without a close frame
	Latency   Latency
	Recorded  int64 // events produced
	HandedOn  int64 // of those, events handed to a stream with clients
	States    map[string]int
	WhatsApp  map[string]int64 // counters of the engine, by what they count
	Webhooks  Webhooks
	Downloads map[string]int64 // files fetched from WhatsApp, by outcome
}

// Webhooks is how the deliveries do.
type Webhooks struct {
	Deliveries map[string]int64 // ended, by outcome
	Attempts   map[string]int64 // made, by outcome
	Running    map[string]int   // attempts in progress, by pool
	Failures   int64            // results that could not be stored at the first try
	Queue      []Queue
}

// Queue is what waits for webhooks of one state.
type Queue struct {
	State   string
	Pending int64
	Oldest  time.Duration // age of the oldest that is first in its line; zero if none
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
	polled     = desc("websocket_clients_polled", "WebSocket clients connected that cost no goroutine.")
	opened     = desc("websocket_opened_total", "WebSocket clients that ever connected.")
	refused    = desc("websocket_refused_total", "Clients closed for what they sent (1002, 1007, 1009).")
	lost       = desc("websocket_dropped_total", "Clients ended without a close frame: silent, stalled, or closing too slowly.")
	latency    = desc("websocket_publish_to_write_seconds", "From publishing an event until it was written to the clients in step.")
	recorded   = desc("events_recorded_total", "Events produced and recorded.")
	dropped    = desc("events_dropped_idle_total", "Events that no WebSocket client was there for, or that the filter held back.")
	states     = desc("instances", "Instances by connection state.", "state")
	engine     = desc("whatsapp_total", "What the WhatsApp engine counts.", "what")
	deliveries = desc("webhook_deliveries_total", "Webhook deliveries that ended, by outcome.", "outcome")
	attempts   = desc("webhook_attempts_total", "Attempts of webhook deliveries, by outcome.", "outcome")
	running    = desc("webhook_attempts_running", "Attempts in progress, by pool.", "pool")
	failures   = desc("webhook_settle_failures_total", "Times that results of attempts could not be stored.")
	depth      = desc("webhook_queue_depth", "Deliveries that wait, by the state of their webhook.", "state")
	oldest     = desc("webhook_queue_oldest_seconds", "Age of the oldest delivery that is first in its line, by the state of the webhook.", "state")
	downloads  = desc("media_downloads_total", "Files fetched from WhatsApp, by outcome.", "outcome")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("chasqui_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		clients, allClients, frames, sentBytes, slow, lagMemory, polled, opened, refused, lost, latency, recorded, dropped, states, engine,
		deliveries, attempts, running, failures, depth, oldest, downloads,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.snapshot()
	out := sink(ch)
	out.sockets(&s)
	out.count(recorded, s.Recorded)
	out.count(dropped, s.Recorded-s.HandedOn)
	for state, n := range s.States {
		out.gauge(states, float64(n), state)
	}
	out.counts(engine, s.WhatsApp)
	out.webhooks(&s.Webhooks)
	out.counts(downloads, s.Downloads)
}

// sink is where metrics go.
type sink chan<- prometheus.Metric

func (out sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (out sink) count(d *prometheus.Desc, v int64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

// counts writes counters that have one label.
func (out sink) counts(d *prometheus.Desc, byLabel map[string]int64) {
	for label, n := range byLabel {
		out.count(d, n, label)
	}
}

func (out sink) sockets(s *Snapshot) {
	total := 0
	for name, n := range s.Clients {
		total += n
		out.gauge(clients, float64(n), name)
	}
	out.gauge(allClients, float64(total))
	out.count(frames, s.Frames)
	out.count(sentBytes, s.Bytes)
	out.count(slow, s.Slow)
	out.gauge(lagMemory, float64(s.LagMemory))
	out.gauge(polled, float64(s.Polled))
	out.count(opened, s.Opened)
	out.count(refused, s.Refused)
	out.count(lost, s.Dropped)
	out <- prometheus.MustNewConstHistogram(latency, s.Latency.Count, s.Latency.Sum.Seconds(), s.Latency.Buckets)
}

func (out sink) webhooks(w *Webhooks) {
	out.counts(deliveries, w.Deliveries)
	out.counts(attempts, w.Attempts)
	for pool, n := range w.Running {
		out.gauge(running, float64(n), pool)
	}
	out.count(failures, w.Failures)
	for _, q := range w.Queue {
		out.gauge(depth, float64(q.Pending), q.State)
		out.gauge(oldest, q.Oldest.Seconds(), q.State)
	}
}
