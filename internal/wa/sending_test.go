package wa_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/wasim"
)

// transport returns the way to send; the instance is connected.
func (r *rig) transport() message.Transport {
	r.t.Helper()
	transport, ok := r.engine.Transport(instanceID)
	if !ok {
		r.t.Fatal("not connected")
	}
	return transport
}

// sendText sends through the engine and returns the message ID.
func (r *rig) sendText(to *wasim.Phone, text string) string {
	r.t.Helper()
	tr := r.transport()
	m := message.Outgoing{
		ID: tr.NewID(), Text: text, Source: "api",
		To: message.Recipient{JID: to.JID(), Type: event.ChatPrivate},
	}
	if _, err := tr.Send(r.ctx(), m); err != nil {
		r.t.Fatalf("Send: %v", err)
	}
	return m.ID
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
	if jid, lid := in.Body.Chat.JID, in.Body.Chat.LID; jid == nil || lid == nil || *jid != ana.JID() || *lid != ana.LID() {
		t.Errorf("chat = %v %v, want both addresses of Ana", jid, lid)
	}

	tr := r.transport()
	out := message.Outgoing{
		ID: tr.NewID(), Text: "hello", Source: "api",
		To: message.Recipient{JID: ana.JID(), LID: ana.LID(), Type: event.ChatPrivate},
	}
	sent, err := tr.Send(r.ctx(), out)
	if err != nil {
		t.Fatalf("Send: %v", err)
	}
	if sent.ID != out.ID || sent.Timestamp.IsZero() || sent.Sender.JID != own.JID() || sent.Sender.LID != own.LID() {
		t.Errorf("Sent = %+v", sent)
	}
	if n := r.events.count(isMessage(out.ID)); n != 1 {
		t.Errorf("%d events when Send returned, want 1", n)
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

func TestMessagesTypedOnThePhoneAreTold(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	id := r.send(own, anaNumber, wasim.Message{Text: "from my phone"})
	m := r.events.message(t, id)
	if m.Body.Direction != event.Outgoing || m.Body.Source != "" || *m.Body.Chat.JID != ana.JID() {
		t.Errorf("event = %+v", m.Body)
	}
}

func TestSendToAStrangerMapsTheHiddenIdentityFirst(t *testing.T) {
	r := newRig(t)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	rui := r.net.Phone(ruiNumber)
	id := r.sendText(rui, "we have not met")
	if _, err := rui.Wait(r.ctx(), func(m wasim.Received) bool { return m.ID == id }); err != nil {
		t.Fatal(err)
	}
	m := r.events.message(t, id)
	if m.Body.Chat.LID == nil || *m.Body.Chat.LID != rui.LID() {
		t.Errorf("chat = %+v, want the hidden identity", m.Body.Chat)
	}
}

func TestLookup(t *testing.T) {
	r := newRig(t)
	ana := r.net.Phone(anaNumber)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	found, err := r.transport().Lookup(r.ctx(), []string{anaNumber, "5511900000000"})
	if err != nil {
		t.Fatalf("Lookup: %v", err)
	}
	want := []message.Number{
		{Query: anaNumber, JID: ana.JID(), LID: ana.LID(), Exists: true},
		{Query: "5511900000000"},
	}
	if len(found) != 2 || found[0] != want[0] || found[1] != want[1] {
		t.Errorf("Lookup = %+v, want %+v", found, want)
	}
}

func TestResolve(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	g, err := r.net.CreateGroup("Dev team", ana, own)
	if err != nil {
		t.Fatal(err)
	}
	r.events.message(t, r.send(ana, ownNumber, wasim.Message{Text: "hi"})) // maps her addresses
	tests := map[string]message.Recipient{
		ana.LID(): {JID: ana.JID(), LID: ana.LID(), Type: event.ChatPrivate},
		g.JID():   {JID: g.JID(), Type: event.ChatGroup, Name: "Dev team"},
	}
	for jid, want := range tests {
		if got, err := r.transport().Resolve(r.ctx(), jid); err != nil || got != want {
			t.Errorf("Resolve(%s) = %+v, %v, want %+v", jid, got, err, want)
		}
	}
	noGroup := fault.New(fault.NotFound, "Group not found or you are not a member of this group")
	if _, err := r.transport().Resolve(r.ctx(), "120363999999999999@g.us"); !errors.Is(err, noGroup) {
		t.Errorf("Resolve of an unknown group: %v", err)
	}
}

func TestGroupTextAndMembers(t *testing.T) {
	r := newRig(t)
	own, ana, rui := r.net.Phone(ownNumber), r.net.Phone(anaNumber), r.net.Phone(ruiNumber)
	r.link(own, instance.Settings{})
	g, err := r.net.CreateGroup("Dev team", own, ana, rui)
	if err != nil {
		t.Fatal(err)
	}
	tr := r.transport()
	members, err := tr.GroupMembers(r.ctx(), g.JID())
	if err != nil || len(members) != 3 {
		t.Fatalf("GroupMembers = %v, %v", members, err)
	}
	m := message.Outgoing{ID: tr.NewID(), Text: "all", Source: "api", To: message.Recipient{JID: g.JID(), Type: event.ChatGroup}}
	if _, err := tr.Send(r.ctx(), m); err != nil {
		t.Fatalf("Send: %v", err)
	}
	for _, p := range []*wasim.Phone{ana, rui} {
		if _, err := p.Wait(r.ctx(), func(got wasim.Received) bool { return got.ID == m.ID && got.Text == "all" }); err != nil {
			t.Errorf("%s: %v", p.Number(), err)
		}
	}
	if n := r.events.count(isMessage(m.ID)); n != 1 {
		t.Errorf("%d events", n)
	}
}

// Mentions are matched with numbers, also in groups that use hidden identities.
func TestGroupMembersAreNumbersWhereKnown(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	for _, o := range []wasim.GroupOptions{{}, {NumberAddressing: true}} {
		g, err := r.net.CreateGroupWith(o, "Dev team", ana, own)
		if err != nil {
			t.Fatal(err)
		}
		members, err := r.transport().GroupMembers(r.ctx(), g.JID())
		if err != nil {
			t.Fatalf("GroupMembers: %v", err)
		}
		slices.Sort(members)
		if want := []string{ana.JID(), own.JID()}; !slices.Equal(members, want) {
			t.Errorf("%+v: members = %v, want %v", o, members, want)
		}
	}
}

func TestSendToAnUnknownGroup(t *testing.T) {
	r := newRig(t)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	tr := r.transport()
	_, err := tr.Send(r.ctx(), message.Outgoing{
		ID: tr.NewID(), Text: "hello?", To: message.Recipient{JID: "120363999999999999@g.us", Type: event.ChatGroup},
	})
	want := fault.New(fault.NotFound, "Group not found or you are not a member of this group")
	if !errors.Is(err, want) {
		t.Errorf("error = %v, want %v", err, want)
	}
}

func TestSendToAnAnnouncementGroupNeedsAnAdmin(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	g, err := r.net.CreateGroup("News", ana, own)
	if err != nil {
		t.Fatal(err)
	}
	on := true
	if err := g.Update(r.ctx(), ana, wasim.GroupChange{Announce: &on}); err != nil {
		t.Fatal(err)
	}
	tr := r.transport()
	_, err = tr.Send(r.ctx(), message.Outgoing{
		ID: tr.NewID(), Text: "me too", To: message.Recipient{JID: g.JID(), Type: event.ChatGroup},
	})
	want := fault.New(fault.Forbidden, "Not authorized to send messages to this group (must be admin)")
	if !errors.Is(err, want) {
		t.Errorf("error = %v, want %v", err, want)
	}
}

func TestTypingIsShownBeforeTheMessage(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	tr := r.transport()
	started := time.Now()
	m := message.Outgoing{
		ID: tr.NewID(), Text: "slow", TypingTime: 400 * time.Millisecond,
		To: message.Recipient{JID: ana.JID(), Type: event.ChatPrivate},
	}
	done := make(chan error, 1)
	go func() { _, err := tr.Send(r.ctx(), m); done <- err }()
	poll(t, "composing", func() bool { return r.client.Presence() == "composing" })
	if err := <-done; err != nil {
		t.Fatalf("Send: %v", err)
	}
	if took := time.Since(started); took < m.TypingTime {
		t.Errorf("sent after %v", took)
	}
	if got := r.client.Presence(); got == "composing" {
		t.Error("still composing after the send")
	}
	if _, err := ana.Wait(r.ctx(), func(got wasim.Received) bool { return got.ID == m.ID }); err != nil {
		t.Fatal(err)
	}
	poll(t, "typing and paused at the phone", func() bool {
		var states []string
		for _, s := range ana.PresenceSigns() {
			states = append(states, s.State)
		}
		return contains(states, "typing") && contains(states, "paused")
	})
}

func TestTransportOnlyWhileConnected(t *testing.T) {
	r := newRig(t)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	tr := r.transport()
	r.client.Disconnect()
	if _, ok := r.engine.Transport(instanceID); ok {
		t.Error("a transport while disconnected")
	}
	_, err := tr.Send(r.ctx(), message.Outgoing{
		ID: tr.NewID(), Text: "x", To: message.Recipient{JID: "5511988887777@s.whatsapp.net", Type: event.ChatPrivate},
	})
	if !errors.Is(err, fault.NotConnected()) {
		t.Errorf("Send while disconnected: %v", err)
	}
}

// Once the first send after a restart could not be decrypted until a retry,
// because the library had not loaded the address mapping.
func TestTheFirstSendAfterARestartNeedsNoRetry(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	r.events.message(t, r.send(ana, ownNumber, wasim.Message{Text: "hi"}))
	r.sendText(ana, "before")
	r.restart()
	id := r.sendText(ana, "after")
	if _, err := ana.Wait(r.ctx(), func(m wasim.Received) bool { return m.ID == id && m.Text == "after" }); err != nil {
		t.Fatal(err)
	}
	waitData(t, r.events, "the delivery", func(s *event.Status) bool { return s.Status == "delivered" && contains(s.MessageIDs, id) })
	if n := r.count("retry", id); n != 0 {
		t.Errorf("%d retries were needed", n)
	}
}
