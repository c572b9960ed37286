package wasim_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

// party is a group with an owner, a bot that a client is linked to, and somebody else.
type party struct {
	server            *wasim.Server
	owner, bot, other *wasim.Phone
	client            *client
	group             *wasim.Group
}

// newParty makes a group and lets the bot's client see it.
func newParty(t *testing.T, o wasim.GroupOptions) *party {
	t.Helper()
	server := wasim.Start(t)
	p := &party{server: server, owner: server.Phone("5511999990001"), bot: server.Phone("5511999990002"), other: server.Phone("5511999990003")}
	p.client = linked(t, server, p.bot)
	var err error
	if p.group, err = server.CreateGroupWith(o, "Dev team", p.owner, p.bot); err != nil {
		t.Fatal(err)
	}
	joined := await[*events.JoinedGroup](p.client)
	if joined.JID.String() != p.group.JID() || joined.Type != "new" || joined.Name != "Dev team" || len(joined.Participants) != 2 {
		t.Errorf("joined group: %+v", joined)
	}
	return p
}

func ptr[T any](v T) *T { return &v }

// TestGroupChanges makes every change that group.flow names and wants the event that whatsmeow raises for it.
func TestGroupChanges(t *testing.T) {
	for _, c := range []struct {
		name   string
		change wasim.GroupChange
		check  func(*events.GroupInfo) bool
	}{
		{"name", wasim.GroupChange{Name: ptr("Ops")}, func(e *events.GroupInfo) bool { return e.Name != nil && e.Name.Name == "Ops" }},
		{"topic", wasim.GroupChange{Topic: ptr("On call")}, func(e *events.GroupInfo) bool { return e.Topic != nil && e.Topic.Topic == "On call" }},
		{"topic removed", wasim.GroupChange{Topic: ptr("")}, func(e *events.GroupInfo) bool { return e.Topic != nil && e.Topic.TopicDeleted }},
		{"announce", wasim.GroupChange{Announce: ptr(true)}, func(e *events.GroupInfo) bool { return e.Announce != nil && e.Announce.IsAnnounce }},
		{"announce off", wasim.GroupChange{Announce: ptr(false)}, func(e *events.GroupInfo) bool { return e.Announce != nil && !e.Announce.IsAnnounce }},
		{"locked", wasim.GroupChange{Locked: ptr(true)}, func(e *events.GroupInfo) bool { return e.Locked != nil && e.Locked.IsLocked }},
		{"locked off", wasim.GroupChange{Locked: ptr(false)}, func(e *events.GroupInfo) bool { return e.Locked != nil && !e.Locked.IsLocked }},
		{"ephemeral", wasim.GroupChange{Ephemeral: ptr(uint32(86400))}, func(e *events.GroupInfo) bool {
			return e.Ephemeral != nil && e.Ephemeral.IsEphemeral && e.Ephemeral.DisappearingTimer == 86400
		}},
		{"ephemeral off", wasim.GroupChange{Ephemeral: ptr(uint32(0))}, func(e *events.GroupInfo) bool { return e.Ephemeral != nil && !e.Ephemeral.IsEphemeral }},
		{"membership_approval", wasim.GroupChange{MembershipApproval: ptr(true)}, func(e *events.GroupInfo) bool { return e.MembershipApprovalMode != nil }},
		{"member_add_mode", wasim.GroupChange{MemberAddMode: ptr("admin_add")}, func(e *events.GroupInfo) bool {
			return len(e.UnknownChanges) == 1 && e.UnknownChanges[0].Tag == "member_add_mode" && string(e.UnknownChanges[0].Content.([]byte)) == "admin_add"
		}},
		{"link", wasim.GroupChange{InviteLinkReset: true}, func(e *events.GroupInfo) bool {
			return e.NewInviteLink != nil && len(*e.NewInviteLink) > len(whatsmeow.InviteLinkPrefix)
		}},
		{"suspended", wasim.GroupChange{Suspended: ptr(true)}, func(e *events.GroupInfo) bool { return e.Suspended && e.Sender == nil }},
		{"suspended off", wasim.GroupChange{Suspended: ptr(false)}, func(e *events.GroupInfo) bool { return e.Unsuspended }},
		{"delete", wasim.GroupChange{Delete: true}, func(e *events.GroupInfo) bool { return e.Delete != nil && e.Delete.Deleted }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newParty(t, wasim.GroupOptions{})
			if err := p.group.Update(t.Context(), p.owner, c.change); err != nil {
				t.Fatal(err)
			}
			e := await[*events.GroupInfo](p.client)
			if !c.check(e) {
				t.Errorf("event: %+v", e)
			}
			if e.JID.String() != p.group.JID() || e.Timestamp.IsZero() {
				t.Errorf("group %s at %s", e.JID, e.Timestamp)
			}
			if c.change.Suspended == nil && (e.Sender.String() != p.owner.LID() || e.SenderPN.String() != p.owner.JID()) {
				t.Errorf("actor %v, %v", e.Sender, e.SenderPN)
			}
		})
	}
}

