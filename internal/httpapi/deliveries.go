package httpapi

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/webhook"
)

// DeliveriesAnswer is a page of the delivery log, newest first.
type DeliveriesAnswer struct {
	Envelope
	Deliveries []DeliveryView `json:"deliveries" nullable:"false"`
	Meta       PageMeta       `json:"meta"`
}

// PageMeta tells how to go on; NextCursor is null on the last page.
type PageMeta struct {
	NextCursor *string `json:"nextCursor"`
}

// DeliveryView is one event for one webhook. ID is the webhook-id of its
// attempts; Reason says why a dead one is dead.
type DeliveryView struct {
	ID            string        `json:"id"`
	Label         string        `json:"label"`
	Event         event.Type    `json:"event"`
	EventID       string        `json:"eventId"`
	Sequence      int64         `json:"sequence"`
	State         webhook.State `json:"state" enum:"pending,delivered,dead"`
	Reason        *string       `json:"reason"`
	CreatedAt     time.Time     `json:"createdAt"`
	NextAttemptAt *time.Time    `json:"nextAttemptAt"`
	Attempts      []AttemptView `json:"attempts" nullable:"false"`
}

// AttemptView is one POST. Status is null if no answer came, Error otherwise;
// Answer is the first KiB of the answer's body.
type AttemptView struct {
	At         time.Time `json:"at"`
	DurationMs int64     `json:"durationMs"`
	Status     *int      `json:"status"`
	Error      *string   `json:"error"`
	Answer     string    `json:"answer"`
}

func (a *api) listDeliveries(ctx context.Context, c *call, _ *none) (DeliveriesAnswer, error) {
	q, err := deliveryQuery(c.query)
	if err != nil {
		return DeliveriesAnswer{}, err
	}
	list, next, err := a.Webhooks.Deliveries(ctx, c.instance.ID, q)
	if err != nil {
		return DeliveriesAnswer{}, err
	}
	views := make([]DeliveryView, 0, len(list))
	for i := range list {
		views = append(views, viewDelivery(&list[i]))
	}
	return DeliveriesAnswer{
		Envelope:   success(fmt.Sprintf("%d deliveries found", len(views))),
		Deliveries: views, Meta: PageMeta{NextCursor: optional(toCursor(next))},
	}, nil
}

// deliveryQuery reads the query parameters; an empty one counts as absent. The
// service checks the values that it knows.
func deliveryQuery(query url.Values) (webhook.Query, error) {
	q := webhook.Query{
		Label: query.Get("label"), State: webhook.State(query.Get("state")), Event: event.Type(query.Get("event")),
		Limit: webhook.DefaultPage,
	}
	var details []fault.Detail
	if text := query.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > webhook.MaxPage {
			details = append(details, fault.Detail{
				Field: "limit", Reason: fmt.Sprintf("must be a number from 1 to %d", webhook.MaxPage),
			})
		}
		q.Limit = limit
	}
	if text := query.Get("cursor"); text != "" {
		before, ok := fromCursor(text)
		if !ok {
			details = append(details, fault.Detail{Field: "cursor", Reason: "must be a nextCursor of this route"})
		}
		q.Before = before
	}
	if len(details) > 0 {
		return webhook.Query{}, fault.InvalidBody(details...)
	}
	return q, nil
}

// toCursor hides what a page ended with, so that no client builds on it.
func toCursor(before string) string { return base64.RawURLEncoding.EncodeToString([]byte(before)) }

// fromCursor reverses toCursor; it takes only what is the ID of a delivery.
func fromCursor(cursor string) (before string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", false
	}
	id, err := uuid.ParseBytes(raw)
	return id.String(), err == nil && id.String() == string(raw)
}

func viewDelivery(d *webhook.Delivery) DeliveryView {
	view := DeliveryView{
		ID: d.ID, Label: d.Label, Event: d.Event, EventID: d.EventID, Sequence: d.Sequence,
		State: d.State, Reason: optional(d.Reason), CreatedAt: stamp(d.CreatedAt),
		Attempts: make([]AttemptView, 0, len(d.Attempts)),
	}
	if !d.NextAttemptAt.IsZero() {
		at := stamp(d.NextAttemptAt)
		view.NextAttemptAt = &at
	}
	for _, t := range d.Attempts {
		attempt := AttemptView{
			At: stamp(t.At), DurationMs: t.Duration.Milliseconds(), Error: optional(t.Error), Answer: t.Answer,
		}
		if t.Status != 0 {
			attempt.Status = &t.Status
		}
		view.Attempts = append(view.Attempts, attempt)
	}
	return view
}

// RedeliverBody is the request of POST /api/events/redeliver: exactly one of
// the two.
type RedeliverBody struct {
	ID    *string `json:"id,omitempty" doc:"A delivery that is dead or delivered"`
	Label *string `json:"label,omitempty" doc:"A webhook, all of whose dead deliveries are sent again"`
}

// RedeliverAnswer says how many deliveries were queued.
type RedeliverAnswer struct {
	Envelope
	Queued int `json:"queued"`
}

func (a *api) redeliver(ctx context.Context, c *call, b *RedeliverBody) (RedeliverAnswer, error) {
	queued, err := a.Webhooks.Redeliver(ctx, c.instance.ID, deref(b.ID), deref(b.Label))
	return RedeliverAnswer{
		Envelope: success(fmt.Sprintf("%d deliveries queued", queued)),
		Queued:   queued,
	}, err
}
