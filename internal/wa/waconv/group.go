package waconv

import (
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
)

// byInviteLink is WhatsApp's reason for somebody who came by an invite link.
const byInviteLink = "invite"

// joinedGroup is about the instance itself: by an invite link it joined, else
// somebody put it there.
func (c converter) joinedGroup(e *events.JoinedGroup) []dispatch.Item {
	var created time.Time
	if e.Type == "new" {
		created = e.GroupCreated
	}
	g := &groupChanges{
		c: c, jid: canonical(e.JID), name: e.Name, at: c.at(created), actor: c.actor(e.Sender, e.SenderPN),
	}
	if e.Reason == byInviteLink {
		g.people("joined", []event.Address{c.address(c.self, "")}, e.Reason)
	} else {
		g.add(event.Group{Type: "created", Reason: e.Reason})
	}
	g.items[0].Names = groupName(g.jid, e.Name)
	return g.items
}

// groupInfo is one WhatsApp change, which may touch several types.
func (c converter) groupInfo(e *events.GroupInfo) []dispatch.Item {
	jid := canonical(e.JID)
	g := &groupChanges{
		c: c, jid: jid, name: c.dir.Group(jid).Name, at: c.at(e.Timestamp), actor: c.actor(e.Sender, e.SenderPN),
	}
	g.members(e)
	g.describe(e)
	g.settings(e)
	g.links(e)
	for _, n := range e.UnknownChanges {
		g.unparsed(n)
	}
	return g.items
}

// picture tells of a group's picture; those of people cause no event.
func (c converter) picture(e *events.Picture) []dispatch.Item {
	jid := canonical(e.JID)
	if jid.Server != types.GroupServer {
		return nil
	}
	g := &groupChanges{
		c: c, jid: jid, name: c.dir.Group(jid).Name, at: c.at(e.Timestamp), actor: c.actor(&e.Author, nil),
	}
	if e.Remove || e.PictureID == "" {
		g.value("picture", nil)
	} else {
		g.value("picture", e.PictureID)
	}
	return g.items
}

func (c converter) actor(sender, senderPN *types.JID) *event.Address {
	var known []types.JID
	for _, j := range []*types.JID{sender, senderPN} {
		if j != nil {
			known = append(known, *j)
		}
	}
	p := c.person(known...)
	if p == (person{}) {
		return nil
	}
	a := c.address(p, "")
	return &a
}

// groupChanges collects the events of one notification.
type groupChanges struct {
	c     converter
	jid   types.JID
	name  string
	at    time.Time
	actor *event.Address
	items []dispatch.Item
}

func (g *groupChanges) add(data event.Group) {
	data.GroupJID = g.jid.String()
	data.GroupName = g.name
	data.Timestamp = g.at
	data.Actor = g.actor
	g.items = append(g.items, dispatch.Item{Data: &data})
}

func (g *groupChanges) value(kind string, v any) {
	g.add(event.Group{Type: kind, HasValue: true, Value: v})
}

func (g *groupChanges) people(kind string, who []event.Address, reason string) {
	if len(who) > 0 {
		g.add(event.Group{Type: kind, Participants: who, Reason: reason})
	}
}

// members reads who came, went and changed rank. The instance itself put into
// the group by somebody is created, not joined.
func (g *groupChanges) members(e *events.GroupInfo) {
	joined := e.Join
	if e.JoinReason != byInviteLink {
		var self bool
		if joined, self = g.c.withoutSelf(e.Join); self {
			g.add(event.Group{Type: "created", Reason: e.JoinReason})
		}
	}
	g.people("joined", g.c.addresses(joined), e.JoinReason)
	g.people("left", g.c.addresses(e.Leave), "")
	g.people("promoted", g.c.addresses(e.Promote), "")
	g.people("demoted", g.c.addresses(e.Demote), "")
}

func (c converter) withoutSelf(jids []types.JID) (others []types.JID, self bool) {
	for _, j := range jids {
		if c.person(j).is(c.self) {
			self = true
		} else {
			others = append(others, j)
		}
	}
	return others, self
}

func (g *groupChanges) describe(e *events.GroupInfo) {
	if e.Name != nil {
		previous := g.name
		g.name = e.Name.Name
		data := event.Group{Type: "name", HasValue: true, Value: e.Name.Name}
		if previous != "" && previous != e.Name.Name {
			data.Previous = previous
		}
		g.add(data)
		g.items[len(g.items)-1].Names = groupName(g.jid, e.Name.Name)
	}
	if e.Topic != nil {
		g.value("topic", e.Topic.Topic)
	}
}

func (g *groupChanges) settings(e *events.GroupInfo) {
	if e.Announce != nil {
		g.value("announce", e.Announce.IsAnnounce)
	}
	if e.Locked != nil {
		g.value("locked", e.Locked.IsLocked)
	}
	if e.Ephemeral != nil {
		g.value("ephemeral", e.Ephemeral.DisappearingTimer)
	}
	if e.NewInviteLink != nil {
		g.value("link", *e.NewInviteLink)
	}
	if e.MembershipApprovalMode != nil {
		g.value("membership_approval", e.MembershipApprovalMode.IsJoinApprovalRequired)
	}
	if e.Suspended || e.Unsuspended {
		g.value("suspended", e.Suspended)
	}
}

func (g *groupChanges) links(e *events.GroupInfo) {
	if e.Link != nil {
		g.value("linked", jidString(e.Link.Group.JID))
	}
	if e.Unlink != nil {
		g.value("unlinked", jidString(e.Unlink.Group.JID))
	}
	if e.Delete != nil {
		g.add(event.Group{Type: "delete", Reason: e.Delete.DeleteReason})
	}
}

// unparsed reads the children of a group notification that whatsmeow leaves as
// they are.
func (g *groupChanges) unparsed(n *waBinary.Node) {
	if n == nil {
		return
	}
	switch n.Tag {
	case "member_add_mode":
		g.memberAddMode(n)
	case "created_membership_requests":
		g.joinRequest(n, "created")
	case "revoked_membership_requests":
		g.joinRequest(n, "revoked")
	}
}

func (g *groupChanges) memberAddMode(n *waBinary.Node) {
	mode, _ := n.Content.([]byte)
	switch types.GroupMemberAddMode(mode) {
	case types.GroupMemberAddModeAdmin:
		g.value("member_add_mode", "admins")
	case types.GroupMemberAddModeAllMember:
		g.value("member_add_mode", "all")
	}
}

// joinRequest names those who ask to join: the children of the node or, when
// it has none, whoever caused the notification.
func (g *groupChanges) joinRequest(n *waBinary.Node, value string) {
	who := make([]event.Address, 0, 1)
	for _, child := range n.GetChildren() {
		if p := g.c.person(nodeJID(child, "jid"), nodeJID(child, "phone_number"), nodeJID(child, "lid")); p != (person{}) {
			who = append(who, g.c.address(p, ""))
		}
	}
	if len(who) == 0 && g.actor != nil {
		who = append(who, *g.actor)
	}
	reason, _ := n.Attrs["request_method"].(string)
	g.add(event.Group{Type: "join_request", Participants: who, Reason: reason, HasValue: true, Value: value})
}

func nodeJID(n waBinary.Node, attr string) types.JID {
	j, _ := n.Attrs[attr].(types.JID)
	return j
}

func groupName(j types.JID, name string) []dispatch.NameRecord {
	if name == "" {
		return nil
	}
	return []dispatch.NameRecord{{JID: j.String(), Name: name}}
}
