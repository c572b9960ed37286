package waconv

import (
	"math"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"github.com/chasqui/chasqui/internal/event"
)

// rawUnknown is the rawType of a message with no field that we know.
const rawUnknown = "unknown"

// read fills the body from the content. What is not understood is told as
// unsupported with the name of WhatsApp's protobuf field.
func (b *builder) read(p payload) {
	if holder, ok := p.value.(interface{ GetContextInfo() *waE2E.ContextInfo }); ok {
		b.context(holder.GetContextInfo())
	}
	if b.readSimple(p) || b.readMedia(p) || b.readInteractive(p.value) || b.readReference(p.value) {
		return
	}
	if p.name == "" {
		p.name = rawUnknown
	}
	b.unsupported(p.name)
}

// kind says what the message is, and what can be read in it.
func (b *builder) kind(name, text string) {
	b.body.Type = name
	if text != "" {
		b.body.Content = &event.Content{Text: text}
	}
}

// context reads what goes with many kinds of content.
func (b *builder) context(ci *waE2E.ContextInfo) {
	b.body.Forwarded = ci.GetIsForwarded()
	if s := ci.GetExpiration(); s > 0 {
		b.body.Ephemeral = &event.Ephemeral{Seconds: s}
	}
	if id := ci.GetStanzaID(); id != "" {
		b.body.Reply = &event.Reply{
			MessageID:   id,
			Text:        textOf(ci.GetQuotedMessage()),
			Participant: b.c.phoneForm(ci.GetParticipant()),
		}
	}
	if mentioned := ci.GetMentionedJID(); len(mentioned) > 0 {
		users := make([]string, 0, len(mentioned))
		for _, jid := range mentioned {
			users = append(users, b.c.phoneForm(jid))
		}
		b.body.Mentions = &event.Mentions{MentionedUsers: users}
	}
}

// readSimple reads what people write and attach without a file.
func (b *builder) readSimple(p payload) bool {
	switch m := p.value.(type) {
	case string:
		b.kind("text", "")
		b.body.Content = &event.Content{Text: m}
	case *waE2E.ExtendedTextMessage:
		b.kind("text", "")
		b.body.Content = &event.Content{Text: m.GetText()}
	case *waE2E.LocationMessage:
		b.kind("location", m.GetComment())
		b.body.Location = location(m)
	case *waE2E.LiveLocationMessage:
		b.kind("location", m.GetCaption())
		b.body.Location = &event.Location{
			Latitude: finite(m.GetDegreesLatitude()), Longitude: finite(m.GetDegreesLongitude()),
		}
	case *waE2E.ContactMessage:
		b.kind("contact", "")
		b.body.Contact = []event.ContactCard{contactCard(m)}
	case *waE2E.ContactsArrayMessage:
		b.kind("contact", "")
		for _, card := range m.GetContacts() {
			b.body.Contact = append(b.body.Contact, contactCard(card))
		}
	case *waE2E.PollCreationMessage:
		b.kind("poll", "")
		b.body.Poll = poll(m)
	case *waE2E.EventMessage:
		b.kind("event", "")
		b.body.Event = calendarEvent(m)
	default:
		return false
	}
	return true
}

func location(m *waE2E.LocationMessage) *event.Location {
	return &event.Location{
		Latitude:  finite(m.GetDegreesLatitude()),
		Longitude: finite(m.GetDegreesLongitude()),
		Name:      m.GetName(),
		Address:   m.GetAddress(),
	}
}

// finite replaces what JSON cannot hold by zero: protobuf can, and a sender
// must not be able to spoil the whole event.
func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

func contactCard(m *waE2E.ContactMessage) event.ContactCard {
	return event.ContactCard{
		DisplayName: m.GetDisplayName(),
		PhoneNumber: vcardPhone(m.GetVcard()),
		VCard:       m.GetVcard(),
	}
}

// vcardPhone returns the first telephone number of a vCard (RFC 6350, TEL). A
// WhatsApp account is marked by a waid parameter, whose digits win.
func vcardPhone(vcard string) string {
	for line := range strings.Lines(vcard) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		params := strings.Split(name, ";")
		property := params[0][strings.LastIndexByte(params[0], '.')+1:]
		if !ok || !strings.EqualFold(property, "TEL") {
			continue
		}
		for _, param := range params[1:] {
			if key, id, _ := strings.Cut(param, "="); strings.EqualFold(key, "waid") && id != "" {
				return id
			}
		}
		return strings.TrimPrefix(value, "tel:")
	}
	return ""
}

func poll(m *waE2E.PollCreationMessage) *event.Poll {
	options := make([]event.PollOption, 0, len(m.GetOptions()))
	for _, o := range m.GetOptions() {
		options = append(options, event.PollOption{Name: o.GetOptionName()})
	}
	return &event.Poll{Title: m.GetName(), Options: options, MaxAnswer: int(m.GetSelectableOptionsCount())}
}

// PollOptions returns the option names of a poll, in whichever of WhatsApp's
// versions it was sent; nil for any other message.
func PollOptions(m *waE2E.Message) []string {
	p, ok := unwrap(m).value.(*waE2E.PollCreationMessage)
	if !ok {
		return nil
	}
	names := make([]string, 0, len(p.GetOptions()))
	for _, o := range p.GetOptions() {
		names = append(names, o.GetOptionName())
	}
	return names
}

func calendarEvent(m *waE2E.EventMessage) *event.CalendarEvent {
	e := &event.CalendarEvent{
		Name:        m.GetName(),
		Description: m.GetDescription(),
		StartAt:     unixTime(m.GetStartTime()),
		EndAt:       unixTime(m.GetEndTime()),
		JoinLink:    m.GetJoinLink(),
		IsCanceled:  m.GetIsCanceled(),
	}
	if m.GetLocation() != nil {
		e.Location = location(m.GetLocation())
	}
	return e
}

// unixTime is nil for no time and for one that RFC 3339 cannot hold.
func unixTime(seconds int64) *time.Time {
	t := time.Unix(seconds, 0).UTC()
	if seconds == 0 || !writable(t) {
		return nil
	}
	return &t
}

// textOf is what can be read in a message: its text, caption, or title.
func textOf(m *waE2E.Message) string {
	switch v := unwrap(m).value.(type) {
	case string:
		return v
	case *waE2E.ExtendedTextMessage:
		return v.GetText()
	case interface{ GetCaption() string }:
		return v.GetCaption()
	case *waE2E.PollCreationMessage:
		return v.GetName()
	case *waE2E.LocationMessage:
		return v.GetName()
	case *waE2E.ContactMessage:
		return v.GetDisplayName()
	case *waE2E.EventMessage:
		return v.GetName()
	case *waE2E.ReactionMessage:
		return v.GetText()
	}
	return interactiveText(unwrap(m).value)
}
