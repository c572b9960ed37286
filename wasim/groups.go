package wasim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// ErrForbidden is returned when a person may not make a change to a group.
var ErrForbidden = errors.New("not allowed in this group")

// maxGroupName is the longest group name, in characters (whatsmeow: group.go/ReqCreateGroup speaks of an error 406;
// the number is the one of today's phones).
const maxGroupName = 100

// role is what a member of a group may do. Its values are those of the participant's type attribute.
type role string

const (
	member     role = ""
	admin      role = "admin"
	superAdmin role = "superadmin"
)

// Modes of who may add members (whatsmeow: types/group.go).
const (
	adminsAdd   = string(types.GroupMemberAddModeAdmin)
	everyoneAdd = string(types.GroupMemberAddModeAllMember)
)

// Group is a group on the network. All methods may be called from several goroutines.
type Group struct {
	server  *Server
	jid     types.JID
	lid     bool // members are addressed by hidden identity
	creator *account
	created time.Time

	// mu guards state. It is held while notifications are added to outboxes, which never blocks, so that members see
	// changes in the order in which they were made.
	mu    sync.Mutex
	state groupState
}

// groupState is what can change about a group.
type groupState struct {
	name      stamped
	topic     stamped
	topicID   string
	announce  bool
	locked    bool
	approval  bool // joining by link needs an administrator's consent
	addMode   string
	ephemeral uint32 // seconds, 0 = off
	invite    string // code of the link
	revoked   []string
	picture   picture
	suspended bool
	deleted   bool
	community bool // has sub-groups instead of messages
	parent    *Group
	children  []*Group
	members   map[*account]role
	requests  map[*account]time.Time
	invited   map[*account]string // codes for people who do not let themselves be added
	version   uint64              // of the participants, and of the announce setting
}

// stamped is a text with who wrote it and when.
type stamped struct {
	text string
	by   *account
	at   time.Time
}

// groupTable finds groups.
type groupTable struct {
	linking sync.Mutex // held around changes that lock two groups

	mu   sync.RWMutex // guards the fields below
	all  map[types.JID]*Group
	next uint64
}

func newGroupTable() *groupTable { return &groupTable{all: map[types.JID]*Group{}} }

func (t *groupTable) find(jid types.JID) *Group {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.all[jid]
}

// add gives a new group its address and makes it known.
func (t *groupTable) add(g *Group) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next++
	g.jid = types.NewJID(fmt.Sprintf("120363%012d", t.next), types.GroupServer)
	t.all[g.jid] = g
}

// list returns all groups, oldest first.
func (t *groupTable) list() []*Group {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]*Group, 0, len(t.all))
	for _, g := range t.all {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *Group) int { return cmp.Compare(a.jid.User, b.jid.User) })
	return out
}

// GroupOptions are what a new group may differ in. The zero value is an ordinary group.
type GroupOptions struct {
	// NumberAddressing makes members appear by number, as in groups made before 2025. Newer ones, and by default these,
	// name members by hidden identity with the number beside it.
	NumberAddressing bool
	// Community makes a community, which groups can be linked to.
	Community bool
}

// CreateGroup makes a group whose members are named by hidden identity. It fails if the name is empty or too long.
func (s *Server) CreateGroup(name string, owner *Phone, members ...*Phone) (*Group, error) {
	return s.CreateGroupWith(GroupOptions{}, name, owner, members...)
}

// CreateGroupWith makes a group with options.
func (s *Server) CreateGroupWith(o GroupOptions, name string, owner *Phone, members ...*Phone) (*Group, error) {
	if err := checkGroupName(name); err != nil {
		return nil, err
	}
	g := s.newGroup(name, owner.account, !o.NumberAddressing)
	g.state.community = o.Community
	g.admit(accountsOf(members))
	g.announceCreation("")
	return g, nil
}

func checkGroupName(name string) error {
	if n := len([]rune(name)); n == 0 || n > maxGroupName {
		return fmt.Errorf("a group's name has 1 to %d characters", maxGroupName)
	}
	return nil
}

