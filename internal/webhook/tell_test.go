package webhook_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/webhook"
)

// Section 8: logs name the instance and the event, here of one that goes out
// without its file.
func TestLogOfAMissingFileNamesTheEvent(t *testing.T) {
	var log bytes.Buffer
	bubble(t, "expired", func(t *testing.T) {
		f := newFiller(t, webhook.FillerOptions{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
		f.files.tell("1", answer{err: media.ErrExpired})
		f.bodies.add(unfilled(t, "sales", "1"))
		f.start()
		f.stop()
	})
	if got := log.String(); !strings.Contains(got, `"instance_id":"sales","event_id":"evt_1"`) {
		t.Errorf("logged %s", got)
	}
}