func TestGroupMembershipChanges(t *testing.T) {
	p := newParty(t, wasim.GroupOptions{})
	other := jid(t, p.other.LID())
	for _, step := range []struct {
		action string
		got    func(*events.GroupInfo) []types.JID
	}{
		{"add", func(e *events.GroupInfo) []types.JID { return e.Join }},
		{"promote", func(e *events.GroupInfo) []types.JID { return e.Promote }},
		{"demote", func(e *events.GroupInfo) []types.JID { return e.Demote }},
		{"remove", func(e *events.GroupInfo) []types.JID { return e.Leave }},
	} {
		if err := p.group.Participants(t.Context(), p.owner, step.action, p.other); err != nil {
			t.Fatalf("%s: %v", step.action, err)
		}
		if got := step.got(await[*events.GroupInfo](p.client)); !slices.Equal(got, []types.JID{other}) {
			t.Errorf("%s: %v", step.action, got)
		}
	}
	if pn, err := p.client.Store.LIDs.GetPNForLID(t.Context(), other); err != nil || pn.String() != p.other.JID() {
		t.Errorf("the notification did not teach the number: %v, %v", pn, err)
	}
	if diff := cmp.Diff([]string{p.owner.Number(), p.bot.Number()}, p.group.Members()); diff != "" {
		t.Errorf("members: %s", diff)
	}
}

func TestGroupJoinedAndLeftByOneself(t *testing.T) {
	p := newParty(t, wasim.GroupOptions{})
	if err := p.group.Participants(t.Context(), p.other, "join"); err != nil {
		t.Fatal(err)
	}
	e := await[*events.GroupInfo](p.client)
	if e.JoinReason != "invite" || len(e.Join) != 1 || *e.Sender != e.Join[0] {
		t.Errorf("join: %+v", e)
	}
	if err := p.group.Participants(t.Context(), p.other, "leave"); err != nil {
		t.Fatal(err)
	}
	if e = await[*events.GroupInfo](p.client); len(e.Leave) != 1 || *e.Sender != e.Leave[0] {
		t.Errorf("leave: %+v", e)
	}
}

// TestGroupInstanceItself: put into a new or old group, joining by link, being removed.
func TestGroupInstanceItself(t *testing.T) {
	p := newParty(t, wasim.GroupOptions{})
	if err := p.group.Participants(t.Context(), p.owner, "remove", p.bot); err != nil {
		t.Fatal(err)
	}
	if e := await[*events.GroupInfo](p.client); len(e.Leave) != 1 || e.Leave[0].String() != p.bot.LID() {
		t.Errorf("removed: %+v", e)
	}
	if err := p.group.Participants(t.Context(), p.owner, "add", p.bot); err != nil {
		t.Fatal(err)
	}
	if e := await[*events.JoinedGroup](p.client); e.Type != "" || e.Reason != "" || e.Sender.String() != p.owner.LID() {
		t.Errorf("added to an old group: %+v", e)
	}
	if err := p.group.Participants(t.Context(), p.bot, "leave"); err != nil {
		t.Fatal(err)
	}
	got, err := p.client.JoinGroupWithLink(t.Context(), p.group.InviteCode())
	if err != nil || got.String() != p.group.JID() {
		t.Fatalf("join by link: %v, %v", got, err)
	}
	if e := await[*events.JoinedGroup](p.client); e.Reason != "invite" {
		t.Errorf("joined by link: %+v", e)
	}
}

