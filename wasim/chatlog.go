package wasim

import (
	"context"
	"sync"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
)

// Bounds of a phone's memory. The oldest is forgotten first.
const (
	keptReceived = 10_000
	keptLogged   = 10_000
)

// logged is a message that a phone has sent or seen, as later messages refer to it: quotes, reactions, edits, votes,
// retries.
type logged struct {
	id      string
	chat    types.JID // group, or the other person as the message was addressed
	sender  types.JID // without device, as the message was addressed
	fromMe  bool
	message *waE2E.Message
}

// chatLog is a phone's memory of messages.
type chatLog struct {
	mu       sync.Mutex // guards the fields below
	messages map[string]*logged
	order    []string
	received []Received
	dropped  int           // how many of received were forgotten
	changed  chan struct{} // closed and replaced when received grows
}

func newChatLog() *chatLog {
	return &chatLog{messages: map[string]*logged{}, changed: make(chan struct{})}
}

// record remembers a message. It reports false if the id is known already: a message that is delivered again.
func (l *chatLog) record(m *logged) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.messages[m.id] != nil {
		return false
	}
	l.messages[m.id] = m
	l.order = append(l.order, m.id)
	if len(l.order) > keptLogged {
		delete(l.messages, l.order[0])
		l.order = l.order[1:]
	}
	return true
}

func (l *chatLog) find(id string) *logged {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.messages[id]
}

// show adds a message to what the person has received.
func (l *chatLog) show(r Received) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.received = append(l.received, r)
	if len(l.received) > keptReceived {
		l.received = l.received[1:]
		l.dropped++
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// since returns what was received from a position on, the position after it, and a channel that is closed at the next
// one.
func (l *chatLog) since(position int) ([]Received, int, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := max(0, position-l.dropped)
	return append([]Received(nil), l.received[from:]...), l.dropped + len(l.received), l.changed
}

// Messages returns what the person has received, decrypted, oldest first. With the id of a message only what came
// after it; an unknown id is like none. The newest 10,000 are kept.
func (p *Phone) Messages(after string) []Received {
	all, _, _ := p.history.since(0)
	for i, r := range all {
		if after != "" && r.ID == after {
			return all[i+1:]
		}
	}
	return all
}

// Wait returns the first message, received before or from now on, that match accepts, or the context's error.
func (p *Phone) Wait(ctx context.Context, match func(Received) bool) (Received, error) {
	position := 0
	for {
		fresh, next, changed := p.history.since(position)
		for _, r := range fresh {
			if match(r) {
				return r, nil
			}
		}
		position = next
		select {
		case <-changed:
		case <-ctx.Done():
			return Received{}, ctx.Err()
		}
	}
}
