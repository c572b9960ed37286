package wa_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/internal/wa"
)

// memory answers from what the recorder has seen, as the store would.
type memory struct{ events *recorder }

func (m *memory) GetQuote(_ context.Context, _, id string) (message.Quote, bool, error) {
	for _, i := range m.events.all() {
		if i.Message != nil && i.Message.ID == id {
			return message.Quote{MessageID: id, Raw: i.Message.Raw}, true, nil
		}
	}
	return message.Quote{}, false, nil
}

func (m *memory) Labels(context.Context, string) ([]dispatch.LabelRecord, error) {
	latest := make(map[dispatch.LabelRecord]dispatch.LabelRecord)
	for _, i := range m.events.all() {
		if l := i.Label; l != nil {
			latest[dispatch.LabelRecord{LabelID: l.LabelID, ChatJID: l.ChatJID, MessageID: l.MessageID}] = *l
		}
	}
	var list []dispatch.LabelRecord
	for _, l := range latest {
		list = append(list, l)
	}
	return list, nil
}

// withStore makes the engine read back what the recorder got.
func withStore(m *memory) func(*wa.Options) {
	return func(o *wa.Options) { o.Messages, o.Labels = m, m }
}

func isLabel(name string) func(*event.Label) bool {
	return func(l *event.Label) bool { return l.Type == "edit" && l.Name != nil && *l.Name == name }
}

func TestLabelsAreTold(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	r.signals.profile(t)
	if err := own.EditLabel(r.ctx(), "100", "New customer", 3, false); err != nil {
		t.Fatal(err)
	}
	waitData(t, r.events, "the label", isLabel("New customer"))
	if err := own.LabelChat(r.ctx(), "100", anaNumber, true); err != nil {
		t.Fatal(err)
	}
	got := waitData(t, r.events, "the labelled chat", func(l *event.Label) bool { return l.Type == "chat" })
	if got.ChatJID != ana.JID() || got.Action != "add" {
		t.Errorf("event = %+v", got)
	}
}

// Labels that existed before pairing are recorded without an event: there is
// nothing to compare them with.
func TestLabelsFromBeforePairingAreOnlyRecorded(t *testing.T) {
	r := newRig(t)
	own := r.net.Phone(ownNumber)
	if err := own.EditLabel(r.ctx(), "100", "Old", 1, false); err != nil {
		t.Fatal(err)
	}
	r.link(own, instance.Settings{})
	item := r.events.wait(t, "the record", func(i dispatch.Item) bool { return i.Label != nil && i.Label.Name == "Old" })
	if item.Data != nil {
		t.Errorf("an event was told: %+v", item.Data)
	}
}

// After an unclean stop labels are read whole: the library advances its own
// position before it tells us, so what a killed process had not recorded would
// never come again.
func TestLabelsAreReadWholeAfterAnUncleanStop(t *testing.T) {
	m := &memory{}
	r := newRig(t, withStore(m), func(o *wa.Options) { o.Unclean = true })
	m.events = r.events
	own := r.net.Phone(ownNumber)
	r.link(own, instance.Settings{})
	r.signals.profile(t)
	if err := own.EditLabel(r.ctx(), "1", "Kept", 1, false); err != nil {
		t.Fatal(err)
	}
	waitData(t, r.events, "the first label", isLabel("Kept"))
	// A label that the library has taken but the gateway has not recorded.
	r.events.failWith(func(i dispatch.Item) error {
		if i.Label != nil {
			return errors.New("killed")
		}
		return nil
	})
	if err := own.EditLabel(r.ctx(), "2", "Missed", 2, false); err != nil {
		t.Fatal(err)
	}
	poll(t, "the failed record", func() bool { return r.engine.Stats().RecordFailures > 0 })
	r.client.Close()
	r.events.failWith(nil)
	// A label that is stored but no longer on the phone.
	gone := &event.Label{Type: "edit", LabelID: "3"}
	if err := r.events.Publish(r.ctx(), instanceID, dispatch.Item{Data: gone, Label: &dispatch.LabelRecord{LabelID: "3", Name: "Gone"}}); err != nil {
		t.Fatal(err)
	}
	r.open()
	r.connect()
	waitData(t, r.events, "the missed label", isLabel("Missed"))
	ended := waitData(t, r.events, "the end of the label that is gone", func(l *event.Label) bool {
		return l.LabelID == "3" && l.Action == "deleted"
	})
	if at := ended.Timestamp; at.IsZero() || at != at.UTC().Truncate(time.Millisecond) {
		t.Errorf("timestamp = %v, want whole milliseconds in UTC", at)
	}
}
