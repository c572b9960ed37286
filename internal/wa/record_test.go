package wa_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/wa"
	"github.com/chasqui/chasqui/wasim"
)

func TestRedeliveryCausesOneItem(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	id := r.send(ana, ownNumber, wasim.Message{Text: "once"})
	r.events.message(t, id)
	if err := r.net.Fault(wasim.Fault{Kind: "redeliver", Target: ownNumber, Count: 5}); err != nil {
		t.Fatal(err)
	}
	last := r.send(ana, ownNumber, wasim.Message{Text: "after"})
	r.events.message(t, last)
	if n := r.events.count(isMessage(id)); n != 1 {
		t.Errorf("%d events for one message", n)
	}
}

func TestLostAcknowledgementCausesOneItem(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	if err := r.net.Fault(wasim.Fault{Kind: "lose_ack", Target: ownNumber, Count: 3}); err != nil {
		t.Fatal(err)
	}
	id := r.send(ana, ownNumber, wasim.Message{Text: "once"})
	r.events.message(t, id)
	if err := r.net.Fault(wasim.Fault{Kind: "drop_connection", Target: ownNumber}); err != nil {
		t.Fatal(err)
	}
	r.reconnect()
	last := r.send(ana, ownNumber, wasim.Message{Text: "after"})
	r.events.message(t, last)
	if n := r.events.count(isMessage(id)); n != 1 {
		t.Errorf("%d events for one message", n)
	}
}

// A message that cannot be recorded is not acknowledged: the connection is
// reset, and WhatsApp sends it again, and what came after it, in order.
func TestFailingPublisherLeavesMessagesUnacknowledged(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	failed := make(chan struct{}, 64)
	r.events.failWith(func(i dispatch.Item) error {
		if i.Message == nil {
			return nil
		}
		failed <- struct{}{}
		return errors.New("disk full")
	})
	var ids []string
	for i := range 5 {
		ids = append(ids, r.send(ana, ownNumber, wasim.Message{Text: fmt.Sprint(i)}))
	}
	<-failed
	r.events.failWith(nil)
	r.reconnect()
	for _, id := range ids {
		r.events.message(t, id)
	}
	if got := messageOrder(r.events.all()); fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("recorded %v, want %v", got, ids)
	}
	if s := r.engine.Stats(); s.Resets == 0 || s.RecordFailures == 0 {
		t.Errorf("stats = %+v", s)
	}
}

func TestMessagesKeepTheirOrder(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	var ids []string
	for i := range 300 {
		ids = append(ids, r.send(ana, ownNumber, wasim.Message{Text: fmt.Sprint(i)}))
	}
	r.events.message(t, ids[len(ids)-1])
	if got := messageOrder(r.events.all()); fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("recorded %d messages in another order than the %d sent", len(got), len(ids))
	}
}

