package wasim

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Participants makes a person change who is in the group. action is add, remove, promote, demote (by actor, to people),
// join (people, or actor if there are none, follow the invite link; with membership approval they ask to be let in),
// leave (the same people leave), approve, reject (an administrator answers requests to join) or cancel (people take
// their requests back). It fails with ErrForbidden if the actor may not do it.
func (g *Group) Participants(_ context.Context, actor *Phone, action string, people ...*Phone) error {
	accounts := accountsOf(people)
	if len(accounts) == 0 {
		accounts = []*account{actor.account}
	}
	switch action {
	case "add", "remove", "promote", "demote":
		_, err := g.change(actor.account, action, accounts)
		return err
	case "approve", "reject":
		_, err := g.decide(actor.account, action == "approve", accounts)
		return err
	}
	each := map[string]func(*account) error{"join": g.joinByLink, "leave": g.leave, "cancel": g.cancelRequest}[action]
	if each == nil {
		return fmt.Errorf("action must be add, remove, promote, demote, join, leave, approve, reject or cancel, not %q", action)
	}
	for _, a := range accounts {
		if err := each(a); err != nil {
			return err
		}
	}
	return nil
}

// verdict is what became of one person in a change of participants: 0, or the error that the answer names (whatsmeow:
// group.go/parseParticipant).
type verdict struct {
	account *account
	code    int
}

// change adds, removes, promotes or demotes. People for whom it makes no sense are reported, the others changed. by may
// remove himself without being an administrator.
func (g *Group) change(by *account, action string, people []*account) ([]verdict, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.may(by, action, people) {
		return nil, ErrForbidden
	}
	var changed []*account
	out := make([]verdict, 0, len(people))
	for _, a := range people {
		code := g.refusal(action, a)
		switch {
		case code == 0 && !slices.Contains(changed, a):
			changed = append(changed, a)
		case code == 403:
			g.state.invited[a] = inviteCode()
		}
		out = append(out, verdict{a, code})
	}
	if len(changed) > 0 {
		g.apply(by, action, "", changed)
	}
	return out, nil
}

// may reports whether by may do this to these people. The caller holds g.mu.
func (g *Group) may(by *account, action string, people []*account) bool {
	rank, in := g.state.members[by]
	switch {
	case !in || g.state.deleted:
		return false
	case rank != member:
		return true
	case action == "add":
		return g.state.addMode == everyoneAdd
	default:
		return action == "remove" && len(people) == 1 && people[0] == by
	}
}

// refusal is 0 if the action makes sense for a person: 409 already in, 404 not in, 403 does not let himself be added
// and has to be invited.
func (g *Group) refusal(action string, a *account) int {
	_, in := g.state.members[a]
	switch {
	case action != "add" && !in:
		return 404
	case action == "add" && in:
		return 409
	case action == "add" && a.profile.privacySetting("groupadd") == "none":
		return 403
	default:
		return 0
	}
}

// apply changes the roles, and tells the members. Those who came in see the whole group instead of the change; those
// who went out see that they did. The caller holds g.mu.
func (g *Group) apply(by *account, action, reason string, people []*account) {
	before := g.everyone()
	attrs := g.bump()
	if reason != "" {
		attrs["reason"] = reason
	}
	leaving := g.participants(people)
	for _, a := range people {
		switch action {
		case "add":
			g.state.members[a] = member
			delete(g.state.requests, a)
			delete(g.state.invited, a)
		case "remove":
			delete(g.state.members, a)
		case "promote":
			g.state.members[a] = admin
		case "demote":
			g.state.members[a] = member
		}
	}
	content := leaving
	if action != "remove" {
		content = g.participants(people)
	}
	g.tell(by, before, Node{Tag: action, Attrs: attrs, Content: content})
	if action == "add" {
		g.welcome(by, reason, people)
	}
}

