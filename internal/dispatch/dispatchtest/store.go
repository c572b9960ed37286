package dispatchtest

import (
	"context"
	"slices"
	"sync"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/webhook"
)

// Store keeps configurations and numbers events, and knows repeats of messages
// by chat, sender and ID. What events leave for webhooks it only lists. Its zero
// value is ready.
type Store struct {
	mu         sync.Mutex // guards the rest
	fail       error
	configs    map[string]dispatch.WebSocket
	sequence   map[string]int64
	seen       map[[4]string]bool
	recorded   []*event.Event
	webhooks   []webhook.Webhook
	deliveries []Delivery
	kept       []string
}

// Delivery is what an event left for one hook.
type Delivery struct {
	WebhookID  string
	Generation int64
	Sequence   int64
	Waits      bool   // its body waits for a file
	Body       string // the envelope without that file
}

// SetWebhooks makes ListWebhooks return list.
func (s *Store) SetWebhooks(list ...webhook.Webhook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhooks = list
}

// Deliveries returns what the events so far left for webhooks, in order.
func (s *Store) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Delivery(nil), s.deliveries...)
}

// Kept returns the IDs of the messages whose files are wanted for a bucket.
func (s *Store) Kept() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.kept...)
}

// Fail makes every call fail with err until it is called with nil.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// Recorded returns the events stored so far, in order.
func (s *Store) Recorded() []*event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*event.Event(nil), s.recorded...)
}

// Record implements dispatch.Store. A call that fails has stored nothing.
func (s *Store) Record(_ context.Context, instanceID string, items []dispatch.Item, events []*event.Event, out dispatch.Outbox) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if s.seen == nil {
		s.seen, s.sequence = map[[4]string]bool{}, map[string]int64{}
	}
	before := len(s.deliveries)
	for i, item := range items {
		if m := item.Message; m != nil {
			key := [4]string{instanceID, m.ChatKey, m.SenderKey, m.ID}
			if s.seen[key] {
				continue
			}
			s.seen[key] = true
			if out.KeepMedia && item.Media != nil {
				s.kept = append(s.kept, m.ID)
			}
		}
		if events[i] == nil {
			continue
		}
		s.sequence[instanceID]++
		events[i].Sequence = s.sequence[instanceID]
		s.recorded = append(s.recorded, events[i])
		if err := s.leave(events[i], item.Media != nil, out); err != nil {
			return err
		}
	}
	if due := dueOf(s.deliveries[before:]); len(due) > 0 && out.Due != nil {
		out.Due(due)
	}
	return nil
}

func dueOf(list []Delivery) (webhookIDs []string) {
	for _, d := range list {
		if !d.Waits && !slices.Contains(webhookIDs, d.WebhookID) {
			webhookIDs = append(webhookIDs, d.WebhookID)
		}
	}
	return webhookIDs
}

func (s *Store) leave(e *event.Event, hasFile bool, out dispatch.Outbox) error {
	for _, h := range out.Hooks {
		if !h.Filter.Allows(e.Type()) {
			continue
		}
		body, err := out.Encode(nil, e)
		if err != nil {
			return err
		}
		s.deliveries = append(s.deliveries, Delivery{
			WebhookID: h.ID, Generation: h.Generation, Sequence: e.Sequence, Waits: h.Base64 && hasFile, Body: string(body),
		})
	}
	return nil
}

// ListWebhooks implements dispatch.Store.
func (s *Store) ListWebhooks(context.Context, string) ([]webhook.Webhook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.webhooks, s.fail
}

// GetWebSocket implements dispatch.Store.
func (s *Store) GetWebSocket(_ context.Context, instanceID string) (dispatch.WebSocket, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws, found := s.configs[instanceID]
	return ws, found, s.fail
}

// PutWebSocket implements dispatch.Store.
func (s *Store) PutWebSocket(_ context.Context, instanceID string, ws dispatch.WebSocket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if s.configs == nil {
		s.configs = map[string]dispatch.WebSocket{}
	}
	s.configs[instanceID] = ws
	return nil
}
