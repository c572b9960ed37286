package waconv

import (
	"go.mau.fi/whatsmeow/types"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/message"
)

// person is one account under both of its addresses, without device part.
type person struct {
	pn  types.JID
	lid types.JID
}

// person sorts the addresses given for one account into number and hidden
// identity, and asks the directory for the one that is missing.
func (c converter) person(addresses ...types.JID) person {
	var p person
	for _, a := range addresses {
		a = canonical(a)
		switch {
		case a.IsEmpty():
		case a.Server == types.HiddenUserServer:
			p.lid = firstJID(p.lid, a)
		default:
			p.pn = firstJID(p.pn, a)
		}
	}
	return c.completed(p)
}

func (c converter) completed(p person) person {
	ownPN, ownLID := c.self.pn, c.self.lid
	switch {
	case p.pn.IsEmpty() && p.lid.IsEmpty():
	case p.pn.IsEmpty() && p.lid == ownLID:
		p.pn = ownPN
	case p.pn.IsEmpty():
		p.pn = canonical(c.dir.Alternate(p.lid))
	case p.lid.IsEmpty() && p.pn == ownPN:
		p.lid = ownLID
	case p.lid.IsEmpty() && p.pn.Server == types.DefaultUserServer:
		p.lid = canonical(c.dir.Alternate(p.pn))
	}
	return p
}

// canonical drops the device and brings WhatsApp's spellings of a server to
// one: c.us is s.whatsapp.net, hosted companions belong to their account.
func canonical(j types.JID) types.JID {
	if j.User == "" {
		return types.JID{}
	}
	j = types.JID{User: j.User, Server: j.Server}
	switch j.Server {
	case types.LegacyUserServer, types.HostedServer:
		j.Server = types.DefaultUserServer
	case types.HostedLIDServer:
		j.Server = types.HiddenUserServer
	}
	return j
}

func firstJID(a, b types.JID) types.JID {
	if a.IsEmpty() {
		return b
	}
	return a
}

// primary is the form by which we recognise an account: its number if known,
// else its hidden identity.
func (p person) primary() types.JID { return firstJID(p.pn, p.lid) }

// key is primary as it is stored; "" for nobody.
func (p person) key() string { return jidString(p.primary()) }

// formerKey is the key of an account as long as only its hidden identity was
// known; "" where there was no such time: our own number is always known.
func (c converter) formerKey(p person) string {
	if p.pn.IsEmpty() || p.is(c.self) {
		return ""
	}
	return jidString(p.lid)
}

func (p person) is(q person) bool {
	return !p.pn.IsEmpty() && p.pn == q.pn || !p.lid.IsEmpty() && p.lid == q.lid
}

// address writes a person as the contract has it, called name or else what the
// directory says.
func (c converter) address(p person, name string) event.Address {
	a := event.Address{JID: optional(p.pn), LID: optional(p.lid), Name: name}
	if a.Name == "" {
		a.Name = c.name(p)
	}
	return a
}

func (c converter) name(p person) string {
	for _, j := range []types.JID{p.pn, p.lid} {
		if j.IsEmpty() {
			continue
		}
		if name := c.dir.Name(j); name != "" {
			return name
		}
	}
	return ""
}

func (c converter) addresses(jids []types.JID) []event.Address {
	list := make([]event.Address, 0, len(jids))
	for _, j := range jids {
		list = append(list, c.address(c.person(j), ""))
	}
	return list
}

// chat describes a conversation; peer is who it is with when it is private,
// and peerName what they are called ("" asks the directory).
func (c converter) chat(j types.JID, peer person, peerName string) event.Chat {
	j = canonical(j)
	switch {
	case j.Server == types.GroupServer:
		g := c.dir.Group(j)
		a := event.Address{JID: optional(j), Name: g.Name}
		return event.Chat{Address: a, Type: event.ChatGroup, IsCommunity: g.Announcements}
	case j.Server == types.NewsletterServer:
		a := event.Address{JID: optional(j), Name: c.dir.Name(j)}
		return event.Chat{Address: a, Type: event.ChatNewsletter}
	case j == types.StatusBroadcastJID:
		return event.Chat{Address: event.Address{JID: optional(j)}, Type: event.ChatStatus}
	}
	return event.Chat{Address: c.address(peer, peerName), Type: event.ChatPrivate}
}

// phoneForm rewrites an address that WhatsApp gave as text to the number if
// known, without device part. What cannot be read comes back as it is.
func (c converter) phoneForm(s string) string {
	j, err := types.ParseJID(s)
	if err != nil || j.User == "" {
		return s
	}
	return c.person(j).key()
}

func (c converter) recipient(r message.Recipient) person {
	jid, _ := types.ParseJID(r.JID) // an address that cannot be read is unknown
	lid, _ := types.ParseJID(r.LID)
	return c.person(jid, lid)
}

func jidString(j types.JID) string {
	if j.IsEmpty() {
		return ""
	}
	return j.String()
}

func optional(j types.JID) *string {
	if j.IsEmpty() {
		return nil
	}
	s := j.String()
	return &s
}
