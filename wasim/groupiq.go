package wasim

import (
	"errors"
	"slices"

	"go.mau.fi/whatsmeow/types"
)

// groupHandlers answer queries to one group by the tag of their child (whatsmeow: group.go). The caller has checked
// that the group exists and that the client's account belongs to it.
var groupHandlers = map[string]func(c *conn, iq *Node, g *Group, ask *Node){
	"query":                        answerGroupQuery,
	"add":                          answerParticipants,
	"remove":                       answerParticipants,
	"promote":                      answerParticipants,
	"demote":                       answerParticipants,
	"subject":                      answerSubject,
	"description":                  answerDescription,
	"announcement":                 answerSwitch((*Group).setAnnounce, true),
	"not_announcement":             answerSwitch((*Group).setAnnounce, false),
	"locked":                       answerSwitch((*Group).setLocked, true),
	"unlocked":                     answerSwitch((*Group).setLocked, false),
	"ephemeral":                    answerEphemeral,
	"not_ephemeral":                answerEphemeral,
	"membership_approval_mode":     answerApprovalMode,
	"member_add_mode":              answerAddMode,
	"invite":                       answerInvite,
	"membership_approval_requests": answerRequests,
	"membership_requests_action":   answerDecision,
	"links":                        answerLinks,
	"unlink":                       answerUnlink,
	"sub_groups":                   answerSubGroups,
	"linked_groups_participants":   answerLinkedParticipants,
}

// handleGroupIQ answers w:g2: questions to g.us itself, and to one group.
func handleGroupIQ(c *conn, iq *Node) {
	ask, to := firstChild(iq), jidAttr(iq, "to")
	if to.User == "" {
		handler := groupServerHandlers[ask.Tag]
		if handler == nil {
			c.unanswerable(iq)
			return
		}
		handler(c, iq, &ask)
		return
	}
	handler := groupHandlers[ask.Tag]
	g := c.server.groups.find(to)
	switch {
	case g == nil:
		c.send(failure(iq, 404, "item-not-found"))
	case ask.Tag == "accept": // an invitation, by somebody who is not in the group
		c.answerChange(iq, g.accept(c.device.account, stringAttr(&ask, "code")))
	case handler == nil:
		c.unanswerable(iq)
	case !g.has(c.device.account) && !c.invitedTo(g, &ask):
		c.send(failure(iq, 403, "forbidden"))
	default:
		handler(c, iq, g, &ask)
	}
}

// invitedTo reports whether a client asks about a group that its account was invited to.
func (c *conn) invitedTo(g *Group, ask *Node) bool {
	invitation := ask.GetChildByTag("add_request")
	return ask.Tag == "query" && g.invites(c.device.account, stringAttr(&invitation, "code"))
}

// has reports whether an account belongs to the group.
func (g *Group) has(a *account) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, in := g.state.members[a]
	return in
}

// answerChange answers a change that has no content of its own.
func (c *conn) answerChange(iq *Node, err error) {
	switch {
	case err == nil:
		c.send(result(iq))
	case errors.Is(err, ErrForbidden):
		c.send(failure(iq, 403, "forbidden"))
	case errors.Is(err, ErrNotFound):
		c.send(failure(iq, 404, "item-not-found"))
	default:
		c.send(failure(iq, 406, "not-acceptable"))
	}
}

func answerGroupQuery(c *conn, iq *Node, g *Group, _ *Node) { c.send(result(iq, g.snapshot())) }

// snapshot is the group's node at this moment.
func (g *Group) snapshot() Node {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.node()
}

func answerParticipants(c *conn, iq *Node, g *Group, ask *Node) {
	verdicts, err := g.change(c.device.account, ask.Tag, c.server.named(ask.GetChildren()))
	if err != nil {
		c.answerChange(iq, err)
		return
	}
	c.send(result(iq, Node{Tag: ask.Tag, Content: g.verdictNodes(verdicts)}))
}

// named finds the accounts of participant elements. Unknown people are left out.
func (s *Server) named(nodes []Node) []*account {
	var out []*account
	for _, n := range nodes {
		if a := s.accounts.find(jidAttr(&n, "jid")); n.Tag == "participant" && a != nil {
			out = append(out, a)
		}
	}
	return out
}

func answerSubject(c *conn, iq *Node, g *Group, ask *Node) {
	c.answerChange(iq, g.setName(c.device.account, string(bytesOf(*ask))))
}

