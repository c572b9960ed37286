package webhooktest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/webhook"
)

// Memory is a webhook.Store and webhook.Queue in memory, with the lease rules
// of a real one. The zero value is ready. It is safe for concurrent use.
type Memory struct {
	mu     sync.Mutex // guards the rest
	hooks  map[string]*hook
	rows   map[string]*row
	bodies map[string][]byte
	events int64
	calls  map[string]int
	failed error
}

type hook struct {
	webhook.Webhook
	revision int64
	owner    string
	until    time.Time
	rows     []*row // by sequence
}

type row struct {
	webhook.Delivery
	job        webhook.Job
	next       time.Time
	generation int64
}

// Fail makes every call fail with err, until it is called with nil.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = err
}

// Calls returns how often a method was called.
func (m *Memory) Calls(method string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[method]
}

// enter locks and counts; whoever calls it unlocks.
func (m *Memory) enter(method string) error {
	m.mu.Lock()
	if m.hooks == nil {
		m.hooks, m.rows = map[string]*hook{}, map[string]*row{}
		m.bodies, m.calls = map[string][]byte{}, map[string]int{}
	}
	m.calls[method]++
	return m.failed
}

// Record leaves a delivery of one event for each hook whose filter allows it,
// and returns the event's ID.
func (m *Memory) Record(_ context.Context, instanceID string, hooks []webhook.Hook, t event.Type, body []byte) (string, error) {
	err := m.enter("Record")
	defer m.mu.Unlock()
	if err != nil {
		return "", err
	}
	m.events++
	now := time.Now()
	eventID := fmt.Sprintf("evt_%06d", m.events)
	m.bodies[eventID] = body
	for _, h := range hooks {
		if !h.Filter.Allows(t) {
			continue
		}
		id := uuid.Must(uuid.NewV7()).String()
		r := &row{generation: h.Generation, next: now}
		r.Delivery = webhook.Delivery{
			ID: id, WebhookID: h.ID, Label: m.hooks[h.ID].Label, Event: t, EventID: eventID,
			Sequence: m.events, State: webhook.Pending, CreatedAt: now,
		}
		r.job = webhook.Job{ID: id, EventID: eventID, Event: t, Sequence: m.events, BodyID: eventID, BodySize: int64(len(body))}
		if len(body) <= webhook.InlineBody {
			r.job.Body = body
		}
		m.rows[id] = r
		m.hooks[h.ID].rows = append(m.hooks[h.ID].rows, r)
	}
	return eventID, nil
}

// ListWebhooks implements webhook.Store.
func (m *Memory) ListWebhooks(_ context.Context, instanceID string) ([]webhook.Webhook, error) {
	err := m.enter("ListWebhooks")
	defer m.mu.Unlock()
	var list []webhook.Webhook
	for _, h := range m.hooks {
		if h.InstanceID == instanceID {
			list = append(list, h.Webhook)
		}
	}
	slices.SortFunc(list, func(a, b webhook.Webhook) int { return cmp.Compare(a.Label, b.Label) })
	return list, err
}

// PutWebhook implements webhook.Store.
func (m *Memory) PutWebhook(_ context.Context, w webhook.Webhook) error {
	err := m.enter("PutWebhook")
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	if h := m.hooks[w.ID]; h != nil {
		w.Generation = max(w.Generation, h.Generation)
		h.Webhook = w
		h.revision++
	} else {
		m.hooks[w.ID] = &hook{Webhook: w}
	}
	return nil
}

// ListDeliveries implements webhook.Store.
func (m *Memory) ListDeliveries(_ context.Context, instanceID string, q webhook.Query) ([]webhook.Delivery, string, error) {
	err := m.enter("ListDeliveries")
	defer m.mu.Unlock()
	var list []webhook.Delivery
	for _, r := range m.rows {
		d := r.Delivery
		if m.hooks[d.WebhookID].InstanceID != instanceID || q.Before != "" && d.ID >= q.Before ||
			q.Label != "" && d.Label != q.Label || q.State != "" && d.State != q.State || q.Event != "" && d.Event != q.Event {
			continue
		}
		if d.State == webhook.Pending {
			d.NextAttemptAt = r.next
		}
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b webhook.Delivery) int { return cmp.Compare(b.ID, a.ID) })
	return list[:min(len(list), q.Limit)], "", err
}

// Requeue implements webhook.Store.
func (m *Memory) Requeue(_ context.Context, instanceID, id string, now time.Time) (webhook.State, string, bool, error) {
	err := m.enter("Requeue")
	defer m.mu.Unlock()
	r := m.rows[id]
	if err != nil || r == nil || m.hooks[r.WebhookID].InstanceID != instanceID {
		return "", "", false, err
	}
	was := r.State
	if was != webhook.Pending && m.hooks[r.WebhookID].Enabled {
		m.requeue(r, now)
	}
	return was, r.WebhookID, true, nil
}

func (m *Memory) requeue(r *row, now time.Time) {
	r.State, r.Reason, r.next, r.generation = webhook.Pending, "", now, m.hooks[r.WebhookID].Generation
	r.job.Parked, r.job.Failures, r.job.EventFailures, r.job.FirstAttempt = true, 0, 0, time.Time{}
}

// RequeueDead implements webhook.Store.
func (m *Memory) RequeueDead(_ context.Context, webhookID string, now time.Time, limit int) (int, error) {
	err := m.enter("RequeueDead")
	defer m.mu.Unlock()
	if err != nil || !m.hooks[webhookID].Enabled {
		return 0, err
	}
	dead := m.of(webhookID, func(r *row) bool { return r.State == webhook.Dead })
	dead = dead[:min(len(dead), limit)]
	for _, r := range dead {
		m.requeue(r, now)
	}
	return len(dead), nil
}

// of returns rows of a webhook by sequence.
func (m *Memory) of(webhookID string, ok func(*row) bool) []*row {
	var list []*row
	for _, r := range m.hooks[webhookID].rows {
		if ok(r) {
			list = append(list, r)
		}
	}
	return list
}

// OpenBody implements webhook.Queue.
func (m *Memory) OpenBody(_ context.Context, bodyID string) (io.ReadCloser, error) {
	err := m.enter("OpenBody")
	defer m.mu.Unlock()
	body, ok := m.bodies[bodyID]
	if err == nil && !ok {
		err = errors.New("the body is gone")
	}
	return io.NopCloser(bytes.NewReader(body)), err
}

// DropBodies makes every body gone.
func (m *Memory) DropBodies() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.bodies)
}
