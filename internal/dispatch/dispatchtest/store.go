package dispatchtest

import (
	"context"
	"sync"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/webhook"
)

// Store keeps configurations and numbers events, and knows repeats of messages
// by chat, sender and ID. Its zero value is ready.
type Store struct {
	mu       sync.Mutex // guards the rest
	fail     error
	configs  map[string]dispatch.WebSocket
	sequence map[string]int64
	seen     map[[4]string]bool
	recorded []*event.Event
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

// Record implements dispatch.Store.
func (s *Store) Record(_ context.Context, instanceID string, items []dispatch.Item, events []*event.Event, _ dispatch.Outbox) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if s.seen == nil {
		s.seen, s.sequence = map[[4]string]bool{}, map[string]int64{}
	}
	for i, item := range items {
		if m := item.Message; m != nil {
			key := [4]string{instanceID, m.ChatKey, m.SenderKey, m.ID}
			if s.seen[key] {
				continue
			}
			s.seen[key] = true
		}
		if events[i] != nil {
			s.sequence[instanceID]++
			events[i].Sequence = s.sequence[instanceID]
			s.recorded = append(s.recorded, events[i])
		}
	}
	return nil
}

// ListWebhooks implements dispatch.Store: there are none.
func (s *Store) ListWebhooks(context.Context, string) ([]webhook.Webhook, error) { return nil, nil }

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
