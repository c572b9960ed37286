package media

import (
	"context"
	"errors"

	"github.com/chasqui/chasqui/internal/event"
)

// Reason is what an event says, as media.error, about a file that Fetch could
// not give: the wait was over while nothing was wrong but the time, or the
// instance was not connected (timeout); it is too large or expired; or anything
// else (download_failed).
func Reason(err error) string {
	switch {
	case errors.Is(err, ErrTooLarge):
		return event.MediaTooLarge
	case errors.Is(err, ErrExpired):
		return event.MediaExpired
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, ErrOffline):
		return event.MediaTimeout
	}
	return event.MediaDownloadFailed
}
