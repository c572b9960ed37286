package wasim

import (
	"context"
	"fmt"
	"slices"

	"go.mau.fi/whatsmeow/types"
)

// GroupChange changes what is not nil or false, one notification for each, in the order of the fields.
type GroupChange struct {
	Name               *string
	Topic              *string // empty removes it
	Announce           *bool   // only administrators may write
	Locked             *bool   // only administrators may change name, topic and picture
	MembershipApproval *bool   // joining by link needs an administrator's consent
	Ephemeral          *uint32 // seconds after which messages disappear, 0 = never
	MemberAddMode      *string // admin_add or all_member_add
	Picture            *[]byte // empty removes it
	Suspended          *bool   // by WhatsApp: nobody may write
	InviteLinkReset    bool    // the present link stops working
	LinkTo             *string // address of the community to belong to
	UnlinkFrom         *string
	Delete             bool // for everybody
}

// changes lists what there is to do.
func (g *Group) changes(c GroupChange) []func(by *account) error {
	var out []func(by *account) error
	if c.Name != nil {
		out = append(out, func(by *account) error { return g.setName(by, *c.Name) })
	}
	if c.Topic != nil {
		out = append(out, func(by *account) error { return g.setTopic(by, g.server.nextID(), *c.Topic) })
	}
	if c.Announce != nil {
		out = append(out, func(by *account) error { return g.setAnnounce(by, *c.Announce) })
	}
	if c.Locked != nil {
		out = append(out, func(by *account) error { return g.setLocked(by, *c.Locked) })
	}
	if c.MembershipApproval != nil {
		out = append(out, func(by *account) error { return g.setApproval(by, *c.MembershipApproval) })
	}
	if c.Ephemeral != nil {
		out = append(out, func(by *account) error { return g.setEphemeral(by, *c.Ephemeral) })
	}
	if c.MemberAddMode != nil {
		out = append(out, func(by *account) error { return g.setAddMode(by, *c.MemberAddMode) })
	}
	return append(out, g.rareChanges(c)...)
}

func (g *Group) rareChanges(c GroupChange) []func(by *account) error {
	var out []func(by *account) error
	if c.Picture != nil {
		out = append(out, func(by *account) error { _, err := g.setPicture(by, *c.Picture); return err })
	}
	if c.Suspended != nil {
		out = append(out, func(*account) error { g.suspend(*c.Suspended); return nil })
	}
	if c.InviteLinkReset {
		out = append(out, func(by *account) error { _, err := g.resetInvite(by); return err })
	}
	if c.LinkTo != nil {
		out = append(out, func(by *account) error { return g.linkByAddress(by, *c.LinkTo) })
	}
	if c.UnlinkFrom != nil {
		out = append(out, func(by *account) error { return g.unlinkByAddress(by, *c.UnlinkFrom) })
	}
	if c.Delete {
		out = append(out, g.remove)
	}
	return out
}

// Update makes a person change the group. It fails with ErrForbidden if the person may not, and stops at the first
// change that fails.
func (g *Group) Update(_ context.Context, actor *Phone, change GroupChange) error {
	todo := g.changes(change)
	if len(todo) == 0 {
		return fmt.Errorf("nothing to change in group %s", g.jid)
	}
	for _, do := range todo {
		if err := do(actor.account); err != nil {
			return err
		}
	}
	return nil
}

// edit runs f with the lock held if by may change the group's settings, and announces what f returns to all members.
func (g *Group) edit(by *account, adminsOnly func(st *groupState) bool, f func(st *groupState) (Node, error)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	rank, in := g.state.members[by]
	if !in || g.state.deleted || (adminsOnly(&g.state) && rank == member) {
		return ErrForbidden
	}
	change, err := f(&g.state)
	if err != nil {
		return err
	}
	g.tell(by, g.everyone(), change)
	return nil
}

func always(*groupState) bool        { return true }
func whenLocked(st *groupState) bool { return st.locked }

func (g *Group) setName(by *account, name string) error {
	if err := checkGroupName(name); err != nil {
		return err
	}
	return g.edit(by, whenLocked, func(st *groupState) (Node, error) {
		st.name = stamped{name, by, g.server.now()}
		attrs := withAttrs(g.both(by, "s_o", "s_o_pn"), Attrs{"subject": name, "s_t": timestamp(st.name.at)})
		return Node{Tag: "subject", Attrs: attrs}, nil
	})
}

func (g *Group) setTopic(by *account, id, topic string) error {
	return g.edit(by, whenLocked, func(st *groupState) (Node, error) {
		st.topic, st.topicID = stamped{topic, by, g.server.now()}, id
		body := Node{Tag: "body", Content: []byte(topic)}
		if topic == "" {
			body = Node{Tag: "delete"}
		}
		return Node{Tag: "description", Attrs: Attrs{"id": id}, Content: []Node{body}}, nil
	})
}

// setAnnounce announces with a version, without which whatsmeow drops the whole notification
// (group.go/parseGroupChange).
func (g *Group) setAnnounce(by *account, on bool) error {
	return g.edit(by, always, func(st *groupState) (Node, error) {
		st.announce = on
		return Node{Tag: onOff(on, "announcement", "not_announcement"), Attrs: g.bump()}, nil
	})
}

