package webhook_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/webhook"
)

// kill settles deliveries of a webhook as dead, or as delivered.
func (o *office) end(webhookID string, list []webhook.Delivery, state webhook.State) {
	o.t.Helper()
	ctx := o.t.Context()
	_, err := o.store.Claim(ctx, "test", false, time.Now(), time.Now().Add(time.Minute), 10)
	must(o.t, err)
	s := webhook.Settlement{WebhookID: webhookID, Release: true}
	for _, d := range list {
		s.Outcomes = append(s.Outcomes, webhook.Outcome{ID: d.ID, State: state})
	}
	must(o.t, o.store.Settle(ctx, "test", time.Now(), []webhook.Settlement{s}))
}

func (o *office) record(n int) {
	o.t.Helper()
	for range n {
		_, err := o.store.Record(o.t.Context(), sales, o.hooks, event.TypeCall, nil)
		must(o.t, err)
	}
}

func (o *office) deliveries(q webhook.Query) []webhook.Delivery {
	o.t.Helper()
	list, _, err := o.Deliveries(o.t.Context(), sales, q)
	must(o.t, err)
	return list
}

// Section 5, deliveries: newest first, 50 a page, at most 200, with cursors.
func TestDeliveries(t *testing.T) {
	o := newOffice(t)
	if list, next, err := o.Deliveries(t.Context(), sales, webhook.Query{}); list == nil || len(list) != 0 || next != "" || err != nil {
		t.Errorf("empty log: %v %q %v", list, next, err)
	}
	o.set(enabled("a"))
	o.record(120)
	seen, pages := int64(121), 0
	for q := (webhook.Query{}); ; {
		list, next, err := o.Deliveries(t.Context(), sales, q)
		must(t, err)
		for _, d := range list {
			if seen--; d.Sequence != seen {
				t.Fatalf("sequence %d, want %d", d.Sequence, seen)
			}
		}
		pages++
		if next == "" {
			break
		}
		if len(list) != 50 {
			t.Errorf("page of %d", len(list))
		}
		q.Before = next
	}
	if seen != 1 || pages != 3 {
		t.Errorf("%d pages, down to %d", pages, seen)
	}
	for _, tc := range []struct {
		q      webhook.Query
		detail [2]string
	}{
		{webhook.Query{Limit: 201}, [2]string{"limit", "must be 1 to 200"}},
		{webhook.Query{Limit: -1}, [2]string{"limit", "must be 1 to 200"}},
		{webhook.Query{State: "gone"}, [2]string{"state", "must be one of pending, delivered, dead"}},
		{webhook.Query{Event: "x"}, [2]string{"event", "must be one of " + event.AllowedNames()}},
	} {
		_, _, err := o.Deliveries(t.Context(), sales, tc.q)
		wantFault(t, err, detail(tc.detail[0], tc.detail[1]))
	}
}

// Section 5, redeliver: one delivery, or all dead ones of a label.
func TestRedeliver(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	w := o.set(enabled("a"))
	o.record(1203)
	all := o.deliveries(webhook.Query{Limit: 3})
	_, err := o.Redeliver(ctx, sales, all[0].ID, "")
	wantFault(t, err, fault.New(fault.Conflict, "Delivery is still pending"))
	o.end(w.ID, all[:1], webhook.Delivered)
	list, _, err := o.store.ListDeliveries(ctx, sales, webhook.Query{State: webhook.Pending, Limit: 2000})
	must(t, err)
	o.end(w.ID, list, webhook.Dead)

	o.changed = nil
	for _, d := range all[:2] {
		if n, err := o.Redeliver(ctx, sales, d.ID, ""); n != 1 || err != nil {
			t.Errorf("one: %d, %v", n, err)
		}
	}
	if diff := cmp.Diff([]string{w.ID, w.ID}, o.changed); diff != "" {
		t.Errorf("the worker was told (-want +got):\n%s", diff)
	}
	o.changed = nil
	if n, err := o.Redeliver(ctx, sales, "", "a"); n != 1201 || err != nil {
		t.Errorf("all dead ones: %d, %v", n, err)
	}
	if len(o.changed) == 0 || o.changed[0] != w.ID {
		t.Error("the worker was not told")
	}
	if n, err := o.Redeliver(ctx, sales, "", "a"); n != 0 || err != nil {
		t.Errorf("none is dead: %d, %v", n, err)
	}
}

func TestRedeliverRefused(t *testing.T) {
	o := newOffice(t)
	w := o.set(enabled("a"))
	o.record(1)
	dead := o.deliveries(webhook.Query{})
	o.end(w.ID, dead, webhook.Dead)
	off := enabled("a")
	off.Enabled = new(false)
	o.set(off)
	one := detail("id", "exactly one of id and label is required")
	isOff := fault.New(fault.Conflict, "Webhook is disabled")
	for name, tc := range map[string]struct {
		id, label string
		want      *fault.Error
	}{
		"neither":          {"", "", one},
		"both":             {"x", "a", one},
		"unknown delivery": {"x", "", fault.New(fault.NotFound, "Delivery not found")},
		"unknown label":    {"", "b", fault.New(fault.NotFound, "Webhook not configured for this label")},
		"disabled":         {dead[0].ID, "", isOff},
		"disabled label":   {"", "a", isOff},
	} {
		_, err := o.Redeliver(t.Context(), sales, tc.id, tc.label)
		t.Run(name, func(t *testing.T) { wantFault(t, err, tc.want) })
	}
	if got := o.deliveries(webhook.Query{})[0].State; got != webhook.Dead {
		t.Errorf("state %s", got)
	}
	o.store.Fail(errors.New("disk full"))
	if _, err := o.Redeliver(t.Context(), sales, "", "a"); fault.KindOf(err) != fault.Internal {
		t.Errorf("got %v", err)
	}
}
