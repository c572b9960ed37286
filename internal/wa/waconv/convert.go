package waconv

import (
	"time"

	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/dispatch"
)

// Convert returns what one whatsmeow event means to users and to the store, in
// order. Events that mean nothing to them return nil. The caller passes
// pointers, as whatsmeow does.
//
// Three things are the caller's: UndecryptableMessage is reported by Placeholder
// once the wait for the content is over; GroupInfo.MembershipApprovalMode must
// hold the value of a fresh group query, since whatsmeow reports both directions
// alike; and label events with FromFullSync must be compared with the labels
// already stored.
func Convert(evt any, dir Directory) []dispatch.Item {
	c := newConverter(dir)
	switch e := evt.(type) {
	case *events.Message:
		return c.message(e)
	case *events.Receipt:
		return c.receipt(e)
	case *events.JoinedGroup:
		return c.joinedGroup(e)
	case *events.GroupInfo:
		return c.groupInfo(e)
	case *events.Picture:
		return c.picture(e)
	case *events.LabelEdit:
		return c.labelEdit(e)
	case *events.LabelAssociationChat:
		return c.labelChat(e)
	case *events.LabelAssociationMessage:
		return c.labelMessage(e)
	}
	return c.call(evt)
}

// converter carries what every conversion of one event needs.
type converter struct {
	dir  Directory
	self person
}

func newConverter(dir Directory) converter {
	pn, lid := dir.Self()
	return converter{dir: dir, self: person{pn: canonical(pn), lid: canonical(lid)}}
}

// at is t in UTC and whole milliseconds, as all times of events are, or the
// present where WhatsApp gave no time that can be written in RFC 3339.
func (c converter) at(t time.Time) time.Time {
	if t.IsZero() || t.Unix() <= 0 || !writable(t) {
		t = c.dir.Now()
	}
	return t.UTC().Truncate(time.Millisecond)
}

// writable reports whether RFC 3339, which has four-digit years, can hold t.
func writable(t time.Time) bool {
	y := t.UTC().Year()
	return y >= 1 && y <= 9999
}
