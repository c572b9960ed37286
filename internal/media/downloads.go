package media

import (
	"context"
	"errors"
	"sync/atomic"
)

// downloads counts how fetches from WhatsApp ended.
type downloads struct {
	succeeded, tooLarge, expired, damaged, givenUp, failed atomic.Int64
}

func (d *downloads) add(err error) {
	switch {
	case err == nil:
		d.succeeded.Add(1)
	case errors.Is(err, ErrTooLarge):
		d.tooLarge.Add(1)
	case errors.Is(err, ErrExpired):
		d.expired.Add(1)
	case errors.Is(err, ErrDamaged):
		d.damaged.Add(1)
	case errors.Is(err, context.Canceled), errors.Is(err, ErrOffline):
		d.givenUp.Add(1)
	default:
		d.failed.Add(1)
	}
}

// Downloads returns how the fetches from WhatsApp ended since start, by outcome.
// What was given up is fetched again when somebody asks for it.
func (l *Library) Downloads() map[string]int64 {
	d := &l.downloads
	return map[string]int64{
		"succeeded": d.succeeded.Load(), "too_large": d.tooLarge.Load(), "expired": d.expired.Load(),
		"damaged": d.damaged.Load(), "given_up": d.givenUp.Load(), "failed": d.failed.Load(),
	}
}