func accountsOf(phones []*Phone) []*account {
	out := make([]*account, len(phones))
	for i, p := range phones {
		out[i] = p.account
	}
	return out
}

func (s *Server) newGroup(name string, owner *account, lid bool) *Group {
	now := s.now()
	g := &Group{server: s, lid: lid, creator: owner, created: now, state: groupState{
		name: stamped{name, owner, now}, addMode: everyoneAdd, invite: inviteCode(),
		members: map[*account]role{owner: superAdmin}, requests: map[*account]time.Time{},
		invited: map[*account]string{}, version: 1,
	}}
	s.groups.add(g)
	return g
}

// inviteCode is the last part of an invite link.
func inviteCode() string { return randomName()[:22] }

// admit adds members without telling anyone, for a group that nobody has seen yet.
func (g *Group) admit(people []*account) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range people {
		if _, in := g.state.members[a]; !in {
			g.state.members[a] = member
		}
	}
}

// announceCreation shows a new group to its members. key is the one the creating client gave, if any.
func (g *Group) announceCreation(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	attrs := Attrs{"type": "new"}
	if key != "" {
		attrs["key"] = key
	}
	g.tell(g.creator, g.everyone(), Node{Tag: "create", Attrs: attrs, Content: []Node{g.node()}})
}

// Group finds a group by its address.
func (s *Server) Group(jid string) (*Group, bool) {
	parsed, err := types.ParseJID(jid)
	if err != nil {
		return nil, false
	}
	g := s.groups.find(parsed)
	return g, g != nil
}

// JID is the group's address, digits@g.us.
func (g *Group) JID() string { return g.jid.String() }

// Name is the group's present name.
func (g *Group) Name() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.name.text
}

// InviteCode is the last part of the group's present invite link.
func (g *Group) InviteCode() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.invite
}

// Members lists the members' numbers, sorted.
func (g *Group) Members() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]string, 0, len(g.state.members))
	for _, a := range g.everyone() {
		out = append(out, a.pn.User)
	}
	return out
}

// Admins lists the administrators' numbers, sorted.
func (g *Group) Admins() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []string
	for _, a := range g.everyone() {
		if g.state.members[a] != member {
			out = append(out, a.pn.User)
		}
	}
	return out
}

// everyone lists the members sorted by number. The caller holds g.mu.
func (g *Group) everyone() []*account {
	out := make([]*account, 0, len(g.state.members))
	for a := range g.state.members {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *account) int { return strings.Compare(a.pn.User, b.pn.User) })
	return out
}

// groupRoute is what message routing needs to know of a group.
type groupRoute struct {
	lid     bool // members are addressed by hidden identity
	members []*account
}

// routeOfGroup finds the members of a group for a message or receipt of one of them. code is 0, or the error of the
// acknowledgement: 404 for no such group, 403 when the sender may not write to it.
func (s *Server) routeOfGroup(group types.JID, sender *account) (r groupRoute, code int) {
	g := s.groups.find(group)
	if g == nil {
		return groupRoute{}, 404
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	r = groupRoute{lid: g.lid}
	rank, in := g.state.members[sender]
	switch {
	case g.state.deleted:
		return r, 404
	case !in, g.state.suspended, g.state.announce && rank == member:
		return r, 403
	}
	r.members = g.everyone()
	return r, 0
}

// groupError is what the code of routeOfGroup means to a person.
func groupError(group types.JID, code int) error {
	if code == 403 {
		return fmt.Errorf("group %s: %w", group, ErrForbidden)
	}
	return fmt.Errorf("group %s: %w", group, ErrNotFound)
}

// bump raises the version of the participants and returns the attributes that say so. The caller holds g.mu.
func (g *Group) bump() Attrs {
	previous := strconv.FormatUint(g.state.version, 10)
	g.state.version++
	return Attrs{"v_id": strconv.FormatUint(g.state.version, 10), "prev_v_id": previous}
}
