package wa_test

import (
	"testing"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/wasim"
)

const (
	ownNumber = "5511999999999"
	anaNumber = "5511988887777"
)

func TestPairingByQR(t *testing.T) {
	r := newRig(t)
	phone := r.net.Phone(ownNumber)
	r.link(phone, instance.Settings{})
	if !r.loggedIn() {
		t.Error("not logged in after SignalConnected")
	}
	if got := r.spec.DeviceJID; got == "" {
		t.Error("no device JID in the login")
	}
}

func (r *rig) loggedIn() bool {
	_, ok := r.engine.Transport(instanceID)
	return ok
}

func TestTextBothDirections(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})

	id := r.send(ana, ownNumber, wasim.Message{Text: "olá"})
	in := r.events.message(t, id)
	if in.Body.Direction != event.Incoming || in.Body.Content.Text != "olá" {
		t.Errorf("incoming = %+v", in.Body)
	}

	transport, ok := r.engine.Transport(instanceID)
	if !ok {
		t.Fatal("no transport")
	}
	found, err := transport.Lookup(r.ctx(), []string{anaNumber})
	if err != nil {
		t.Fatalf("Lookup: %v", err)
	}
	if !found[0].Exists || found[0].JID != ana.JID() || found[0].LID != ana.LID() {
		t.Fatalf("Lookup = %+v, want %s and %s", found, ana.JID(), ana.LID())
	}
	out := message.Outgoing{
		ID: transport.NewID(), Text: "hello", Source: "api",
		To: message.Recipient{JID: found[0].JID, LID: found[0].LID, Type: event.ChatPrivate},
	}
	sent, err := transport.Send(r.ctx(), out)
	if err != nil {
		t.Fatalf("Send: %v", err)
	}
	if sent.ID != out.ID || sent.Timestamp.IsZero() || sent.Sender.JID != own.JID() || sent.Sender.LID != own.LID() {
		t.Errorf("Sent = %+v", sent)
	}
	got, err := ana.Wait(r.ctx(), func(m wasim.Received) bool { return m.ID == out.ID })
	if err != nil || got.Text != "hello" {
		t.Fatalf("Ana received %+v, %v", got, err)
	}
	told := r.events.message(t, out.ID)
	if told.Body.Direction != event.Outgoing || told.Body.Source != "api" || told.Body.Content.Text != "hello" {
		t.Errorf("outgoing event = %+v", told.Body)
	}
}
