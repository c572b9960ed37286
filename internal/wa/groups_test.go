package wa_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/wa"
	"github.com/chasqui/chasqui/wasim"
)

// The library reports membership approval alike for on and off; the value comes
// from a fresh group query.
func TestMembershipApprovalHasTheRightDirection(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	g, err := r.net.CreateGroup("Dev team", ana, own)
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, false} {
		if err := g.Update(r.ctx(), ana, wasim.GroupChange{MembershipApproval: &on}); err != nil {
			t.Fatal(err)
		}
		waitData(t, r.events, "membership_approval", func(e *event.Group) bool {
			return e.Type == "membership_approval" && e.Value == on
		})
	}
}

func TestGroupEventsCarryTheGroupsName(t *testing.T) {
	r := newRig(t)
	own, ana, rui := r.net.Phone(ownNumber), r.net.Phone(anaNumber), r.net.Phone(ruiNumber)
	r.link(own, instance.Settings{})
	g, err := r.net.CreateGroup("Dev team", ana, own)
	if err != nil {
		t.Fatal(err)
	}
	waitData(t, r.events, "created", func(e *event.Group) bool { return e.Type == "created" && e.GroupName == "Dev team" })
	if err := g.Participants(r.ctx(), ana, "add", rui); err != nil {
		t.Fatal(err)
	}
	joined := waitData(t, r.events, "joined", func(e *event.Group) bool { return e.Type == "joined" })
	if joined.GroupName != "Dev team" {
		t.Errorf("joined = %+v", joined)
	}
	name := "Product team"
	if err := g.Update(r.ctx(), ana, wasim.GroupChange{Name: &name}); err != nil {
		t.Fatal(err)
	}
	waitData(t, r.events, "name", func(e *event.Group) bool { return e.Type == "name" && e.Value == name })
	id := r.send(ana, g.JID(), wasim.Message{Text: "renamed"})
	if m := r.events.message(t, id); m.Body.Chat.Name != name {
		t.Errorf("chat = %+v, want the new name", m.Body.Chat)
	}
}

func TestPollVotesAreDecrypted(t *testing.T) {
	for _, lid := range []bool{false, true} {
		t.Run(fmt.Sprintf("lid %t", lid), func(t *testing.T) { testPollVote(t, wasim.GroupOptions{NumberAddressing: !lid}) })
	}
}

func testPollVote(t *testing.T, o wasim.GroupOptions) {
	messages := &memory{}
	r := newRig(t, func(o *wa.Options) { o.Messages = messages })
	messages.events = r.events
	own, ana, rui := r.net.Phone(ownNumber), r.net.Phone(anaNumber), r.net.Phone(ruiNumber)
	r.link(own, instance.Settings{})
	g, err := r.net.CreateGroupWith(o, "Lunch", ana, own, rui)
	if err != nil {
		t.Fatal(err)
	}
	poll := r.send(ana, g.JID(), wasim.Message{Poll: &wasim.Poll{Title: "What?", Options: []string{"Pizza", "Salad"}, MaxAnswer: 1}})
	r.events.message(t, poll)
	if _, err := rui.Wait(r.ctx(), func(m wasim.Received) bool { return m.ID == poll }); err != nil {
		t.Fatal(err)
	}
	vote := r.send(rui, g.JID(), wasim.Message{Vote: &wasim.Vote{MessageID: poll, Options: []string{"Salad"}}})
	m := r.events.message(t, vote)
	if m.Body.PollVote == nil || m.Body.PollVote.MessageID != poll || len(m.Body.PollVote.Options) != 1 || m.Body.PollVote.Options[0] != "Salad" {
		t.Errorf("vote = %+v", m.Body.PollVote)
	}
}

func TestOneGroupMessageIsOneEvent(t *testing.T) {
	r := newRig(t)
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	g, err := r.net.CreateGroup("Dev team", ana, own)
	if err != nil {
		t.Fatal(err)
	}
	first := r.send(ana, g.JID(), wasim.Message{Text: "with the sender key"})
	second := r.send(ana, g.JID(), wasim.Message{Text: "without"})
	r.events.message(t, second)
	if n := r.events.count(isMessage(first)); n != 1 {
		t.Errorf("%d events for the message that carried the sender key", n)
	}
	if n := r.events.count(func(i dispatch.Item) bool {
		m, ok := i.Data.(*event.Message)
		return ok && m.Body.Type == "unsupported"
	}); n != 0 {
		t.Errorf("%d unsupported events", n)
	}
}

type names map[string]string

func (n names) Name(_ context.Context, _, jid string) (string, error) { return n[jid], nil }

// A stored name is told at once; the group is asked for beside the event.
func TestStoredNamesAreUsed(t *testing.T) {
	stored := names{}
	r := newRig(t, func(o *wa.Options) { o.Names = stored })
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	g, err := r.net.CreateGroup("Dev team", ana, own)
	if err != nil {
		t.Fatal(err)
	}
	stored[g.JID()] = "Old name"
	r.link(own, instance.Settings{})
	id := r.send(ana, g.JID(), wasim.Message{Text: "first"})
	if m := r.events.message(t, id); m.Body.Chat.Name != "Old name" && m.Body.Chat.Name != "Dev team" {
		t.Errorf("chat = %+v", m.Body.Chat)
	}
	r.events.wait(t, "the name to be stored", func(i dispatch.Item) bool {
		return i.Data == nil && len(i.Names) == 1 && i.Names[0] == dispatch.NameRecord{JID: g.JID(), Name: "Dev team"}
	})
}
