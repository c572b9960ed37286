package waconv

import (
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
)

// receiptStatus names WhatsApp's receipt types in message.status. Types that
// are not listed (peer_msg, hist_sync and whatever comes) cause no event.
var receiptStatus = map[types.ReceiptType]string{
	types.ReceiptTypeDelivered:   "delivered",
	types.ReceiptTypeRead:        "read",
	types.ReceiptTypePlayed:      "played",
	types.ReceiptTypeSender:      "sender",
	types.ReceiptTypeReadSelf:    "read_self",
	types.ReceiptTypePlayedSelf:  "played_self",
	types.ReceiptTypeRetry:       "retry",
	types.ReceiptTypeInactive:    "inactive",
	types.ReceiptTypeServerError: "server_error",
}

func (c converter) receipt(e *events.Receipt) []dispatch.Item {
	status, ok := receiptStatus[e.Type]
	if !ok || len(e.MessageIDs) == 0 {
		return nil
	}
	src := c.source(e.MessageSource, "")
	data := &event.Status{
		Timestamp:     c.at(e.Timestamp),
		Status:        status,
		MessageIDs:    e.MessageIDs,
		Chat:          src.chat,
		Recipient:     c.address(src.sender, ""),
		MessageSender: c.receiptAuthor(e),
	}
	return []dispatch.Item{{Data: data, Receipt: c.receiptRecord(e, data, src.chatKey)}}
}

// receiptAuthor is who wrote the messages, where more than two people could
// have. Others only give receipts for our messages; our own devices say whose.
func (c converter) receiptAuthor(e *events.Receipt) *event.Address {
	if !e.IsGroup {
		return nil
	}
	author := c.self
	if e.IsFromMe && e.Type != types.ReceiptTypeSender {
		author = c.person(e.MessageSender)
	}
	if author == (person{}) {
		return nil
	}
	a := c.address(author, "")
	return &a
}

// receiptRecord is nil for receipts that say nothing about how far our own
// messages came.
func (c converter) receiptRecord(e *events.Receipt, s *event.Status, chatKey string) *dispatch.ReceiptRecord {
	if e.IsFromMe {
		return nil
	}
	switch s.Status {
	case "delivered", "read", "played", "server_error":
		return &dispatch.ReceiptRecord{ChatKey: chatKey, MessageIDs: s.MessageIDs, Status: s.Status, At: s.Timestamp}
	}
	return nil
}