func answerDescription(c *conn, iq *Node, g *Group, ask *Node) {
	id := stringAttr(ask, "id")
	if id == "" {
		id = c.server.nextID()
	}
	c.answerChange(iq, g.setTopic(c.device.account, id, string(childBytes(ask, "body"))))
}

func answerSwitch(set func(*Group, *account, bool) error, on bool) func(*conn, *Node, *Group, *Node) {
	return func(c *conn, iq *Node, g *Group, _ *Node) { c.answerChange(iq, set(g, c.device.account, on)) }
}

func answerEphemeral(c *conn, iq *Node, g *Group, ask *Node) {
	c.answerChange(iq, g.setEphemeral(c.device.account, uint32(uintAttr(ask, "expiration"))))
}

func answerApprovalMode(c *conn, iq *Node, g *Group, ask *Node) {
	join := ask.GetChildByTag("group_join")
	c.answerChange(iq, g.setApproval(c.device.account, stringAttr(&join, "state") == "on"))
}

func answerAddMode(c *conn, iq *Node, g *Group, ask *Node) {
	c.answerChange(iq, g.setAddMode(c.device.account, string(bytesOf(*ask))))
}

// answerInvite gives the invite link's code; a set makes a new one first. Only administrators may know it.
func answerInvite(c *conn, iq *Node, g *Group, _ *Node) {
	if !slices.Contains(g.Admins(), c.device.account.pn.User) {
		c.send(failure(iq, 401, "not-authorized"))
		return
	}
	code := g.InviteCode()
	if stringAttr(iq, "type") == "set" {
		var err error
		if code, err = g.resetInvite(c.device.account); err != nil {
			c.answerChange(iq, err)
			return
		}
	}
	c.send(result(iq, Node{Tag: "invite", Attrs: Attrs{"code": code}}))
}

func answerRequests(c *conn, iq *Node, g *Group, ask *Node) {
	g.mu.Lock()
	var out []Node
	for a, at := range g.state.requests {
		attrs := g.both(a, "jid", "phone_number")
		attrs["request_time"], attrs["request_method"] = timestamp(at), "invite_link"
		out = append(out, Node{Tag: "membership_approval_request", Attrs: attrs})
	}
	g.mu.Unlock()
	c.send(result(iq, Node{Tag: ask.Tag, Content: out}))
}

func answerDecision(c *conn, iq *Node, g *Group, ask *Node) {
	action := firstChild(ask)
	if action.Tag != "approve" && action.Tag != "reject" {
		c.send(failure(iq, 400, "bad-request"))
		return
	}
	verdicts, err := g.decide(c.device.account, action.Tag == "approve", c.server.named(action.GetChildren()))
	if err != nil {
		c.answerChange(iq, err)
		return
	}
	answer := Node{Tag: action.Tag, Content: g.verdictNodes(verdicts)}
	c.send(result(iq, Node{Tag: ask.Tag, Content: []Node{answer}}))
}

func answerLinks(c *conn, iq *Node, g *Group, ask *Node) {
	var err error
	link := ask.GetChildByTag("link")
	for _, target := range link.GetChildrenByTag("group") {
		child := c.server.groups.find(jidAttr(&target, "jid"))
		if child == nil {
			err = errors.Join(err, ErrNotFound)
			continue
		}
		err = errors.Join(err, c.server.linkGroups(c.device.account, g, child))
	}
	c.answerChange(iq, err)
}

func answerUnlink(c *conn, iq *Node, g *Group, ask *Node) {
	var err error
	for _, target := range ask.GetChildrenByTag("group") {
		child := c.server.groups.find(jidAttr(&target, "jid"))
		if child == nil {
			err = errors.Join(err, ErrNotFound)
			continue
		}
		err = errors.Join(err, c.server.unlinkGroups(c.device.account, g, child))
	}
	c.answerChange(iq, err)
}

func answerSubGroups(c *conn, iq *Node, g *Group, ask *Node) {
	var out []Node
	for _, child := range g.subGroups() {
		out = append(out, child.target())
	}
	c.send(result(iq, Node{Tag: ask.Tag, Content: out}))
}

func (g *Group) subGroups() []*Group {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.state.children)
}

// target is linkTarget with the lock taken.
func (g *Group) target() Node {
	g.mu.Lock()
	defer g.mu.Unlock()
	return linkTarget(g)
}

