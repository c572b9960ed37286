package message_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ana      = "5511988887777"
	anaJID   = ana + "@s.whatsapp.net"
	anaLID   = "9988776655@lid"
	rui      = "351911222333"
	ruiJID   = rui + "@s.whatsapp.net"
	devTeam  = "1203630001@g.us"
	ourself  = "5511999999999@s.whatsapp.net"
	instance = "id-1"
)

// wire is a small WhatsApp on which ana and rui are registered.
type wire struct {
	send func(ctx context.Context, m message.Outgoing) (message.Sent, error)

	mu      sync.Mutex // guards what follows
	offline bool
	known   []string // digits that are registered
	lookups [][]string
	sent    []message.Outgoing
	at      []time.Time
	ids     int
	failing error // of look-ups
}

func newWire() *wire { return &wire{known: []string{ana, rui}} }

// Transport makes the wire its own Transports.
func (w *wire) Transport(string) (message.Transport, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w, !w.offline
}

func (w *wire) NewID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return fmt.Sprintf("3EB0%04d", w.ids)
}

func (w *wire) Lookup(_ context.Context, numbers []string) ([]message.Number, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookups = append(w.lookups, slices.Clone(numbers))
	if w.failing != nil {
		return nil, w.failing
	}
	var out []message.Number
	for _, n := range slices.Backward(numbers) {
		if slices.Contains(w.known, n) {
			out = append(out, message.Number{Query: n, JID: n + "@s.whatsapp.net", LID: anaLID, Exists: true})
		} else {
			out = append(out, message.Number{Query: n})
		}
	}
	return out, nil
}

func (w *wire) Resolve(_ context.Context, jid string) (message.Recipient, error) {
	switch jid {
	case devTeam:
		return message.Recipient{JID: jid, Name: "Dev Team"}, nil
	case anaLID:
		return message.Recipient{JID: anaJID, LID: anaLID}, nil
	case "1@g.us":
		return message.Recipient{}, fault.New(fault.NotFound, "Group not found or you are not a member of this group")
	}
	return message.Recipient{}, nil
}

func (w *wire) GroupMembers(context.Context, string) ([]string, error) {
	return []string{"551188887777@s.whatsapp.net", ruiJID, anaLID}, nil
}

func (w *wire) Send(ctx context.Context, m message.Outgoing) (message.Sent, error) {
	if w.send != nil {
		return w.send(ctx, m)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, m)
	w.at = append(w.at, time.Now())
	return message.Sent{
		ID: m.ID, Timestamp: time.Now(),
		Sender: message.Recipient{JID: ourself, LID: "1234567890@lid", Type: event.ChatPrivate},
	}, nil
}

// quotes is the store.
type quotes map[string]message.Quote

func (q quotes) GetQuote(_ context.Context, instanceID, id string) (message.Quote, bool, error) {
	if id == "broken" {
		return message.Quote{}, false, errors.New("disk: secret")
	}
	found, ok := q[id]
	return found, ok && instanceID == instance, nil
}

var stored = quotes{
	"private": {MessageID: "private", ChatJID: anaJID, Participant: anaJID},
	"group":   {MessageID: "group", ChatJID: devTeam, Participant: ruiJID},
	"hidden":  {MessageID: "hidden", ChatJID: devTeam, Participant: anaLID},
	"ours":    {MessageID: "ours", ChatJID: devTeam, Participant: ourself, FromMe: true},
}

// previews answers with the URL as title, or fails.
type previews struct{ err error }

func (p previews) Preview(_ context.Context, url string) (*message.Preview, error) {
	if p.err != nil {
		return nil, p.err
	}
	return &message.Preview{URL: url, Title: "title of " + url}, nil
}

// within runs a test in fake time.
func within(t *testing.T, opts message.Options, test func(t *testing.T, w *wire, s *message.Service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		s := message.NewService(stored, w, previews{}, opts)
		test(t, w, s)
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func wantFault(t *testing.T, err error, kind fault.Kind, text string) {
	t.Helper()
	if !errors.Is(err, fault.New(kind, text)) {
		t.Errorf("error = %v (kind %d), want %q (kind %d)", err, fault.KindOf(err), text, kind)
	}
}

func text(number string) message.Text { return message.Text{Number: number, Message: "hi"} }

func long(n int) string { return strings.Repeat("é", n) }
