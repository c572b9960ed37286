package e2e_test

import (
	"fmt"
	"testing"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/wasim"
)

// This file proves section 7.4, group.flow.

const carla = "5511900000004"

// aGroup makes a group of Ana's with the instance and Bruno in it.
func aGroup(t *testing.T, g *apptest.Gateway, name string) *wasim.Group {
	t.Helper()
	group, err := g.Network.CreateGroup(name, g.Network.Phone(ana), g.Network.Phone(olga), g.Network.Phone(bruno))
	if err != nil {
		t.Fatal(err)
	}
	return group
}

func members(t *testing.T, g *apptest.Gateway, group *wasim.Group, actor, action string, people ...string) {
	t.Helper()
	var who []*wasim.Phone
	for _, number := range people {
		who = append(who, g.Network.Phone(number))
	}
	if err := group.Participants(background(t), g.Network.Phone(actor), action, who...); err != nil {
		t.Fatalf("%s: %v", action, err)
	}
}

// participants lists the addresses in a frame.
func participants(f apptest.Frame) string {
	list, _ := f.Data["participants"].([]any)
	var out []any
	for _, p := range list {
		out = append(out, p.(object)["jid"])
	}
	return fmt.Sprint(out...)
}

// TestGroupMembers: created for the instance itself; joined, left, promoted and
// demoted for others, each with actor, participants and the group's name.
func TestGroupMembers(t *testing.T) {
	g, s := linked(t)
	group := aGroup(t, g, "Friends")
	f := s.Expect("group.flow", is{"type": "created", "groupJid": group.JID()})
	want(t, f, is{"groupName": "Friends", "actor.jid": ana + "@s.whatsapp.net", "actor.lid": g.Network.Phone(ana).LID()})
	if f.Data["participants"] != nil || f.Data["value"] != nil {
		t.Errorf("fields that do not apply: %s", f.Raw)
	}
	for _, step := range []struct{ action, kind string }{{"add", "joined"}, {"promote", "promoted"}, {"demote", "demoted"}, {"remove", "left"}} {
		members(t, g, group, ana, step.action, carla)
		f := s.Expect("group.flow", is{"type": step.kind, "groupJid": group.JID()})
		want(t, f, is{"groupName": "Friends", "actor.jid": ana + "@s.whatsapp.net"})
		if participants(f) != carla+"@s.whatsapp.net" {
			t.Errorf("%s: %s", step.kind, f.Raw)
		}
	}
	members(t, g, group, bruno, "leave")
	f = s.Expect("group.flow", is{"type": "left", "actor.jid": bruno + "@s.whatsapp.net"})
	if participants(f) != bruno+"@s.whatsapp.net" {
		t.Errorf("left: %s", f.Raw)
	}
}

// TestGroupTheInstanceItself: put into an old group it is created; by its own
// invite link it joined, with itself as participant.
func TestGroupTheInstanceItself(t *testing.T) {
	g, s := linked(t)
	old, err := g.Network.CreateGroup("Old", g.Network.Phone(ana), g.Network.Phone(bruno))
	if err != nil {
		t.Fatal(err)
	}
	members(t, g, old, ana, "add", olga)
	f := s.Expect("group.flow", is{"groupJid": old.JID()})
	want(t, f, is{"type": "created", "groupName": "Old", "actor.jid": ana + "@s.whatsapp.net"})
	members(t, g, old, ana, "remove", olga)
	s.Expect("group.flow", is{"groupJid": old.JID(), "type": "left"})
	members(t, g, old, olga, "join")
	f = s.Expect("group.flow", is{"groupJid": old.JID(), "type": "joined"})
	want(t, f, is{"reason": "invite"})
	if participants(f) != olga+"@s.whatsapp.net" {
		t.Errorf("joined: %s", f.Raw)
	}
	settle(t, g, s, func(f apptest.Frame) bool { return f.Event == "group.flow" })
}