// TestGroupJoinRequests: created_membership_requests and revoked_membership_requests reach administrators.
func TestGroupJoinRequests(t *testing.T) {
	p := newParty(t, wasim.GroupOptions{})
	promote(t, p)
	if err := p.group.Update(t.Context(), p.owner, wasim.GroupChange{MembershipApproval: ptr(true)}); err != nil {
		t.Fatal(err)
	}
	await[*events.GroupInfo](p.client)
	for _, end := range []struct {
		action string
		by     *wasim.Phone
	}{{"cancel", p.other}, {"reject", p.owner}, {"approve", p.owner}} {
		if err := p.group.Participants(t.Context(), p.other, "join"); err != nil {
			t.Fatal(err)
		}
		e := await[*events.GroupInfo](p.client)
		if len(e.UnknownChanges) != 1 || e.UnknownChanges[0].Tag != "created_membership_requests" ||
			e.UnknownChanges[0].GetChildren()[0].Attrs["jid"].(types.JID).String() != p.other.LID() {
			t.Fatalf("request: %+v", e)
		}
		asking, err := p.client.GetGroupRequestParticipants(t.Context(), jid(t, p.group.JID()))
		if err != nil || len(asking) != 1 || asking[0].JID.String() != p.other.LID() {
			t.Fatalf("requests: %v, %v", asking, err)
		}
		if err := p.group.Participants(t.Context(), end.by, end.action, p.other); err != nil {
			t.Fatalf("%s: %v", end.action, err)
		}
		e = await[*events.GroupInfo](p.client)
		if end.action == "approve" {
			if len(e.Join) != 1 {
				t.Errorf("approve: %+v", e)
			}
		} else if len(e.UnknownChanges) != 1 || e.UnknownChanges[0].Tag != "revoked_membership_requests" {
			t.Errorf("%s: %+v", end.action, e)
		}
	}
}

func promote(t *testing.T, p *party) {
	t.Helper()
	if err := p.group.Participants(t.Context(), p.owner, "promote", p.bot); err != nil {
		t.Fatal(err)
	}
	await[*events.GroupInfo](p.client)
}

func TestGroupLinkedAndUnlinked(t *testing.T) {
	p := newParty(t, wasim.GroupOptions{})
	community, err := p.server.CreateGroupWith(wasim.GroupOptions{Community: true}, "Company", p.owner)
	if err != nil {
		t.Fatal(err)
	}
	if err = p.group.Update(t.Context(), p.owner, wasim.GroupChange{LinkTo: ptr(community.JID())}); err != nil {
		t.Fatal(err)
	}
	if e := await[*events.GroupInfo](p.client); e.Link == nil || e.Link.Group.JID.String() != community.JID() || e.Link.Type != types.GroupLinkChangeTypeParent {
		t.Errorf("linked: %+v", e)
	}
	if err = p.group.Update(t.Context(), p.owner, wasim.GroupChange{UnlinkFrom: ptr(community.JID())}); err != nil {
		t.Fatal(err)
	}
	if e := await[*events.GroupInfo](p.client); e.Unlink == nil || e.Unlink.Group.JID.String() != community.JID() {
		t.Errorf("unlinked: %+v", e)
	}
}

func TestGroupPicture(t *testing.T) {
	p := newParty(t, wasim.GroupOptions{})
	if err := p.group.Update(t.Context(), p.owner, wasim.GroupChange{Picture: ptr([]byte("a picture"))}); err != nil {
		t.Fatal(err)
	}
	e := await[*events.Picture](p.client)
	if e.JID.String() != p.group.JID() || e.PictureID == "" || e.Remove {
		t.Errorf("set: %+v", e)
	}
	info, err := p.client.GetProfilePictureInfo(t.Context(), e.JID, nil)
	if err != nil || info.ID != e.PictureID {
		t.Errorf("picture: %+v, %v", info, err)
	}
	if err := p.group.Update(t.Context(), p.owner, wasim.GroupChange{Picture: ptr([]byte{})}); err != nil {
		t.Fatal(err)
	}
	if e = await[*events.Picture](p.client); !e.Remove {
		t.Errorf("removed: %+v", e)
	}
}

