package waconv

import (
	"go.mau.fi/whatsmeow/types"

	"github.com/chasqui/chasqui/internal/event"
)

// source is where a message or receipt came from, in our terms.
type source struct {
	chat    event.Chat
	chatKey string
	sender  person
}

// source reads a MessageSource. senderName is what the message itself calls
// its sender, "" if it does not.
func (c converter) source(ms *types.MessageSource, senderName string) source {
	s := source{sender: c.person(ms.Sender, ms.SenderAlt)}
	chatJID, peer, peerName := ms.Chat, c.person(ms.Chat, ms.RecipientAlt), ""
	switch {
	case ms.IsIncomingBroadcast():
		// A broadcast list is a direct chat to all but the owner of the list.
		chatJID, peer, peerName = s.sender.primary(), s.sender, senderName
	case !ms.IsFromMe && peer.is(s.sender):
		peer, peerName = s.sender, senderName
	}
	s.chat = c.chat(chatJID, peer, peerName)
	s.chatKey = peer.key()
	return s
}
