package webhook

import (
	"context"
	"io"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/media"
)

// Store keeps the configurations and the delivery log; package store has it.
type Store interface {
	// ListWebhooks returns all webhooks of an instance, sorted by label.
	ListWebhooks(ctx context.Context, instanceID string) ([]Webhook, error)
	// PutWebhook inserts the webhook, or replaces the row of its ID whole, but
	// for a Generation that is higher there already, which stays. If
	// it is enabled, its line becomes due. If Generation rose, up to 500
	// pending deliveries of older ones become dead in the same transaction; the
	// worker buries the rest.
	PutWebhook(ctx context.Context, w Webhook) error
	// ListDeliveries returns a page of the log. An unknown label gives none. The
	// store looks at a bounded number of deliveries at a time; if it did not come
	// to the end of the log, further is the Query.Before to go on with.
	ListDeliveries(ctx context.Context, instanceID string, q Query) (list []Delivery, further string, err error)
	// Requeue makes a dead or delivered delivery of an enabled webhook pending
	// again: parked, due at now, of its webhook's generation, with the schedule
	// from the start and the old attempts kept in the log. found is false if
	// the instance has none of that ID; state is what it was.
	Requeue(ctx context.Context, instanceID, id string, now time.Time) (state State, webhookID string, found bool, err error)
	// RequeueDead does the same to at most limit dead deliveries of a webhook,
	// oldest first, and returns how many.
	RequeueDead(ctx context.Context, webhookID string, now time.Time, limit int) (int, error)
}

// Line is a claimed webhook with what the worker must know to go on.
type Line struct {
	Webhook Webhook
}

// Job is a delivery that may be attempted now. Body is empty when it is longer
// than InlineBody; it is then read through Queue.OpenBody.
type Job struct {
	ID            string
	EventID       string
	Event         event.Type
	Sequence      int64
	Parked        bool
	Failures      int       // failed attempts since it was queued
	EventFailures int       // of these, those that were about the event itself
	FirstAttempt  time.Time // zero before the first
	BodyID        string
	BodySize      int64
	Body          []byte
}

// InlineBody is the longest body that a Job brings along, in bytes.
const InlineBody = 64 << 10

// Load is what a line has to do: the jobs, in the order in which they have to
// be attempted, and when there is more if they are done or there are none
// (zero: not before another event). Parked jobs that are due come first, by
// their time; then the line's own, by sequence, up to the first that is not
// due yet.
type Load struct {
	Webhook Webhook // as it is now
	// Revision rises with each PutWebhook of the webhook.
	Revision int64
	Jobs     []Job
	Next     time.Time
}

// Outcome is what one attempt changes. Exactly one of the following holds:
// State is Delivered; State is Dead, with Reason; State is Pending, with
// NextAttempt.
type Outcome struct {
	ID            string
	State         State
	Reason        string
	NextAttempt   time.Time
	Parked        bool
	Failures      int
	EventFailures int
	FirstAttempt  time.Time
	Attempt       Attempt
}

// Health is what outcomes change about a webhook. A nil Health in a Settlement
// leaves it as it is.
type Health struct {
	FailingSince time.Time // zero: the last attempt succeeded
	Paused       bool
	Disabled     bool // by a 410: as a set with enabled false, but that the configuration stays readable
	Reason       string
}

// Settlement is what the worker learned about one line since the last one.
type Settlement struct {
	WebhookID string
	// Revision is that of the Load. If the webhook was put since, failures and
	// Health are about a configuration that is no more: they are dropped, and
	// the deliveries stay as they were.
	Revision int64
	Outcomes []Outcome
	Health   *Health
	// Release gives the lease back. The store computes when the line is due
	// next, in the same transaction, from what is queued then.
	Release bool
}

// Queue is the durable side of the worker. Only the owner of a line's lease
// changes its deliveries: what Settle is told by somebody else is dropped.
type Queue interface {
	// Claim leases up to limit lines that are due at now and not leased, the
	// longest due first, to owner until until: those of webhooks that fail
	// (slow) or the others. Paused and disabled webhooks are never due, but for
	// a disabled one that still has deliveries to bury.
	Claim(ctx context.Context, owner string, slow bool, now, until time.Time, limit int) ([]Line, error)
	// Renew prolongs the leases that owner still holds and returns the IDs of
	// the webhooks whose lease is lost.
	Renew(ctx context.Context, owner string, webhookIDs []string, until time.Time) (lost []string, err error)
	// NextDue is when the next unleased line is due, zero if none is.
	NextDue(ctx context.Context) (time.Time, error)
	// Load returns up to limit jobs of a line, leaving out those in skip,
	// whose outcomes are not settled yet. A webhook that is gone has the zero
	// Load, as a disabled one.
	Load(ctx context.Context, webhookID string, now time.Time, skip []string, limit int) (Load, error)
	// Bury makes up to limit pending deliveries dead with reason disabled whose
	// generation is over, and reports whether more are left.
	Bury(ctx context.Context, webhookID string, limit int) (more bool, err error)
	// Settle applies settlements in one transaction.
	Settle(ctx context.Context, owner string, now time.Time, list []Settlement) error
	// ReleaseAll ends every lease of owner, as a start after a crash does.
	ReleaseAll(ctx context.Context, owner string) error
	// OpenBody reads a body. It fails with an error if it is gone.
	OpenBody(ctx context.Context, bodyID string) (io.ReadCloser, error)
}

// Unfilled is a body that waits for a file. Plain is the event's envelope
// without the file.
type Unfilled struct {
	BodyID     string
	InstanceID string
	Message    media.Key
	Ref        media.Ref
	Plain      []byte
	CreatedAt  time.Time
}

// Bodies keeps what the Filler works on.
type Bodies interface {
	// ListUnfilled returns up to limit bodies that wait for a file and were
	// made after the one of ID after, oldest first; all if after is empty.
	ListUnfilled(ctx context.Context, after string, limit int) ([]Unfilled, error)
	// Fill stores a body for good. It lets the deliveries go on that waited for
	// it, with those of the same chat behind them up to the next one that still
	// waits, and returns the webhooks whose lines became due. size is the
	// body's length in bytes; body is read once. A body that is filled already,
	// or gone, is left alone.
	Fill(ctx context.Context, bodyID string, size int64, body io.Reader) (webhookIDs []string, err error)
}
