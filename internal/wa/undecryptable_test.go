package wa_test

import (
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/wa"
	"github.com/chasqui/chasqui/wasim"
)

func undecryptable(from *wasim.Phone, id string) *events.UndecryptableMessage {
	sender, _ := types.ParseJID(from.JID())
	return &events.UndecryptableMessage{Info: types.MessageInfo{
		MessageSource: types.MessageSource{Chat: sender, Sender: sender}, ID: id, Timestamp: time.Now(),
	}}
}

func shortWait(o *wa.Options) { o.PlaceholderWait = 20 * time.Millisecond }

func longWait(o *wa.Options) { o.PlaceholderWait = time.Hour }

func TestUndecryptableMessagesBecomeUnsupported(t *testing.T) {
	tests := map[string]func(*events.UndecryptableMessage){
		"undecryptable": func(*events.UndecryptableMessage) {},
		"unavailable":   func(e *events.UndecryptableMessage) { e.IsUnavailable = true },
		"view_once": func(e *events.UndecryptableMessage) {
			e.IsUnavailable, e.UnavailableType = true, events.UnavailableTypeViewOnce
		},
	}
	for rawType, change := range tests {
		t.Run(rawType, func(t *testing.T) {
			r := newRig(t, shortWait)
			r.link(r.net.Phone(ownNumber), instance.Settings{})
			e := undecryptable(r.net.Phone(anaNumber), "3EB0LOST")
			change(e)
			wa.Inject(r.client, e)
			m := r.events.message(t, "3EB0LOST")
			if m.Body.Type != "unsupported" || m.Body.RawType != rawType {
				t.Errorf("event = %+v", m.Body)
			}
			if s := r.engine.Stats(); s.Undecryptable != 1 || s.Placeholders != 1 {
				t.Errorf("stats = %+v", s)
			}
		})
	}
}

func TestNoPlaceholderIfTheMessageComes(t *testing.T) {
	r := newRig(t, longWait)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	id := r.send(ana, ownNumber, wasim.Message{Text: "hello"})
	first := r.events.message(t, id)
	e := undecryptable(ana, "3EB0LATE")
	wa.Inject(r.client, e)
	late := story(ana, "3EB0LATE")
	late.Info = e.Info
	wa.Inject(r.client, late)
	r.client.Close() // tells what still waits
	if n := r.events.count(func(i dispatch.Item) bool {
		m, ok := i.Data.(*event.Message)
		return ok && m.Body.Type == "unsupported"
	}); n != 0 {
		t.Errorf("%d placeholders besides %s", n, first.ID)
	}
	r.events.message(t, "3EB0LATE")
}

// A clean stop tells what was still waited for: nobody would afterwards.
func TestCloseTellsWhatIsStillMissing(t *testing.T) {
	r := newRig(t, longWait)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	wa.Inject(r.client, undecryptable(r.net.Phone(anaNumber), "3EB0LOST"))
	r.client.Close()
	if n := r.events.count(isMessage("3EB0LOST")); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestManyUndecryptableMessagesAreABurst(t *testing.T) {
	r := newRig(t, longWait)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	ana := r.net.Phone(anaNumber)
	for i := range 40 {
		wa.Inject(r.client, undecryptable(ana, "3EB0"+string(rune('A'+i))))
	}
	if s := r.signals.wait(t, instance.SignalUndecryptableBurst); s.Count != 20 {
		t.Errorf("signal = %+v", s)
	}
	n := 0
	for _, k := range r.signals.kinds() {
		if k == instance.SignalUndecryptableBurst {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d bursts told in one window, want 1", n)
	}
}

// Receipts that are faster than our record of the message wait for it.
func TestReceiptsWaitForTheRecordOfTheSend(t *testing.T) {
	r := newRig(t)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	sender, _ := types.ParseJID(r.net.Phone(anaNumber).JID())
	end := wa.StartSend(r.client, "3EB0MINE")
	done := make(chan bool, 1)
	go func() {
		done <- wa.Inject(r.client, &events.Receipt{
			MessageSource: types.MessageSource{Chat: sender, Sender: sender},
			MessageIDs:    []types.MessageID{"3EB0MINE"}, Timestamp: time.Now(), Type: types.ReceiptTypeRead,
		})
	}()
	if n := r.count("read", "3EB0MINE"); n != 0 {
		t.Error("the receipt did not wait")
	}
	end()
	if !<-done {
		t.Error("the receipt was left unacknowledged")
	}
	if n := r.count("read", "3EB0MINE"); n != 1 {
		t.Errorf("%d receipts", n)
	}
}