// welcome shows the group to people who came in.
func (g *Group) welcome(by *account, reason string, people []*account) {
	attrs := Attrs{}
	if reason != "" {
		attrs["reason"] = reason
	}
	g.tell(by, people, Node{Tag: "create", Attrs: attrs, Content: []Node{g.node()}})
}

// leave takes a member out by their own wish. The oldest administrator's place is not refilled: a group may have none.
func (g *Group) leave(a *account) error {
	out, err := g.change(a, "remove", []*account{a})
	if err == nil && out[0].code != 0 {
		return ErrNotFound
	}
	return err
}

// joinByLink lets a person in by the invite link, or asks the administrators if the group wants that.
func (g *Group) joinByLink(a *account) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, in := g.state.members[a]; in || g.state.deleted {
		return ErrForbidden
	}
	if g.state.approval {
		g.request(a)
		return nil
	}
	g.apply(a, "add", "invite", []*account{a})
	return nil
}

// accept lets a person in who was invited with this code.
func (g *Group) accept(a *account, code string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if code == "" || g.state.invited[a] != code || g.state.deleted {
		return ErrNotFound
	}
	g.apply(a, "add", "", []*account{a})
	return nil
}

// invites reports whether a person was invited with this code.
func (g *Group) invites(a *account, code string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return code != "" && g.state.invited[a] == code
}

// request notes a request to join and tells the administrators. The children of created_membership_requests are
// requested_user, those of revoked_membership_requests participant (known from a second client library). The caller
// holds g.mu.
func (g *Group) request(a *account) {
	if _, asked := g.state.requests[a]; asked {
		return
	}
	g.state.requests[a] = g.server.now()
	user := g.participant(a, member)
	user.Tag = "requested_user"
	g.tell(a, g.admins(), Node{
		Tag: "created_membership_requests", Attrs: Attrs{"request_method": "invite_link"}, Content: []Node{user},
	})
}

func (g *Group) admins() []*account {
	return slices.DeleteFunc(g.everyone(), func(a *account) bool { return g.state.members[a] == member })
}

// cancelRequest takes a person's request back.
func (g *Group) cancelRequest(a *account) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, asked := g.state.requests[a]; !asked {
		return ErrNotFound
	}
	g.revoke(a, []*account{a})
	return nil
}

func (g *Group) revoke(by *account, people []*account) {
	for _, a := range people {
		delete(g.state.requests, a)
	}
	receivers := append(g.admins(), people...)
	g.tell(by, receivers, Node{Tag: "revoked_membership_requests", Content: g.participants(people)})
}

// decide answers requests to join. People who have not asked are reported with 404.
func (g *Group) decide(by *account, approve bool, people []*account) ([]verdict, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.members[by] == member {
		return nil, ErrForbidden
	}
	var asked []*account
	var out []verdict
	for _, a := range people {
		v := verdict{a, 404}
		if _, ok := g.state.requests[a]; ok {
			asked, v.code = append(asked, a), 0
		}
		out = append(out, v)
	}
	if len(asked) > 0 && approve {
		g.apply(by, "add", "", asked)
	} else if len(asked) > 0 {
		g.revoke(by, asked)
	}
	return out, nil
}

// invitationLifetime is how long an invitation says it is good for. The network does not count.
const invitationLifetime = 3 * 24 * time.Hour

// verdictNodes is how an answer names people. The caller must not hold g.mu.
func (g *Group) verdictNodes(verdicts []verdict) []Node {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]Node, len(verdicts))
	for i, v := range verdicts {
		out[i] = g.participant(v.account, g.state.members[v.account])
		if v.code != 0 {
			out[i].Attrs["error"] = strconv.Itoa(v.code)
		}
		if code := g.state.invited[v.account]; code != "" {
			expires := timestamp(g.server.now().Add(invitationLifetime))
			out[i].Content = []Node{{Tag: "add_request", Attrs: Attrs{"code": code, "expiration": expires}}}
		}
	}
	return out
}
