package message

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/waid"
)

const (
	maxText       = 65536 // characters
	maxSource     = 64    // characters
	maxDelay      = 30    // seconds
	defaultSource = "api"
)

// check looks at everything that needs no look-up, and cuts the delay.
func (t *Text) check() error {
	if _, err := waid.ParseRecipient(t.Number); err != nil {
		return err
	}
	if strings.TrimSpace(t.Message) == "" {
		return fault.New(fault.Invalid, "Message is required")
	}
	if utf8.RuneCountInString(t.Message) > maxText {
		return tooLong("message", maxText)
	}
	if utf8.RuneCountInString(t.Source) > maxSource {
		return tooLong("source", maxSource)
	}
	if t.Delay < 0 {
		return fault.New(fault.Invalid, "Invalid delay", fault.Detail{Field: "delay", Reason: "must not be negative"})
	}
	t.Delay = min(t.Delay, maxDelay)
	if t.Source == "" {
		t.Source = defaultSource
	}
	return nil
}

func tooLong(field string, limit int) error {
	return fault.New(fault.Invalid, "Invalid "+field,
		fault.Detail{Field: field, Reason: fmt.Sprintf("at most %d characters", limit)})
}

// compose looks up whom the message goes to and what it refers to.
func (s *Service) compose(ctx context.Context, instanceID string, wire Transport, t Text) (Outgoing, error) {
	quote, err := s.quote(ctx, instanceID, t.ReplyTo)
	if err != nil {
		return Outgoing{}, err
	}
	to, err := s.recipient(ctx, instanceID, wire, target(t, quote))
	if err != nil {
		return Outgoing{}, err
	}
	mentions, err := mentions(ctx, wire, to, t)
	if err != nil {
		return Outgoing{}, err
	}
	id := t.ID
	if id == "" {
		id = wire.NewID()
	}
	return Outgoing{
		ID: id, To: to, Text: t.Message, Mentions: mentions, Quote: quote,
		Preview: s.preview(ctx, t), Source: t.Source,
		TypingTime: time.Duration(t.Delay) * time.Second,
	}, nil
}

func (s *Service) quote(ctx context.Context, instanceID, messageID string) (*Quote, error) {
	if messageID == "" {
		return nil, nil
	}
	q, found, err := s.store.GetQuote(ctx, instanceID, messageID)
	if err != nil {
		return nil, fmt.Errorf("read the quoted message: %w", err)
	}
	if !found {
		return nil, fault.New(fault.Invalid, "Reply message not found")
	}
	return &q, nil
}

// target is the address that a text goes to: a private reply to a group message
// goes to its author. Our own messages have nobody else to answer to.
func target(t Text, q *Quote) string {
	if !t.ReplyPrivate || q == nil || q.FromMe || q.Participant == "" {
		return t.Number
	}
	if chat, err := waid.Parse(q.ChatJID); err != nil || !chat.IsGroup() {
		return t.Number
	}
	return q.Participant
}

// mentions returns the JIDs that a group message names; elsewhere mentions are
// ignored.
func mentions(ctx context.Context, wire Transport, to Recipient, t Text) ([]string, error) {
	if to.Type != event.ChatGroup || (len(t.Mention) == 0 && !t.MentionAll) {
		return nil, nil
	}
	named, ambiguous, err := parseMentions(t.Mention)
	if err != nil {
		return nil, err
	}
	if !t.MentionAll && !ambiguous {
		return named, nil
	}
	members, err := wire.GroupMembers(ctx, to.JID)
	if err != nil {
		return nil, err
	}
	for i, jid := range named {
		named[i] = asMember(jid, members)
	}
	if t.MentionAll {
		named = append(named, members...)
	}
	return distinct(named), nil
}

// parseMentions reads numbers and JIDs of people. ambiguous says that a number
// may be known in another form.
func parseMentions(given []string) (jids []string, ambiguous bool, err error) {
	for _, g := range given {
		j, err := waid.ParseRecipient(g)
		if err != nil || (!j.IsUser() && !j.IsLID()) {
			return nil, false, fault.New(fault.Invalid, "Invalid mention",
				fault.Detail{Field: "mention", Reason: "must be phone numbers or JIDs of people"})
		}
		ambiguous = ambiguous || (j.IsUser() && len(waid.BrazilianForms(j.User)) > 1)
		jids = append(jids, j.String())
	}
	return distinct(jids), ambiguous, nil
}

// asMember returns the form of a number in which it is a member of the group,
// the given one if it is none.
func asMember(jid string, members []string) string {
	j, err := waid.Parse(jid)
	if err != nil || !j.IsUser() {
		return jid
	}
	for _, digits := range waid.BrazilianForms(j.User) {
		form := waid.JID{User: digits, Server: waid.ServerUser}.String()
		if slices.Contains(members, form) {
			return form
		}
	}
	return jid
}

// distinct drops repeats and keeps the order.
func distinct(in []string) []string {
	seen := make(map[string]bool, len(in))
	return slices.DeleteFunc(in, func(s string) bool {
		again := seen[s]
		seen[s] = true
		return again
	})
}

// link finds the first address in a text that a preview can be made of.
var link = regexp.MustCompile(`(?i)\bhttps?://[^\s<>"]+`)

// preview fetches the preview of the first link. Without one the message goes
// out all the same.
func (s *Service) preview(ctx context.Context, t Text) *Preview {
	if !t.LinkPreview || s.previews == nil {
		return nil
	}
	found := strings.TrimRight(link.FindString(t.Message), ".,;:!?)]}'")
	if found == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, previewLimit)
	defer cancel()
	p, err := s.previews.Preview(ctx, found)
	if err != nil {
		s.log.Debug("no link preview", "err", err)
		return nil
	}
	return p
}
