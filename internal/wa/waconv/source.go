package waconv

import (
	"go.mau.fi/whatsmeow/types"

	"github.com/chasqui/chasqui/internal/event"
)

// source is where a message or receipt came from, in our terms.
type source struct {
	chat    event.Chat
	chatKey string
	chatLID string // chatKey before the number was known; "" if it was always this
	sender  person
}

// source reads a MessageSource. senderName is what the message itself calls
// its sender, "" if it does not.
func (c converter) source(ms types.MessageSource, senderName string) source {
	if ms.Chat.IsBroadcastList() && !ms.BroadcastListOwner.IsEmpty() {
		ms.Chat = ms.BroadcastListOwner // somebody else's list, which is a direct chat to us
	}
	s := source{sender: c.person(ms.Sender, ms.SenderAlt)}
	peer, peerName := c.person(ms.Chat, ms.RecipientAlt), ""
	if !ms.IsFromMe && peer.is(s.sender) {
		peer, peerName = s.sender, senderName
	}
	s.chat = c.chat(ms.Chat, peer, peerName)
	s.chatKey, s.chatLID = peer.key(), c.formerKey(peer)
	return s
}

// messageSource is source for a message: one that came over a broadcast list
// shows in the direct chat with its sender.
func (c converter) messageSource(ms types.MessageSource, senderName string) source {
	if ms.IsIncomingBroadcast() {
		ms.Chat = ms.Sender
	}
	return c.source(ms, senderName)
}
