package wa_test

import (
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

func TestAutoRejectCallsTellsAnAutomaticRejectionAndWrites(t *testing.T) {
	for _, lid := range []bool{false, true} {
		t.Run(fmt.Sprintf("lid %t", lid), func(t *testing.T) { testAutoReject(t, lid) })
	}
}

func testAutoReject(t *testing.T, lid bool) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{AutoRejectCalls: true, CallRejectMessage: "please write"})
	id, err := ana.Call(r.ctx(), ownNumber, wasim.CallAction{Action: "offer", Video: true, LID: lid})
	if err != nil {
		t.Fatal(err)
	}
	rejected := waitData(t, r.events, "the rejection", func(c *event.Call) bool { return c.Type == "rejected" })
	if !rejected.Automatic || rejected.CallID != id {
		t.Errorf("rejection = %+v", rejected)
	}
	got, err := ana.Wait(r.ctx(), func(m wasim.Received) bool { return m.Text == "please write" })
	if err != nil {
		t.Fatalf("the caller got no message: %v", err)
	}
	if told := r.events.message(t, got.ID); told.Body.Source != "" || told.Body.Direction != event.Outgoing {
		t.Errorf("its event = %+v", told.Body)
	}
	poll(t, "the caller sees the rejection", func() bool {
		for _, c := range ana.Calls() {
			if c.Action == "reject" && c.CallID == id {
				return true
			}
		}
		return false
	})
}

func TestCallsRingWithoutAutoReject(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{CallRejectMessage: "unused"})
	id, err := ana.Call(r.ctx(), ownNumber, wasim.CallAction{Action: "offer"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ana.Call(r.ctx(), ownNumber, wasim.CallAction{Action: "terminate", CallID: id}); err != nil {
		t.Fatal(err)
	}
	waitData(t, r.events, "the end", func(c *event.Call) bool { return c.Type == "terminated" })
	if n := r.events.count(func(i dispatch.Item) bool { c, ok := i.Data.(*event.Call); return ok && c.Type == "rejected" }); n != 0 {
		t.Error("the call was rejected")
	}
}

func TestIgnoreGroupMessages(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{IgnoreGroupMessages: true})
	g, err := r.net.CreateGroup("Dev team", ana, own)
	if err != nil {
		t.Fatal(err)
	}
	dropped := r.send(ana, g.JID(), wasim.Message{Text: "to all"})
	kept := r.send(ana, ownNumber, wasim.Message{Text: "to you"})
	r.events.message(t, kept)
	if n := r.events.count(isMessage(dropped)); n != 0 {
		t.Error("a group message was recorded")
	}
	r.client.Apply(r.ctx(), instance.Settings{})
	again := r.send(ana, g.JID(), wasim.Message{Text: "to all again"})
	m := r.events.message(t, again)
	if m.Body.Chat.Type != event.ChatGroup || m.Body.Chat.Name != "Dev team" {
		t.Errorf("chat = %+v, want the group with its name", m.Body.Chat)
	}
}

func TestIgnoreStatus(t *testing.T) {
	for _, ignore := range []bool{true, false} {
		r := newRig(t)
		ana := r.net.Phone(anaNumber)
		r.link(r.net.Phone(ownNumber), instance.Settings{IgnoreStatus: ignore})
		if !wa.Inject(r.client, story(ana, "3EB0STORY")) {
			t.Fatal("the story was left unacknowledged")
		}
		if got := r.events.count(isMessage("3EB0STORY")) == 0; got != ignore {
			t.Errorf("ignoreStatus %t: dropped = %t", ignore, got)
		}
	}
}

// story is a status message, which simulated phones do not send.
func story(from *wasim.Phone, id string) *events.Message {
	sender, _ := types.ParseJID(from.JID())
	content := &waE2E.Message{Conversation: proto.String("my day")}
	return &events.Message{
		Info: types.MessageInfo{
			MessageSource: types.MessageSource{Chat: types.StatusBroadcastJID, Sender: sender, IsGroup: true},
			ID:            id, Timestamp: time.Now(),
		},
		Message: content, RawMessage: content,
	}
}

func TestAutoReadMessages(t *testing.T) {
	for _, on := range []bool{true, false} {
		r := newRig(t)
		own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
		r.link(own, instance.Settings{AutoReadMessages: on})
		hers := newRigOn(t, r.net)
		hers.link(ana, instance.Settings{})
		wa.Inject(r.client, story(ana, "3EB0STORY"))
		id := r.send(ana, ownNumber, wasim.Message{Text: "read me"})
		r.events.message(t, id)
		last := r.send(ana, ownNumber, wasim.Message{Text: "and me"})
		waitData(t, hers.events, "a receipt for the last message", func(s *event.Status) bool {
			return contains(s.MessageIDs, last) && (s.Status == "read") == on
		})
		if got := hers.count("read", id); got != boolInt(on) {
			t.Errorf("autoReadMessages %t: %d read receipts", on, got)
		}
		if got := hers.count("read", "3EB0STORY"); got != 0 {
			t.Errorf("autoReadMessages %t: a story was marked as read", on)
		}
	}
}

// count returns how many message.status events say that of the message.
func (r *rig) count(status, id string) int {
	return r.events.count(func(i dispatch.Item) bool {
		s, ok := i.Data.(*event.Status)
		return ok && s.Status == status && contains(s.MessageIDs, id)
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestKeepOnlineStatus(t *testing.T) {
	r := newRig(t)
	own := r.net.Phone(ownNumber)
	r.link(own, instance.Settings{KeepOnlineStatus: true})
	// Right after pairing there is no push name: it is sent again when it comes.
	poll(t, "available", func() bool { return r.client.Presence() == "available" })
	r.client.Apply(r.ctx(), instance.Settings{})
	if got := r.client.Presence(); got != "unavailable" {
		t.Errorf("presence after switching off = %s", got)
	}
	r.client.Apply(r.ctx(), instance.Settings{KeepOnlineStatus: true})
	if got := r.client.Presence(); got != "available" {
		t.Errorf("presence after switching on = %s", got)
	}
	r.restart()
	r.client.Apply(r.ctx(), instance.Settings{KeepOnlineStatus: true})
	poll(t, "available after a restart", func() bool { return r.client.Presence() == "available" })
}

// poll waits for a condition that nothing announces.
func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited for: %s", what)
		}
		<-tick.C
	}
}
