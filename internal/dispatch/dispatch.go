package dispatch

import (
	"context"
	"log/slog"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/webhook"
)

// Item is one thing that happened on an instance: what to tell, and what to
// remember in the same transaction.
type Item struct {
	// Data is what users are told; nil when the item is only recorded.
	Data event.Payload
	// Media says how to fetch the file of a message.exchange; nil without one.
	Media *media.Ref
	// Message makes the item unique: if it is stored already, the whole item
	// is dropped.
	Message *MessageRecord
	Receipt *ReceiptRecord
	Label   *LabelRecord
	Names   []NameRecord
}

// MessageRecord is a message as it is stored. ChatKey and SenderKey are the
// one form under which repeats are recognised: number if known, else LID,
// without device part.
type MessageRecord struct {
	ID        string
	ChatKey   string
	SenderKey string
	// ChatLID and SenderLID are the keys that the message was stored under if
	// it came before the number behind a hidden identity was known; empty where
	// the key could only be the same. A message found there is a repeat too.
	ChatLID   string
	SenderLID string
	FromMe    bool
	Type      string
	Text      string
	Source    string
	Timestamp time.Time
	Raw       []byte // the WhatsApp protobuf, serialised; nil for placeholders
	// Placeholder marks an unsupported event sent because the content never
	// came: the real message may replace it once, and is told again.
	Placeholder bool
}

// key names the message's file.
func (m *MessageRecord) key() media.Key {
	return media.Key{ChatKey: m.ChatKey, SenderKey: m.SenderKey, MessageID: m.ID}
}

// ReceiptRecord raises the stored status of messages; it never lowers one.
type ReceiptRecord struct {
	ChatKey    string
	MessageIDs []string
	Status     string // delivered, read, played, server_error
	At         time.Time
}

// LabelRecord is the state of a label or of one assignment of it.
type LabelRecord struct {
	LabelID   string
	ChatJID   string // empty: the label itself
	MessageID string // empty: the chat
	Labeled   bool
	Name      string
	Color     int
	Deleted   bool
}

// NameRecord remembers what somebody or some group is called.
type NameRecord struct {
	JID  string
	Name string
}

// Store records events.
type Store interface {
	// Record stores the items of one instance in one transaction, in order.
	// It sets Sequence of each event whose item was not dropped; events[i]
	// belongs to items[i] and is nil where items[i].Data is nil. A dropped
	// item leaves its Sequence 0. What the events leave for webhooks and for the
	// instance's bucket is written in the same transaction, as out says.
	Record(ctx context.Context, instanceID string, items []Item, events []*event.Event, out Outbox) error
	// ListWebhooks returns the webhooks of an instance.
	ListWebhooks(ctx context.Context, instanceID string) ([]webhook.Webhook, error)
	// GetWebSocket returns the configuration; found is false if there is none.
	GetWebSocket(ctx context.Context, instanceID string) (ws WebSocket, found bool, err error)
	PutWebSocket(ctx context.Context, instanceID string, ws WebSocket) error
}

// Outbox is what the recorded events of one instance leave behind. Each event
// leaves one delivery for each hook whose filter allows it, all referring to
// one stored body per variant: Encode's bytes, and, for hooks with Base64, a
// body that waits for the file if the event is a message with media. While one
// waits, message.exchange and message.status of its chat for that hook wait
// behind it. The zero Outbox leaves nothing.
type Outbox struct {
	Hooks []webhook.Hook
	// KeepMedia: the files of messages go into the instance's bucket; each is
	// noted as wanted.
	KeepMedia bool
	// Encode appends the envelope of an event that has its Sequence. Required
	// with Hooks.
	Encode func(dst []byte, e *event.Event) ([]byte, error)
	// Due is told, before the commit, whose lines got a delivery that does not
	// wait; nobody else has to be woken. Nil: nobody asks.
	Due func(webhookIDs []string)
}

// Followers are told after a commit that there is work for them. They must not
// block; a nil one is not told.
type Followers struct {
	Deliveries func(webhookIDs []string) // for the webhook worker
	Bodies     func()                    // bodies wait for files
	Files      func(instanceID string)   // files are wanted for a bucket
}

// Links knows where the files of instances with a bucket will be; package media
// has it.
type Links interface {
	// Link returns a URL by which the file of a message can be had once it is in
	// the instance's bucket; ok is false if the instance has none, or the file
	// will not go there. It is called for every message with media before that is
	// recorded, and must not block.
	Link(instanceID string, key media.Key, ref media.Ref) (url string, ok bool)
}

// Stream is the live side of one instance: the WebSocket clients that are
// connected to it. It is implemented by package hub.
type Stream interface {
	// Idle reports that nobody is connected. One atomic load, no allocation.
	Idle() bool
	// Publish hands one event to every client. encode appends the JSON to dst
	// and is called at most once, not at all when nobody is connected; size is
	// a hint in bytes. Publish never waits for a client.
	Publish(size int, encode func(dst []byte) ([]byte, error)) error
}

// Streams opens the stream of an instance; the same one for the same ID.
type Streams interface {
	Stream(instanceID string) Stream
}

// WebSocket is the WebSocket configuration of an instance.
type WebSocket struct {
	Enabled     bool         `json:"enabled"`
	Events      []event.Type `json:"events"` // never nil; empty means all six
	MediaBase64 bool         `json:"mediaBase64"`
}

// Origin is what every envelope says about its instance.
type Origin struct {
	InstanceID string
	Name       string
	Token      string
}

// Options tune the dispatcher.
type Options struct {
	Logger       *slog.Logger
	BaseURL      func() string // instanceData.baseUrl
	IncludeToken bool          // events.include_token
	MediaWait    time.Duration // media.wait, default 15 s
	MediaMax     int64         // media.base64_max, default 16 MiB
	Memory       *media.Budget // media.memory, for frames with a file; default 128 MiB
	Links        Links         // nil: no instance has a bucket
	Followers    Followers
}
