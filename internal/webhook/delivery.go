package webhook

import (
	"time"

	"github.com/chasqui/chasqui/internal/event"
)

// State is how far a delivery got.
type State string

// The states of a delivery.
const (
	Pending   State = "pending"
	Delivered State = "delivered"
	Dead      State = "dead"
)

// Valid reports whether s is one of the three.
func (s State) Valid() bool { return s == Pending || s == Delivered || s == Dead }

// Why a delivery is dead.
const (
	ReasonExhausted = "schedule exhausted"
	ReasonDisabled  = "disabled"
	ReasonPaused    = "paused"
)

// Delivery is one event for one webhook, as the delivery log shows it. ID is a
// UUID of version 7, so that newer ones sort last; it is the webhook-id of
// every attempt.
type Delivery struct {
	ID            string
	WebhookID     string
	Label         string
	Event         event.Type
	EventID       string
	Sequence      int64
	State         State
	Reason        string // of a dead one
	CreatedAt     time.Time
	NextAttemptAt time.Time // zero unless pending
	Attempts      []Attempt // oldest first, at most KeptAttempts of the newest
}

// KeptAttempts is how many attempts of a delivery the log keeps: the newest.
const KeptAttempts = 20

// AnswerKept is how many bytes of an answer the log keeps.
const AnswerKept = 1 << 10

// Attempt is one POST. Status is 0 when no answer came; Error then says why,
// never with the URL in it.
type Attempt struct {
	At       time.Time     `json:"at"`
	Duration time.Duration `json:"duration"`
	Status   int           `json:"status,omitempty"`
	Error    string        `json:"error,omitempty"`
	Answer   string        `json:"answer,omitempty"` // its first AnswerKept bytes, valid UTF-8
}

// Query selects from the delivery log of one instance, newest first. Empty
// fields select everything. Before continues after the page that ended with
// the delivery of that ID.
type Query struct {
	Label  string
	State  State
	Event  event.Type
	Before string
	Limit  int
}