// Receipts and group changes are held like messages.
func TestReceiptsAndGroupChangesComeAgainToo(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	g, err := r.net.CreateGroup("Dev team", ana, own)
	if err != nil {
		t.Fatal(err)
	}
	waitData(t, r.events, "created", func(e *event.Group) bool { return e.Type == "created" })
	id := r.sendText(ana, "hi")
	waitData(t, r.events, "the delivery", func(s *event.Status) bool { return contains(s.MessageIDs, id) })
	causes := map[string]func() error{
		"receipt": func() error { return ana.Receipt(r.ctx(), ownNumber, []string{id}, "read") },
		"group": func() error {
			name := "Product team"
			return g.Update(r.ctx(), ana, wasim.GroupChange{Name: &name})
		},
	}
	for what, cause := range causes {
		failed := make(chan struct{}, 64)
		r.events.failWith(func(dispatch.Item) error {
			failed <- struct{}{}
			return errors.New("disk full")
		})
		if err := cause(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		<-failed
		r.events.failWith(nil)
		r.reconnect()
	}
	waitData(t, r.events, "the read receipt", func(s *event.Status) bool { return s.Status == "read" })
	waitData(t, r.events, "the new name", func(e *event.Group) bool { return e.Type == "name" && e.Value == "Product team" })
}

func messageOrder(items []dispatch.Item) []string {
	var ids []string
	for _, i := range items {
		if m, ok := i.Data.(*event.Message); ok {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

func TestPanicInTheHandlerCountsAsFailure(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	r.events.failWith(func(i dispatch.Item) error {
		if i.Message != nil {
			panic("nil map")
		}
		return nil
	})
	id := r.send(ana, ownNumber, wasim.Message{Text: "boom"})
	s := r.signals.wait(t, instance.SignalDisconnected)
	if s.Reason != "recording_failed" {
		t.Errorf("reason = %q", s.Reason)
	}
	r.events.failWith(nil)
	r.client.Disconnect()
	r.connect()
	r.events.message(t, id)
	if r.engine.Stats().Panics == 0 {
		t.Error("the panic was not counted")
	}
}

// events.md 7.1: repeats are recognised by chat and sender in one form. A message
// that comes again after the number of its sender was learned is a repeat.
func TestRepeatAfterTheNumberWasLearnedIsNotToldAgain(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	lid, err := types.ParseJID(ana.LID())
	if err != nil {
		t.Fatal(err)
	}
	group := types.NewJID("120363000000000001", types.GroupServer)
	deliver := func(id string, chat types.JID) {
		info := types.MessageInfo{ID: id, Timestamp: time.Now()}
		info.Chat, info.Sender, info.IsGroup = chat, lid, chat == group
		if !wa.Inject(r.client, &events.Message{Info: info, Message: &waE2E.Message{Conversation: proto.String("hi")}}) {
			t.Fatalf("%s was not recorded", id)
		}
	}
	deliver("3EB0DIRECT", lid)
	deliver("3EB0GROUP", group)
	if m := r.events.message(t, "3EB0DIRECT"); m.Body.Sender.JID != nil {
		t.Fatalf("the number is known already: %+v", m.Body.Sender)
	}
	if _, err := r.transport().Lookup(r.ctx(), []string{anaNumber}); err != nil {
		t.Fatal(err)
	}
	deliver("3EB0DIRECT", lid)
	deliver("3EB0GROUP", group)
	deliver("3EB0NEW", lid)
	if m := r.events.message(t, "3EB0NEW"); m.Body.Sender.JID == nil || *m.Body.Sender.JID != ana.JID() {
		t.Fatalf("the number was not learned: %+v", m.Body.Sender)
	}
	for _, id := range []string{"3EB0DIRECT", "3EB0GROUP"} {
		if n := r.events.count(isMessage(id)); n != 1 {
			t.Errorf("%s was told %d times", id, n)
		}
	}
}

// A message that panics every time is told as unsupported in the end, instead
// of stopping its instance for ever.
func TestPoisonousMessageIsToldAsUnsupported(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	r.events.failWith(func(i dispatch.Item) error {
		if m, ok := i.Data.(*event.Message); ok && m.Body.Type == "text" && m.Body.Content.Text == "poison" {
			panic("poison")
		}
		return nil
	})
	poison := r.send(ana, ownNumber, wasim.Message{Text: "poison"})
	next := r.send(ana, ownNumber, wasim.Message{Text: "next"})
	for range 2 {
		r.reconnect()
	}
	if m := r.events.message(t, poison); m.Body.Type != "unsupported" || m.Body.RawType != "unreadable" {
		t.Errorf("event = %+v", m.Body)
	}
	r.events.message(t, next)
}

func TestReceiptsAreRecordedAfterTheirMessage(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	var ids []string
	for range 20 {
		ids = append(ids, r.sendText(ana, "hi"))
	}
	for _, id := range ids {
		waitData(t, r.events, "a receipt of "+id, func(s *event.Status) bool { return contains(s.MessageIDs, id) })
	}
	sent := make(map[string]bool)
	for _, i := range r.events.all() {
		switch d := i.Data.(type) {
		case *event.Message:
			sent[d.ID] = true
		case *event.Status:
			for _, id := range d.MessageIDs {
				if !sent[id] {
					t.Errorf("%s of %s came before its message", d.Status, id)
				}
			}
		}
	}
}

func TestReadReceiptReachesTheRecord(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	id := r.sendText(ana, "hi")
	if _, err := ana.Wait(r.ctx(), func(m wasim.Received) bool { return m.ID == id }); err != nil {
		t.Fatal(err)
	}
	if err := ana.Receipt(r.ctx(), ownNumber, []string{id}, "read"); err != nil {
		t.Fatal(err)
	}
	item := r.events.wait(t, "the read receipt", func(i dispatch.Item) bool {
		return i.Receipt != nil && i.Receipt.Status == "read"
	})
	if item.Receipt.ChatKey != ana.JID() || !contains(item.Receipt.MessageIDs, id) {
		t.Errorf("record = %+v", item.Receipt)
	}
}

// Calls are acknowledged whatever we answer, so a failure is retried in place.
func TestCallsAreRetriedUntilRecorded(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	left := 2
	r.events.failWith(func(i dispatch.Item) error {
		if _, ok := i.Data.(*event.Call); ok && left > 0 {
			left--
			return errors.New("busy")
		}
		return nil
	})
	id, err := ana.Call(r.ctx(), ownNumber, wasim.CallAction{Action: "offer"})
	if err != nil {
		t.Fatal(err)
	}
	waitData(t, r.events, "the call", func(c *event.Call) bool { return c.CallID == id && c.Type == "offer" })
	if s := r.engine.Stats(); s.Lost != 0 {
		t.Errorf("stats = %+v", s)
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
