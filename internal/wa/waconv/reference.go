package waconv

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"github.com/chasqui/chasqui/internal/event"
)

// readReference reads the messages that are about another one.
func (b *builder) readReference(value any) bool {
	switch m := value.(type) {
	case *waE2E.ReactionMessage:
		b.reaction(m, m.GetKey())
	case *waE2E.EncReactionMessage:
		opened := b.open().Reaction
		if opened == nil {
			return false
		}
		b.reaction(opened, m.GetTargetMessageKey())
	case *waE2E.PollUpdateMessage:
		vote := b.open().Vote
		if vote == nil {
			return false
		}
		b.vote(m.GetPollCreationMessageKey().GetID(), vote)
	case *waE2E.ProtocolMessage:
		b.protocol(m)
	case *waE2E.SecretEncryptedMessage:
		edited := b.open().Edited
		if edited == nil || m.GetSecretEncType() != waE2E.SecretEncryptedMessage_MESSAGE_EDIT {
			return false
		}
		b.edit(m.GetTargetMessageKey().GetID(), newVersion(edited))
	default:
		return false
	}
	return true
}

// open asks for the second layer of encryption to be taken off.
func (b *builder) open() Opened {
	if b.evt == nil {
		return Opened{}
	}
	return b.c.dir.Open(b.evt)
}

func (b *builder) reaction(m *waE2E.ReactionMessage, key *waCommon.MessageKey) {
	b.kind("reaction", "")
	b.body.Reaction = &event.Reaction{Emoji: m.GetText(), MessageID: key.GetID(), FromMe: b.isOurs(key)}
}

// isOurs reports whether a key names a message of ours. Keys are written as
// their sender sees it, so fromMe of another person's key means theirs.
func (b *builder) isOurs(key *waCommon.MessageKey) bool {
	switch {
	case b.info.IsFromMe || key.GetFromMe():
		return b.info.IsFromMe && key.GetFromMe()
	case !b.info.IsGroup:
		return b.info.Chat.Server != types.NewsletterServer
	}
	author, err := types.ParseJID(key.GetParticipant())
	return err == nil && b.c.person(author).is(b.c.self)
}

func (b *builder) vote(pollID string, m *waE2E.PollVoteMessage) {
	names := make(map[string]string)
	for _, name := range b.c.dir.PollOptions(canonical(b.info.Chat), pollID) {
		hash := sha256.Sum256([]byte(name))
		names[hexHash(hash[:])] = name
	}
	chosen := make([]string, 0, len(m.GetSelectedOptions()))
	for _, hash := range m.GetSelectedOptions() {
		option := hexHash(hash)
		if name, ok := names[option]; ok {
			option = name
		}
		chosen = append(chosen, option)
	}
	b.kind("poll_vote", "")
	b.body.PollVote = &event.PollVote{MessageID: pollID, Options: chosen}
}

func (b *builder) protocol(m *waE2E.ProtocolMessage) {
	switch {
	case m.GetType() == waE2E.ProtocolMessage_REVOKE && m.GetKey() != nil:
		b.kind(typeRevoke, "")
		b.body.Revoke = &event.Revoke{OriginalID: m.GetKey().GetID()}
	case m.GetType() == waE2E.ProtocolMessage_MESSAGE_EDIT:
		b.edit(m.GetKey().GetID(), m.GetEditedMessage())
	default:
		b.unsupported("protocolMessage." + m.GetType().String())
	}
}

// newVersion is the content of an edit that was encrypted twice: by itself, or
// inside the protocol message that announces an edit.
func newVersion(m *waE2E.Message) *waE2E.Message {
	p, ok := unwrap(m).value.(*waE2E.ProtocolMessage)
	if ok && p.GetType() == waE2E.ProtocolMessage_MESSAGE_EDIT {
		return p.GetEditedMessage()
	}
	return m
}

// edit reports the new version of a message: its text, and its mentions and
// the like where the new version has them.
func (b *builder) edit(originalID string, edited *waE2E.Message) {
	p := unwrap(edited)
	if holder, ok := p.value.(interface{ GetContextInfo() *waE2E.ContextInfo }); ok {
		b.context(holder.GetContextInfo())
	}
	text := textOf(edited)
	b.kind(typeEdit, text)
	b.body.Edit = &event.Edit{OriginalID: originalID, Text: text}
}

// hexHash writes the hash by which a vote names an option.
func hexHash(hash []byte) string { return strings.ToUpper(hex.EncodeToString(hash)) }
