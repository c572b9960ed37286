package waconv

import (
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

// Directory is what the conversion must know beyond the event itself. All
// addresses are given and expected without device part. Implementations answer
// from memory or a local store: a conversion runs while WhatsApp's queue waits.
type Directory interface {
	// Self returns our own number and hidden identity; each is zero if unknown.
	Self() (pn, lid types.JID)
	// Alternate returns the hidden identity of a number and the number of a
	// hidden identity, or the zero JID.
	Alternate(j types.JID) types.JID
	// Name returns what a person or newsletter is called, or "".
	Name(j types.JID) string
	// Group returns what is known of a group; the zero value if nothing is.
	Group(j types.JID) Group
	// PollOptions returns the option names of a poll, nil if it is not known.
	PollOptions(chat types.JID, messageID string) []string
	// Open decrypts the second layer of evt.Message: a vote, or a reaction or
	// an edit in an announcement group. The zero value says that it cannot.
	Open(evt *events.Message) Opened
	// Now is the time for what WhatsApp reports without one.
	Now() time.Time
}

// Group is what a Directory knows of a group.
type Group struct {
	Name string
	// Announcements marks the announcement group of a community.
	Announcements bool
}

// Opened is the content of a message that is encrypted twice, with a key that
// an earlier message brought. At most one field is set.
type Opened struct {
	Vote     *waE2E.PollVoteMessage
	Reaction *waE2E.ReactionMessage
	Edited   *waE2E.Message
}
