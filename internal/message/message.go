package message

import (
	"context"
	"log/slog"
	"time"
)

// Text is a request to send text. Fields are as in POST /api/message/text.
type Text struct {
	// ID is the message ID to use, so that a repeated request cannot show
	// twice; empty: a fresh one.
	ID           string
	Number       string
	Message      string
	Delay        int // seconds, 0 to 30; more is cut
	ReplyTo      string
	ReplyPrivate bool
	Mention      []string
	MentionAll   bool
	Source       string
	LinkPreview  bool
}

// Recipient is where a message goes. JID is the phone form if known; LID may
// be empty. Type is event.ChatPrivate, ChatGroup or ChatNewsletter.
type Recipient struct {
	JID  string
	LID  string
	Type string
	Name string // group name
}

// Quote is the stored message that is answered.
type Quote struct {
	MessageID   string
	ChatJID     string
	Participant string // JID of its author
	FromMe      bool
	Raw         []byte // the WhatsApp protobuf, serialised
}

// Preview is a link preview shown under a text.
type Preview struct {
	URL, Title, Description string
	JPEG                    []byte // thumbnail, may be nil
}

// Outgoing is a message that is ready for the wire.
type Outgoing struct {
	ID         string
	To         Recipient
	Text       string
	Mentions   []string // JIDs
	Quote      *Quote
	Preview    *Preview
	Source     string
	TypingTime time.Duration // shows typing, then paused, before the message
}

// Sent is WhatsApp's acknowledgement.
type Sent struct {
	ID        string
	Timestamp time.Time
	Sender    Recipient // ourselves
}

// Number is what WhatsApp knows about a phone number.
type Number struct {
	Query  string // digits, as asked
	JID    string // empty: not registered
	LID    string
	Exists bool
}

// Transport sends over one instance's connection. Errors are faults of the
// contract where it names them.
type Transport interface {
	// NewID returns a fresh message ID in WhatsApp's form.
	NewID() string
	// Lookup asks which of the numbers (digits) are on WhatsApp.
	Lookup(ctx context.Context, numbers []string) ([]Number, error)
	// Resolve fills in what is known of a LID, group or newsletter address.
	Resolve(ctx context.Context, jid string) (Recipient, error)
	// GroupMembers returns the JIDs of a group's members: numbers where known,
	// else LIDs, also in groups that use LIDs.
	GroupMembers(ctx context.Context, groupJID string) ([]string, error)
	// Send sends the message, records it and publishes its event; it returns
	// when WhatsApp has acknowledged it.
	Send(ctx context.Context, m Outgoing) (Sent, error)
}

// Transports returns the transport of an instance; ok is false while it is not
// connected.
type Transports interface {
	Transport(instanceID string) (t Transport, ok bool)
}

// Store is what sending reads.
type Store interface {
	// GetQuote returns a stored message of the instance by its ID; found is
	// false if there is none.
	GetQuote(ctx context.Context, instanceID, messageID string) (q Quote, found bool, err error)
}

// Previewer fetches link previews from addresses that users give.
type Previewer interface {
	Preview(ctx context.Context, url string) (*Preview, error)
}

// Options tune the service.
type Options struct {
	Logger *slog.Logger
	Rate   int // send.rate: messages a minute and instance; 0 = not paced
	Burst  int // send.burst
}

// Answer is what a send answers.
type Answer struct {
	ID        string
	Type      string // text
	Content   string
	Timestamp time.Time
	Source    string
	Chat      Recipient
	Sender    Recipient
	Mentions  []string
	ReplyTo   string
}