func (g *Group) setLocked(by *account, on bool) error {
	return g.edit(by, always, func(st *groupState) (Node, error) {
		st.locked = on
		return Node{Tag: onOff(on, "locked", "unlocked")}, nil
	})
}

func onOff(on bool, yes, no string) string {
	if on {
		return yes
	}
	return no
}

func (g *Group) setApproval(by *account, on bool) error {
	return g.edit(by, always, func(st *groupState) (Node, error) {
		st.approval = on
		return approvalNode(on), nil
	})
}

func (g *Group) setEphemeral(by *account, expiration uint32) error {
	return g.edit(by, whenLocked, func(st *groupState) (Node, error) {
		st.ephemeral = expiration
		if expiration == 0 {
			return Node{Tag: "not_ephemeral"}, nil
		}
		return Node{Tag: "ephemeral", Attrs: Attrs{"expiration": seconds(expiration), "trigger": "0"}}, nil
	})
}

func (g *Group) setAddMode(by *account, mode string) error {
	if mode != adminsAdd && mode != everyoneAdd {
		return fmt.Errorf("member add mode must be %s or %s, not %q", adminsAdd, everyoneAdd, mode)
	}
	return g.edit(by, always, func(st *groupState) (Node, error) {
		st.addMode = mode
		return Node{Tag: "member_add_mode", Content: []byte(mode)}, nil
	})
}

func (g *Group) resetInvite(by *account) (code string, err error) {
	err = g.edit(by, always, func(st *groupState) (Node, error) {
		st.revoked = append(st.revoked, st.invite)
		st.invite = inviteCode()
		code = st.invite
		return Node{Tag: "invite", Attrs: Attrs{"code": code}}, nil
	})
	return code, err
}

// setPicture changes the picture, which is announced by a notification of its own kind (whatsmeow:
// notification.go/handlePictureNotification). It returns the picture's id, "" when it was removed.
func (g *Group) setPicture(by *account, image []byte) (id string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rank, in := g.state.members[by]
	if !in || (g.state.locked && rank == member) {
		return "", ErrForbidden
	}
	g.state.picture = g.server.newPicture(image)
	n := g.server.pictureNotification(g.jid, g.address(by), g.state.picture.id)
	for _, a := range g.everyone() {
		a.deliverAll(n, noDevice)
	}
	return g.state.picture.id, nil
}

// suspend is what the network does to a group, so nobody is named for it.
func (g *Group) suspend(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.suspended = on
	g.tell(nil, g.everyone(), Node{Tag: onOff(on, "suspended", "unsuspended")})
}

// remove deletes the group for everybody.
func (g *Group) remove(by *account) error {
	return g.edit(by, always, func(st *groupState) (Node, error) {
		st.deleted = true
		return Node{Tag: "delete", Attrs: Attrs{"reason": "admin_deleted"}}, nil
	})
}

func (g *Group) linkByAddress(by *account, community string) error {
	parent, ok := g.server.Group(community)
	if !ok {
		return fmt.Errorf("community %s: %w", community, ErrNotFound)
	}
	return g.server.linkGroups(by, parent, g)
}

func (g *Group) unlinkByAddress(by *account, community string) error {
	parent, ok := g.server.Group(community)
	if !ok {
		return fmt.Errorf("community %s: %w", community, ErrNotFound)
	}
	return g.server.unlinkGroups(by, parent, g)
}

// linkGroups makes child a sub-group of a community. Each side's members learn of the other group. Links are made one
// at a time, parent's lock before child's.
func (s *Server) linkGroups(by *account, parent, child *Group) error {
	return s.pair(by, parent, child, func() {
		child.state.parent = parent
		parent.state.children = append(parent.state.children, child)
	}, func(kind types.GroupLinkChangeType, other *Group) Node {
		return Node{Tag: "link", Attrs: Attrs{"link_type": string(kind)}, Content: []Node{linkTarget(other)}}
	})
}

func (s *Server) unlinkGroups(by *account, parent, child *Group) error {
	return s.pair(by, parent, child, func() {
		child.state.parent = nil
		parent.state.children = slices.DeleteFunc(parent.state.children, func(g *Group) bool { return g == child })
	}, func(kind types.GroupLinkChangeType, other *Group) Node {
		attrs := Attrs{"unlink_type": string(kind), "unlink_reason": string(types.GroupUnlinkReasonDefault)}
		return Node{Tag: "unlink", Attrs: attrs, Content: []Node{linkTarget(other)}}
	})
}

func (s *Server) pair(by *account, parent, child *Group, change func(), announce func(types.GroupLinkChangeType, *Group) Node) error {
	if parent == child {
		return fmt.Errorf("group %s cannot be linked to itself", parent.jid)
	}
	s.groups.linking.Lock()
	defer s.groups.linking.Unlock()
	parent.mu.Lock()
	defer parent.mu.Unlock()
	child.mu.Lock()
	defer child.mu.Unlock()
	if parent.state.members[by] == member || child.state.members[by] == member {
		return ErrForbidden
	}
	change()
	parent.tell(by, parent.everyone(), announce(types.GroupLinkChangeTypeSub, child))
	child.tell(by, child.everyone(), announce(types.GroupLinkChangeTypeParent, parent))
	return nil
}
