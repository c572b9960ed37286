package wa_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/wasim"
)

// stressCount is how many messages each side of a pair sends.
const stressCount = 150

// Both sides of several sessions send at full speed, starting at the same
// moment, so that every session begins with a simultaneous first contact.
// Everything must arrive exactly once.
func TestNothingIsLostWhenBothSidesSend(t *testing.T) {
	r := newRig(t, shortWait)
	own := r.net.Phone(ownNumber)
	r.link(own, instance.Settings{})
	people := []*wasim.Phone{r.net.Phone(anaNumber), r.net.Phone(ruiNumber), r.net.Phone("5511966665555")}
	var out, in sync.Map
	var work sync.WaitGroup
	for _, p := range people {
		work.Go(func() { r.flood(t, p, &out) })
		work.Go(func() { flood(r.ctx(), t, p, &in) })
	}
	work.Wait()
	want := 2 * len(people) * stressCount
	r.events.awaitTexts(t, want)
	lost := 0
	out.Range(func(id, p any) bool {
		_, err := p.(*wasim.Phone).Wait(r.ctx(), func(m wasim.Received) bool { return m.ID == id })
		if err != nil {
			lost++
		}
		return true
	})
	if lost > 0 {
		t.Errorf("%d of %d outgoing messages did not arrive", lost, len(people)*stressCount)
	}
	assertOnce(t, r.events, want)
	t.Logf("stats: %+v", r.engine.Stats())
}

func (r *rig) flood(t *testing.T, to *wasim.Phone, ids *sync.Map) {
	tr := r.transport()
	for i := range stressCount {
		m := message.Outgoing{ID: tr.NewID(), Text: fmt.Sprint(i), Source: "api", To: message.Recipient{JID: to.JID(), Type: event.ChatPrivate}}
		if _, err := tr.Send(r.ctx(), m); err != nil {
			t.Errorf("Send: %v", err)
			return
		}
		ids.Store(m.ID, to)
	}
}

func flood(ctx context.Context, t *testing.T, from *wasim.Phone, ids *sync.Map) {
	for i := range stressCount {
		id, err := from.Send(ctx, ownNumber, wasim.Message{Text: fmt.Sprint(i)})
		if err != nil {
			t.Errorf("Send: %v", err)
			return
		}
		ids.Store(id, from)
	}
}

// awaitTexts returns when that many texts were told, or nothing more comes.
func (p *recorder) awaitTexts(t *testing.T, want int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		n, changed := len(texts(p.items)), p.changed
		p.mu.Unlock()
		if n >= want {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			return
		}
	}
}

// texts counts how often each text message was told.
func texts(items []dispatch.Item) map[string]int {
	seen := make(map[string]int)
	for _, i := range items {
		if m, ok := i.Data.(*event.Message); ok && m.Body.Type == "text" {
			seen[m.ID]++
		}
	}
	return seen
}

// assertOnce checks that want messages were told as text, each of them once. A
// placeholder may stand before a message that came late.
func assertOnce(t *testing.T, p *recorder, want int) {
	t.Helper()
	seen := texts(p.all())
	for id, n := range seen {
		if n != 1 {
			t.Errorf("message %s was told %d times", id, n)
		}
	}
	if len(seen) != want {
		t.Errorf("%d messages were told, want %d", len(seen), want)
	}
}