// TestGroupQueriesOfAClient lets the client do what whatsmeow's group.go offers.
func TestGroupQueriesOfAClient(t *testing.T) {
	server := wasim.Start(t)
	bot, other := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	ctx := t.Context()
	made, err := c.CreateGroup(ctx, whatsmeow.ReqCreateGroup{Name: "Made here", Participants: []types.JID{jid(t, other.JID())}})
	if err != nil {
		t.Fatal(err)
	}
	g, ok := server.Group(made.JID.String())
	if !ok || !slices.Equal(g.Members(), []string{bot.Number(), other.Number()}) {
		t.Fatalf("group: %+v", made)
	}
	for name, do := range map[string]func() error{
		"name":     func() error { return c.SetGroupName(ctx, made.JID, "Renamed") },
		"topic":    func() error { return c.SetGroupTopic(ctx, made.JID, "", "", "Why") },
		"announce": func() error { return c.SetGroupAnnounce(ctx, made.JID, true) },
		"locked":   func() error { return c.SetGroupLocked(ctx, made.JID, true) },
		"approval": func() error { return c.SetGroupJoinApprovalMode(ctx, made.JID, true) },
		"add mode": func() error { return c.SetGroupMemberAddMode(ctx, made.JID, types.GroupMemberAddModeAdmin) },
		"picture":  func() error { _, err := c.SetGroupPhoto(ctx, made.JID, []byte("jpeg")); return err },
		"promote": func() error {
			_, err := c.UpdateGroupParticipants(ctx, made.JID, []types.JID{jid(t, other.JID())}, whatsmeow.ParticipantChangePromote)
			return err
		},
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	info, err := c.GetGroupInfo(ctx, made.JID)
	if err != nil {
		t.Fatal(err)
	}
	if info.Name != "Renamed" || info.Topic != "Why" || !info.IsAnnounce || !info.IsLocked || !info.IsJoinApprovalRequired ||
		info.MemberAddMode != types.GroupMemberAddModeAdmin || info.AddressingMode != types.AddressingModeLID {
		t.Errorf("info: %+v", info)
	}
	if !slices.Equal(g.Admins(), []string{bot.Number(), other.Number()}) {
		t.Errorf("admins: %v", g.Admins())
	}
	link, err := c.GetGroupInviteLink(ctx, made.JID, false)
	if err != nil || link != whatsmeow.InviteLinkPrefix+g.InviteCode() {
		t.Errorf("link %q: %v", link, err)
	}
	if _, err = c.GetGroupInviteLink(ctx, made.JID, true); err != nil {
		t.Errorf("reset: %v", err)
	}
	if _, err = c.GetGroupInfoFromLink(ctx, link); !errors.Is(err, whatsmeow.ErrInviteLinkRevoked) {
		t.Errorf("revoked link: %v", err)
	}
	if groups, err := c.GetJoinedGroups(ctx); err != nil || len(groups) != 1 {
		t.Errorf("joined groups: %v, %v", groups, err)
	}
	if err = c.LeaveGroup(ctx, made.JID); err != nil {
		t.Errorf("leave: %v", err)
	}
	if _, err = c.GetGroupInfo(ctx, made.JID); !errors.Is(err, whatsmeow.ErrNotInGroup) {
		t.Errorf("info after leaving: %v", err)
	}
	if _, err = c.GetGroupInfo(ctx, types.NewJID("1203639999", types.GroupServer)); !errors.Is(err, whatsmeow.ErrGroupNotFound) {
		t.Errorf("info of no group: %v", err)
	}
}

// TestGroupInvitation: who does not let himself be added gets an invitation instead, and may look and accept.
func TestGroupInvitation(t *testing.T) {
	p := newParty(t, wasim.GroupOptions{})
	promote(t, p)
	shy, group := linked(t, p.server, p.other), jid(t, p.group.JID())
	if _, err := shy.SetPrivacySetting(t.Context(), types.PrivacySettingTypeGroupAdd, types.PrivacySettingNone); err != nil {
		t.Fatal(err)
	}
	added, err := p.client.UpdateGroupParticipants(t.Context(), group, []types.JID{jid(t, p.other.JID())}, whatsmeow.ParticipantChangeAdd)
	if err != nil || len(added) != 1 || added[0].Error != 403 || added[0].AddRequest == nil {
		t.Fatalf("add: %+v, %v", added, err)
	}
	inviter, invitation := jid(t, p.bot.JID()), added[0].AddRequest
	if _, err = shy.GetGroupInfo(t.Context(), group); !errors.Is(err, whatsmeow.ErrNotInGroup) {
		t.Errorf("without the invitation: %v", err)
	}
	info, err := shy.GetGroupInfoFromInvite(t.Context(), group, inviter, invitation.Code, invitation.Expiration.Unix())
	if err != nil || info.Name != "Dev team" {
		t.Errorf("info: %+v, %v", info, err)
	}
	if err = shy.JoinGroupWithInvite(t.Context(), group, inviter, "wrong", invitation.Expiration.Unix()); err == nil {
		t.Error("a wrong code was accepted")
	}
	if err = shy.JoinGroupWithInvite(t.Context(), group, inviter, invitation.Code, invitation.Expiration.Unix()); err != nil {
		t.Errorf("accept: %v", err)
	}
	if e := await[*events.JoinedGroup](shy); e.JID != group {
		t.Errorf("joined: %+v", e)
	}
}

func TestGroupForbids(t *testing.T) {
	p := newParty(t, wasim.GroupOptions{})
	ctx := t.Context()
	for name, do := range map[string]func() error{
		"a member may not promote":            func() error { return p.group.Participants(ctx, p.bot, "promote", p.bot) },
		"a stranger may not rename":           func() error { return p.group.Update(ctx, p.other, wasim.GroupChange{Name: ptr("x")}) },
		"a member may not announce":           func() error { return p.group.Update(ctx, p.bot, wasim.GroupChange{Announce: ptr(true)}) },
		"a member may not remove another one": func() error { return p.group.Participants(ctx, p.bot, "remove", p.owner) },
	} {
		if err := do(); !errors.Is(err, wasim.ErrForbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := p.group.Update(ctx, p.owner, wasim.GroupChange{Announce: ptr(true)}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.bot.Send(ctx, p.group.JID(), wasim.Message{Text: "may not"}); !errors.Is(err, wasim.ErrForbidden) {
		t.Errorf("a member wrote into a group of announcements: %v", err)
	}
	if err := p.bot.Presence(ctx, "120363000000999999@g.us", "typing"); !errors.Is(err, wasim.ErrNotFound) {
		t.Errorf("typing in no group: %v", err)
	}
}

// TestGroupMessagesInBothAddressings sends both ways in a group that names members by number, and in one that names
// them by hidden identity.
func TestGroupMessagesInBothAddressings(t *testing.T) {
	for name, numbers := range map[string]bool{"number": true, "hidden identity": false} {
		t.Run(name, func(t *testing.T) {
			p := newParty(t, wasim.GroupOptions{NumberAddressing: numbers})
			if _, err := p.owner.Send(context.Background(), p.group.JID(), wasim.Message{Text: "hello all"}); err != nil {
				t.Fatal(err)
			}
			m := p.client.text("hello all")
			want := p.owner.LID()
			if numbers {
				want = p.owner.JID()
			}
			if m.Info.Chat.String() != p.group.JID() || m.Info.Sender.ToNonAD().String() != want {
				t.Errorf("info: %+v", m.Info)
			}
			p.client.say(jid(t, p.group.JID()), "hello owner")
			if r := received(t, p.owner, "hello owner"); r.From != p.bot.Number() || r.Chat != p.group.JID() {
				t.Errorf("received: %+v", r)
			}
		})
	}
}
