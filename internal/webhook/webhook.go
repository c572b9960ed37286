package webhook

import (
	"time"

	"github.com/chasqui/chasqui/internal/event"
)

// DefaultLabel is the label of a webhook that was set without one.
const DefaultLabel = "default"

// MaxEnabled is how many enabled webhooks an instance may have.
const MaxEnabled = 3

// Ordering says what may overtake a failed delivery.
type Ordering string

// The orderings. Strict lets a failure of the receiver hold the line; relaxed
// lets every failed delivery be overtaken at once.
const (
	Strict  Ordering = "strict"
	Relaxed Ordering = "relaxed"
)

// Webhook is one receiver of an instance's events. (InstanceID, Label) is its
// key for users, ID for the queue.
type Webhook struct {
	ID            string
	InstanceID    string
	Label         string
	Enabled       bool
	URL           string
	Authorization *string // sent verbatim; nil: no such header
	ByEvents      bool    // append "/<event>" to the path
	Events        []event.Type
	MediaBase64   bool
	Secret        string // whsec_…; empty: no signature
	// OldSecret signs too until OldSecretUntil, after a change of Secret.
	OldSecret      string
	OldSecretUntil time.Time
	Headers        map[string]string
	Ordering       Ordering
	// Generation rises with each disabling. Deliveries of an older one are
	// dead with reason disabled.
	Generation int64
	// Paused stops the attempts while events still queue. Reason says why it is
	// paused, or why it was disabled by the receiver (410).
	Paused bool
	Reason string
	// FailingSince is the first failure after the last success; zero if the
	// last attempt succeeded. Such a webhook belongs to the slow pool.
	FailingSince time.Time
}

// Hook is what recording an event has to know of an enabled webhook.
type Hook struct {
	ID         string
	Generation int64
	Filter     event.Filter
	Base64     bool
}

// Hook returns the webhook as recording needs it.
func (w *Webhook) Hook() Hook {
	return Hook{ID: w.ID, Generation: w.Generation, Filter: event.FilterOf(w.Events), Base64: w.MediaBase64}
}

// HooksOf returns the hooks of the enabled webhooks in list.
func HooksOf(list []Webhook) []Hook {
	var hooks []Hook
	for i := range list {
		if list[i].Enabled {
			hooks = append(hooks, list[i].Hook())
		}
	}
	return hooks
}
