package hub_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/hub"
)

// A clean stop is no failure of the poller, at whatever point it waits.
func TestStopIsNoFailure(t *testing.T) {
	for range 5 {
		var log bytes.Buffer
		p := open(t, hub.Options{CloseWait: 10 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		p.dial("")
		p.clients(1)
		if err := p.hub.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log.String(), "level=ERROR") {
			t.Fatalf("logged:\n%.500s", log.String())
		}
	}
}
