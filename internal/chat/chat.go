package chat

import (
	"context"
	"time"

	"github.com/chasqui/chasqui/internal/media"
)

// Stored is a message as the store keeps it.
type Stored struct {
	ID        string
	ChatKey   string // JID of the chat: number if known, else LID, or a group
	SenderKey string // the same form
	FromMe    bool
	Type      string // as in message.exchange
	Text      string
	SentAt    time.Time
	Receipt   string // the best one: server_error, delivered, read, played; empty without
	Raw       []byte // the WhatsApp protobuf; nil for what came without content
}

// Store is what this package reads.
type Store interface {
	// GetMessage returns a message of the instance by its ID, the newest if
	// several chats have one; found is false if there is none.
	GetMessage(ctx context.Context, instanceID, messageID string) (m Stored, found bool, err error)
}

// Description is what a message says about its file.
type Description struct {
	Ref      media.Ref
	Duration int // seconds of sound or video, as the sender claims
}

// Describer reads stored protobufs.
type Describer interface {
	// Describe says what file a message is; ok is false if it is none.
	Describe(raw []byte) (d Description, ok bool, err error)
}

// Message is a stored message as users see it.
type Message struct {
	ID      string
	Type    string
	Text    string
	Chat    string // JIDs
	From    string
	To      string
	Sender  string // of a group message; else empty
	SentAt  time.Time
	IsGroup bool
	Status  string       // sent, delivered, received, read, played or error
	Media   *Description // nil without a file
}

// Media is the file of a message. The caller closes File.
type Media struct {
	MessageID string
	Kind      string // as media.type in message.exchange
	Mimetype  string
	File      *media.File
}