func answerLinkedParticipants(c *conn, iq *Node, g *Group, ask *Node) {
	seen := map[*account]bool{}
	var out []Node
	for _, child := range append(g.subGroups(), g) {
		child.mu.Lock()
		for _, a := range child.everyone() {
			if !seen[a] {
				seen[a] = true
				out = append(out, child.participant(a, member))
			}
		}
		child.mu.Unlock()
	}
	c.send(result(iq, Node{Tag: ask.Tag, Content: out}))
}

// groupServerHandlers answer queries to g.us by the tag of their child.
var groupServerHandlers = map[string]func(c *conn, iq, ask *Node){
	"create":        answerCreate,
	"participating": answerParticipating,
	"leave":         answerLeave,
	"invite":        answerInviteCode,
}

func answerCreate(c *conn, iq, ask *Node) {
	name := stringAttr(ask, "subject")
	if err := checkGroupName(name); err != nil {
		c.send(failure(iq, 406, "not-acceptable"))
		return
	}
	g := c.server.newGroup(name, c.device.account, true)
	for _, n := range ask.GetChildren() {
		g.configure(&n)
	}
	g.admit(c.server.named(ask.GetChildren()))
	g.announceCreation(stringAttr(ask, "key"))
	c.send(result(iq, g.snapshot()))
}

// configure applies one element of a create query to a group that nobody has seen yet.
func (g *Group) configure(n *Node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch n.Tag {
	case "member_add_mode":
		if mode := string(bytesOf(*n)); mode == adminsAdd {
			g.state.addMode = mode
		}
	case "locked":
		g.state.locked = true
	case "announcement":
		g.state.announce = true
	case "ephemeral":
		g.state.ephemeral = uint32(uintAttr(n, "expiration"))
	case "membership_approval_mode":
		join := n.GetChildByTag("group_join")
		g.state.approval = stringAttr(&join, "state") == "on"
	case "parent":
		g.state.community = true
	case "linked_parent":
		g.state.parent = g.server.groups.find(jidAttr(n, "jid"))
	}
}

func answerParticipating(c *conn, iq, _ *Node) {
	var out []Node
	for _, g := range c.server.groups.list() {
		if g.has(c.device.account) {
			out = append(out, g.snapshot())
		}
	}
	c.send(result(iq, Node{Tag: "groups", Content: out}))
}

func answerLeave(c *conn, iq, ask *Node) {
	var err error
	var left []Node
	for _, n := range ask.GetChildrenByTag("group") {
		g := c.server.groups.find(jidAttr(&n, "id"))
		if g == nil {
			err = errors.Join(err, ErrNotFound)
			continue
		}
		err = errors.Join(err, g.leave(c.device.account))
		left = append(left, Node{Tag: "group", Attrs: Attrs{"id": g.jid}})
	}
	if err != nil {
		c.answerChange(iq, err)
		return
	}
	c.send(result(iq, Node{Tag: "leave", Content: left}))
}

// answerInviteCode describes the group of an invite code (get), or joins it (set). A code that was reset is 410, an
// unknown one 406 (whatsmeow: group.go/JoinGroupWithLink).
func answerInviteCode(c *conn, iq, ask *Node) {
	g, current := c.server.groups.invited(stringAttr(ask, "code"))
	switch {
	case g == nil:
		c.send(failure(iq, 406, "not-acceptable"))
		return
	case !current:
		c.send(failure(iq, 410, "gone"))
		return
	case stringAttr(iq, "type") == "get":
		c.send(result(iq, g.snapshot()))
		return
	}
	if err := g.joinByLink(c.device.account); err != nil {
		c.send(failure(iq, 409, "conflict"))
		return
	}
	tag := "group"
	if !g.has(c.device.account) {
		tag = "membership_approval_request"
	}
	c.send(result(iq, Node{Tag: tag, Attrs: Attrs{"jid": g.jid}}))
}

// invited finds the group of an invite code, and whether the code is still good.
func (t *groupTable) invited(code string) (g *Group, current bool) {
	if code == "" {
		return nil, false
	}
	for _, g := range t.list() {
		g.mu.Lock()
		current, revoked := g.state.invite == code && !g.state.deleted, slices.Contains(g.state.revoked, code)
		g.mu.Unlock()
		if current || revoked {
			return g, current
		}
	}
	return nil, false
}

// groupPicture answers a query for the picture of a group that the client's account belongs to.
func (c *conn) groupPicture(target types.JID) (picture, int) {
	g := c.server.groups.find(target)
	if g == nil {
		return picture{}, 404
	}
	if !g.has(c.device.account) {
		return picture{}, 401
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.picture, 0
}
