package wa

import (
	"context"
	"strings"

	"go.mau.fi/whatsmeow/types"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/message"
)

// Lookup implements message.Transport. WhatsApp wants numbers with a plus sign;
// the library stores the address mappings that come back. A number without a
// hidden identity counts as not registered, since nobody could write to it.
func (c *client) Lookup(ctx context.Context, numbers []string) ([]message.Number, error) {
	queries := make([]string, len(numbers))
	for i, n := range numbers {
		queries[i] = "+" + n
	}
	answers, err := c.wm.IsOnWhatsApp(ctx, queries)
	if err != nil {
		return nil, requestFault(err)
	}
	byQuery := make(map[string]types.IsOnWhatsAppResponse, len(answers))
	for _, a := range answers {
		byQuery[strings.TrimPrefix(a.Query, "+")] = a
	}
	found := make([]message.Number, len(numbers))
	for i, n := range numbers {
		found[i] = c.number(n, byQuery[n])
	}
	return found, nil
}

func (c *client) number(query string, a types.IsOnWhatsAppResponse) message.Number {
	n := message.Number{Query: query}
	r := c.recipient(a.JID.ToNonAD(), a.PhoneNumber.ToNonAD())
	if !a.IsIn || r.LID == "" {
		return n
	}
	n.JID, n.LID, n.Exists = r.JID, r.LID, true
	return n
}

// Resolve implements message.Transport.
func (c *client) Resolve(ctx context.Context, jid string) (message.Recipient, error) {
	parsed, err := types.ParseJID(jid)
	if err != nil {
		return message.Recipient{}, fault.New(fault.Invalid, "Invalid number")
	}
	switch parsed.Server {
	case types.GroupServer:
		info, err := c.wm.GetGroupInfo(ctx, parsed)
		if err != nil {
			return message.Recipient{}, groupFault(err)
		}
		c.learnGroup(info)
		return message.Recipient{JID: parsed.String(), Type: event.ChatGroup, Name: info.Name}, nil
	case types.NewsletterServer:
		return message.Recipient{JID: parsed.String(), Type: event.ChatNewsletter}, nil
	}
	return c.recipient(parsed.ToNonAD()), nil
}

// GroupMembers implements message.Transport. Groups that use hidden identities
// mostly tell the numbers too; else the stored mapping does.
func (c *client) GroupMembers(ctx context.Context, groupJID string) ([]string, error) {
	parsed, err := types.ParseJID(groupJID)
	if err != nil || parsed.Server != types.GroupServer {
		return nil, fault.New(fault.Invalid, "Invalid number")
	}
	info, err := c.wm.GetGroupInfo(ctx, parsed)
	if err != nil {
		return nil, groupFault(err)
	}
	c.learnGroup(info)
	members := make([]string, 0, len(info.Participants))
	for _, p := range info.Participants {
		members = append(members, c.memberForm(p))
	}
	return members, nil
}

// memberForm is the number of a group's member if known, else the hidden
// identity.
func (c *client) memberForm(p types.GroupParticipant) string {
	for _, j := range []types.JID{p.PhoneNumber, p.JID, directory{c}.Alternate(p.JID.ToNonAD())} {
		if j.Server == types.DefaultUserServer {
			return j.ToNonAD().String()
		}
	}
	return p.JID.ToNonAD().String()
}
