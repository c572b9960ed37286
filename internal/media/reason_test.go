package media_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/media"
)

// events.md 7.1: media.error says why there is no base64.
func TestReason(t *testing.T) {
	for err, want := range map[error]string{
		media.ErrTooLarge:        event.MediaTooLarge,
		media.ErrExpired:         event.MediaExpired,
		media.ErrOffline:         event.MediaTimeout,
		media.ErrDamaged:         event.MediaDownloadFailed,
		context.DeadlineExceeded: event.MediaTimeout,
		context.Canceled:         event.MediaTimeout,
		errors.New("reset"):      event.MediaDownloadFailed,
	} {
		if got := media.Reason(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