// TestGroupSettings: each type that carries a value, both ways, one event each.
func TestGroupSettings(t *testing.T) {
	g, s := linked(t)
	group := aGroup(t, g, "Friends")
	s.Expect("group.flow", is{"type": "created"})
	for _, step := range []struct {
		kind, value string
		change      wasim.GroupChange
	}{
		{"topic", "All about Friday", wasim.GroupChange{Topic: new("All about Friday")}},
		{"announce", "true", wasim.GroupChange{Announce: new(true)}},
		{"announce", "false", wasim.GroupChange{Announce: new(false)}},
		{"locked", "true", wasim.GroupChange{Locked: new(true)}},
		{"locked", "false", wasim.GroupChange{Locked: new(false)}},
		{"ephemeral", "86400", wasim.GroupChange{Ephemeral: new(uint32(86400))}},
		{"ephemeral", "0", wasim.GroupChange{Ephemeral: new(uint32(0))}},
		{"membership_approval", "true", wasim.GroupChange{MembershipApproval: new(true)}},
		{"membership_approval", "false", wasim.GroupChange{MembershipApproval: new(false)}},
		{"member_add_mode", "admins", wasim.GroupChange{MemberAddMode: new("admin_add")}},
		{"member_add_mode", "all", wasim.GroupChange{MemberAddMode: new("all_member_add")}},
		{"suspended", "true", wasim.GroupChange{Suspended: new(true)}},
		{"suspended", "false", wasim.GroupChange{Suspended: new(false)}},
	} {
		if err := group.Update(background(t), g.Network.Phone(ana), step.change); err != nil {
			t.Fatalf("%s: %v", step.kind, err)
		}
		f := s.Expect("group.flow", is{"groupJid": group.JID()})
		want(t, f, is{"type": step.kind, "value": step.value, "groupName": "Friends"})
	}
	if err := group.Update(background(t), g.Network.Phone(ana), wasim.GroupChange{Name: new("Fridays")}); err != nil {
		t.Fatal(err)
	}
	want(t, s.Expect("group.flow", is{"type": "name"}), is{"value": "Fridays", "previous": "Friends", "groupName": "Fridays"})
	if err := group.Update(background(t), g.Network.Phone(ana), wasim.GroupChange{InviteLinkReset: true}); err != nil {
		t.Fatal(err)
	}
	if f := s.Expect("group.flow", is{"type": "link"}); f.Get("value") != "https://chat.whatsapp.com/"+group.InviteCode() && f.Get("value") != group.InviteCode() {
		t.Errorf("link: %s", f.Raw)
	}
}

// TestGroupPicture: the picture's id, or null.
func TestGroupPicture(t *testing.T) {
	g, s := linked(t)
	group := aGroup(t, g, "Friends")
	for _, image := range [][]byte{[]byte("a picture"), {}} {
		if err := group.Update(background(t), g.Network.Phone(ana), wasim.GroupChange{Picture: &image}); err != nil {
			t.Fatal(err)
		}
		f := s.Expect("group.flow", is{"type": "picture", "groupJid": group.JID()})
		value, there := f.Data["value"]
		if !there || (value != nil) != (len(image) > 0) {
			t.Errorf("picture of %d bytes: %s", len(image), f.Raw)
		}
		want(t, f, is{"actor.jid": ana + "@s.whatsapp.net", "groupName": "Friends"})
	}
}

// TestGroupJoinRequest: created and revoked, with who asks.
func TestGroupJoinRequest(t *testing.T) {
	g, s := linked(t)
	group := aGroup(t, g, "Friends")
	members(t, g, group, ana, "promote", olga) // only administrators are asked
	if err := group.Update(background(t), g.Network.Phone(ana), wasim.GroupChange{MembershipApproval: new(true)}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ action, value string }{{"join", "created"}, {"cancel", "revoked"}} {
		members(t, g, group, carla, step.action, carla)
		f := s.Expect("group.flow", is{"type": "join_request", "value": step.value})
		if participants(f) != carla+"@s.whatsapp.net" {
			t.Errorf("%s: %s", step.value, f.Raw)
		}
	}
}

// TestGroupCommunity: linked, unlinked and delete.
func TestGroupCommunity(t *testing.T) {
	g, s := linked(t)
	group := aGroup(t, g, "Friends")
	community, err := g.Network.CreateGroupWith(wasim.GroupOptions{Community: true}, "Town", g.Network.Phone(ana), g.Network.Phone(olga))
	if err != nil {
		t.Fatal(err)
	}
	to := community.JID()
	for _, step := range []struct {
		kind   string
		change wasim.GroupChange
	}{{"linked", wasim.GroupChange{LinkTo: &to}}, {"unlinked", wasim.GroupChange{UnlinkFrom: &to}}} {
		if err := group.Update(background(t), g.Network.Phone(ana), step.change); err != nil {
			t.Fatal(err)
		}
		f := s.Expect("group.flow", is{"type": step.kind})
		if pair := f.Get("groupJid") + f.Get("value"); pair != group.JID()+to && pair != to+group.JID() {
			t.Errorf("%s: %s", step.kind, f.Raw)
		}
	}
	if err := group.Update(background(t), g.Network.Phone(ana), wasim.GroupChange{Delete: true}); err != nil {
		t.Fatal(err)
	}
	s.Expect("group.flow", is{"type": "delete", "groupJid": group.JID(), "actor.jid": ana + "@s.whatsapp.net"})
}
