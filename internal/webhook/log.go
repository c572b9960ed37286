package webhook

import (
	"context"
	"slices"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
)

const (
	// DefaultPage is how many deliveries a page of the log has.
	DefaultPage = 50
	// MaxPage is the most that may be asked for.
	MaxPage = 200

	// requeueStep is how many dead deliveries are queued again in one
	// transaction.
	requeueStep = 500
)

// Deliveries returns a page of the delivery log, newest first, never nil, and
// the Query.Before of the next page, empty after the last one. Where few of many
// deliveries match, a page may have fewer than Query.Limit although there are
// more pages.
func (s *Service) Deliveries(ctx context.Context, instanceID string, q Query) (list []Delivery, next string, err error) {
	if q.Limit == 0 {
		q.Limit = DefaultPage
	}
	var wrong problems
	wrong.add(q.State != "" && !q.State.Valid(), "state", "must be one of pending, delivered, dead")
	wrong.add(q.Event != "" && !q.Event.Valid(), "event", "must be one of "+event.AllowedNames())
	wrong.add(q.Limit < 1 || q.Limit > MaxPage, "limit", "must be 1 to 200")
	if len(wrong) > 0 {
		return nil, "", fault.InvalidBody(wrong...)
	}
	page := q.Limit
	q.Limit++
	list, next, err = s.store.ListDeliveries(ctx, instanceID, q)
	if err != nil {
		return nil, "", fault.Wrap(fault.Internal, fault.MsgInternal, err)
	}
	if len(list) > page {
		list = list[:page]
		next = list[page-1].ID
	}
	if list == nil {
		list = []Delivery{}
	}
	return list, next, nil
}

// Redeliver queues one delivery again, or all dead ones of a label; exactly one
// of id and label is given. It returns how many were queued.
func (s *Service) Redeliver(ctx context.Context, instanceID, id, label string) (queued int, err error) {
	if (id == "") == (label == "") {
		return 0, fault.InvalidBody(fault.Detail{Field: "id", Reason: "exactly one of id and label is required"})
	}
	list, err := s.store.ListWebhooks(ctx, instanceID)
	if err != nil {
		return 0, notRedelivered(err)
	}
	if id != "" {
		return s.redeliverOne(ctx, instanceID, id, list)
	}
	i := byLabel(list, label)
	if i < 0 {
		return 0, fault.New(fault.NotFound, "Webhook not configured for this label")
	}
	return s.redeliverDead(ctx, &list[i])
}

func notRedelivered(err error) error { return fault.Wrap(fault.Internal, fault.MsgInternal, err) }

func disabled() error { return fault.New(fault.Conflict, "Webhook is disabled") }

func (s *Service) redeliverOne(ctx context.Context, instanceID, id string, list []Webhook) (int, error) {
	state, webhookID, found, err := s.store.Requeue(ctx, instanceID, id, s.opts.Now())
	switch {
	case err != nil:
		return 0, notRedelivered(err)
	case !found:
		return 0, fault.New(fault.NotFound, "Delivery not found")
	case state == Pending:
		return 0, fault.New(fault.Conflict, "Delivery is still pending")
	case !slices.ContainsFunc(list, func(w Webhook) bool { return w.ID == webhookID && w.Enabled }):
		return 0, disabled()
	}
	s.opts.Changed(webhookID)
	return 1, nil
}

func (s *Service) redeliverDead(ctx context.Context, w *Webhook) (queued int, err error) {
	if !w.Enabled {
		return 0, disabled()
	}
	for {
		n, err := s.store.RequeueDead(ctx, w.ID, s.opts.Now(), requeueStep)
		queued += n
		if n > 0 {
			s.opts.Changed(w.ID)
		}
		if err != nil {
			return queued, notRedelivered(err)
		}
		if n < requeueStep {
			return queued, nil
		}
	}
}
