package telemetry_test

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/telemetry"
)

// TestLogFormat: contract/cli.md, log_format: json unless it is a terminal or
// text is asked for.
func TestLogFormat(t *testing.T) {
	for format, start := range map[string]string{"": "{", "json": "{", "text": "time="} {
		var b bytes.Buffer
		telemetry.NewLogger(&b, format).Info("hello")
		if !strings.HasPrefix(b.String(), start) {
			t.Errorf("format %q writes %s", format, &b)
		}
	}
}

func TestQuietKeepsWarnings(t *testing.T) {
	var b bytes.Buffer
	log := telemetry.Quiet(telemetry.NewLogger(&b, "text")).With("k", "v").WithGroup("g")
	log.Info("dropped")
	log.Warn("kept")
	if got := b.String(); strings.Contains(got, "dropped") || !strings.Contains(got, "kept") || !strings.Contains(got, "k=v") {
		t.Errorf("wrote %s", got)
	}
}

// TestMetricsAreReadAtEachScrape: contract/events.md section 8. What nobody was
// there for is events produced less events handed on, computed when scraped.
func TestMetricsAreReadAtEachScrape(t *testing.T) {
	recorded := int64(10)
	metrics := telemetry.NewMetrics(func() telemetry.Snapshot {
		recorded++
		return telemetry.Snapshot{
			Clients: map[string]int{"sales": 2, "support": 1}, Frames: 7, Slow: 1, Polled: 2, Opened: 9, Refused: 4, Dropped: 5, Recorded: recorded, HandedOn: 4,
			Latency: telemetry.Latency{Count: 3, Sum: time.Second, Buckets: map[float64]uint64{0.001: 2}},
			States:  map[string]int{"connected": 2}, WhatsApp: map[string]int64{"undecryptable": 5},
			Webhooks: telemetry.Webhooks{
				Deliveries: map[string]int64{"delivered": 8, "dead": 1}, Attempts: map[string]int64{"failed": 3},
				Running: map[string]int{"slow": 2}, Failures: 9,
				Queue: []telemetry.Queue{{State: "failing", Pending: 6, Oldest: 90 * time.Second}},
			},
			Downloads: map[string]int64{"expired": 4},
		}
	})
	for _, dropped := range []string{"7", "8"} {
		w := httptest.NewRecorder()
		metrics.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		for _, want := range []string{
			"chasqui_events_dropped_idle_total " + dropped, `chasqui_websocket_clients{instance="sales"} 2`,
			"chasqui_websocket_clients_connected 3", "chasqui_websocket_frames_sent_total 7", "chasqui_websocket_slow_disconnects_total 1",
			"chasqui_websocket_clients_polled 2", "chasqui_websocket_opened_total 9",
			"chasqui_websocket_refused_total 4", "chasqui_websocket_dropped_total 5",
			`chasqui_websocket_publish_to_write_seconds_bucket{le="0.001"} 2`, "chasqui_websocket_publish_to_write_seconds_count 3",
			`chasqui_instances{state="connected"} 2`, `chasqui_whatsapp_total{what="undecryptable"} 5`,
			`chasqui_webhook_deliveries_total{outcome="delivered"} 8`, `chasqui_webhook_deliveries_total{outcome="dead"} 1`,
			`chasqui_webhook_attempts_total{outcome="failed"} 3`, `chasqui_webhook_attempts_running{pool="slow"} 2`,
			"chasqui_webhook_settle_failures_total 9",
			`chasqui_webhook_queue_depth{state="failing"} 6`, `chasqui_webhook_queue_oldest_seconds{state="failing"} 90`,
			`chasqui_media_downloads_total{outcome="expired"} 4`,
		} {
			if !strings.Contains(w.Body.String(), want+"\n") {
				t.Errorf("no line %q in:\n%s", want, w.Body)
			}
		}
	}
}
