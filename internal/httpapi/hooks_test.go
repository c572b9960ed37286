package httpapi_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/webhook"
)

// hooks is the store, the changer and the sender below the real
// webhook.Service: the world keeps webhooks and their log in memory.
type hooks struct{ *world }

// service returns the rules of package webhook over the world.
func (w hooks) service() *webhook.Service {
	return webhook.NewService(w, w, w, webhook.ServiceOptions{Now: func() time.Time { return birth }})
}

func (w hooks) ChangeHooks(_ string, change func() ([]webhook.Hook, error)) error {
	_, err := change()
	return err
}

func (w hooks) CheckURL(url string) error {
	if strings.Contains(url, "169.254.169.254") {
		return errors.New("a metadata address")
	}
	return nil
}

func (w hooks) Post(context.Context, webhook.Request) (webhook.Response, error) {
	return webhook.Response{}, errors.New("the world sends nothing")
}

func (w hooks) ListWebhooks(_ context.Context, instanceID string) ([]webhook.Webhook, error) {
	unlock, err := w.lock("Webhooks.List")
	defer unlock()
	return slices.Clone(w.webhooks[instanceID]), err
}

func (w hooks) PutWebhook(_ context.Context, hook webhook.Webhook) error {
	unlock, err := w.lock("Webhooks.Put")
	defer unlock()
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(w.webhooks[hook.InstanceID], func(old webhook.Webhook) bool { return old.Label == hook.Label })
	list = append(list, hook)
	slices.SortFunc(list, func(a, b webhook.Webhook) int { return strings.Compare(a.Label, b.Label) })
	w.webhooks[hook.InstanceID] = list
	return nil
}

func (w hooks) ListDeliveries(_ context.Context, instanceID string, q webhook.Query) ([]webhook.Delivery, string, error) {
	unlock, err := w.lock("Webhooks.Deliveries")
	defer unlock()
	var found []webhook.Delivery
	for _, d := range w.deliveries[instanceID] { // newest first
		if (q.Label == "" || d.Label == q.Label) && (q.State == "" || d.State == q.State) &&
			(q.Event == "" || d.Event == q.Event) && (q.Before == "" || d.ID < q.Before) && len(found) < q.Limit {
			found = append(found, d)
		}
	}
	return found, "", err
}

func (w hooks) Requeue(_ context.Context, instanceID, id string, _ time.Time) (webhook.State, string, bool, error) {
	unlock, err := w.lock("Webhooks.Requeue")
	defer unlock()
	for i := range w.deliveries[instanceID] {
		if d := &w.deliveries[instanceID][i]; d.ID == id {
			was := d.State
			d.State = webhook.Pending
			return was, d.WebhookID, true, err
		}
	}
	return "", "", false, err
}

func (w hooks) RequeueDead(_ context.Context, webhookID string, _ time.Time, limit int) (int, error) {
	unlock, err := w.lock("Webhooks.Requeue")
	defer unlock()
	n := 0
	for _, list := range w.deliveries {
		for i := range list {
			if d := &list[i]; d.WebhookID == webhookID && d.State == webhook.Dead && n < limit {
				d.State = webhook.Pending
				n++
			}
		}
	}
	return n, err
}

// hookOf makes a webhook of sales as it is stored.
func (w *world) hookOf(label string, change func(*webhook.Webhook)) {
	hook := webhook.Webhook{
		ID: "hook-" + label, InstanceID: "id-sales", Label: label, Enabled: true,
		URL: "https://" + label + ".example/hook", Ordering: webhook.Strict,
	}
	if change != nil {
		change(&hook)
	}
	_ = hooks{w}.PutWebhook(context.Background(), hook) // fails only when told to
}

// deliveryIDs of the world, newest first.
const (
	newestID  = "0197d0a2-6c1e-7b52-9a55-3f1f0c9e2d14"
	middleID  = "0197d0a2-6c1e-7b52-9a55-3f1f0c9e2d13"
	oldestID  = "0197d0a2-6c1e-7b52-9a55-3f1f0c9e2d12"
	foreignID = "0197d0a2-6c1e-7b52-9a55-3f1f0c9e2d11"
)

// fillLog gives sales a delivery of each state.
func (w *world) fillLog() {
	w.hookOf("default", nil)
	w.deliveries["id-sales"] = []webhook.Delivery{
		{
			ID: newestID, WebhookID: "hook-default", Label: "default", Event: event.TypeStatus, EventID: "evt_3", Sequence: 1044,
			State: webhook.Pending, CreatedAt: birth, NextAttemptAt: birth.Add(5 * time.Second),
			Attempts: []webhook.Attempt{{At: birth, Duration: 12 * time.Millisecond, Status: 503, Answer: "busy"}},
		},
		{
			ID: middleID, WebhookID: "hook-default", Label: "default", Event: event.TypeMessage, EventID: "evt_2", Sequence: 1043,
			State: webhook.Delivered, CreatedAt: birth,
			Attempts: []webhook.Attempt{{At: birth, Duration: 9 * time.Millisecond, Status: 204}},
		},
		{
			ID: oldestID, WebhookID: "hook-default", Label: "default", Event: event.TypeMessage, EventID: "evt_1", Sequence: 1042,
			State: webhook.Dead, Reason: webhook.ReasonExhausted, CreatedAt: birth,
			Attempts: []webhook.Attempt{{At: birth, Duration: 15 * time.Second, Error: "timeout"}},
		},
	}
	w.deliveries["id-rival"] = []webhook.Delivery{{ID: foreignID, WebhookID: "hook-rival", Label: "default", State: webhook.Dead}}
}
