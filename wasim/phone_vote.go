package wasim

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"go.mau.fi/util/random"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/gcmutil"
	"google.golang.org/protobuf/proto"
)

// composeVote answers a poll: the SHA-256 hashes of the chosen options, encrypted with the poll's secret (whatsmeow:
// msgsecret.go/EncryptPollVote).
func (p *Phone) composeVote(chat types.JID, v *Vote) (*waE2E.Message, error) {
	poll, err := p.known(v.MessageID)
	if err != nil {
		return nil, err
	}
	content := pollOf(poll.message)
	if content == nil {
		return nil, fmt.Errorf("message %s is no poll", v.MessageID)
	}
	choice := &waE2E.PollVoteMessage{}
	for _, option := range v.Options {
		if !slices.ContainsFunc(content.Options, func(o *waE2E.PollCreationMessage_Option) bool { return o.GetOptionName() == option }) {
			return nil, fmt.Errorf("poll %s has no option %q", v.MessageID, option)
		}
		hash := sha256.Sum256([]byte(option))
		choice.SelectedOptions = append(choice.SelectedOptions, hash[:])
	}
	plain, err := proto.Marshal(choice)
	if err != nil {
		return nil, err
	}
	key, additional, err := voteKey(poll, p.addressIn(chat))
	if err != nil {
		return nil, err
	}
	iv := random.Bytes(12)
	sealed, err := gcmutil.Encrypt(key, iv, plain, additional)
	if err != nil {
		return nil, err
	}
	return &waE2E.Message{PollUpdateMessage: &waE2E.PollUpdateMessage{
		PollCreationMessageKey: poll.messageKey(),
		Vote:                   &waE2E.PollEncValue{EncPayload: sealed, EncIV: iv},
		SenderTimestampMS:      proto.Int64(p.server().now().UnixMilli()),
	}}, nil
}

// pollOf is the poll in a message, of whatever version, or nil.
func pollOf(m *waE2E.Message) *waE2E.PollCreationMessage {
	for _, poll := range []*waE2E.PollCreationMessage{m.GetPollCreationMessage(), m.GetPollCreationMessageV2(), m.GetPollCreationMessageV3()} {
		if poll != nil {
			return poll
		}
	}
	return nil
}

// voteKey is the key for votes of one person in one poll, and what else is authenticated (whatsmeow:
// msgsecret.go/generateMsgSecretKey). Author and voter appear as they are addressed in the chat.
func voteKey(poll *logged, voter types.JID) (key, additional []byte, err error) {
	secret := poll.message.GetMessageContextInfo().GetMessageSecret()
	if len(secret) == 0 {
		return nil, nil, errors.New("the poll has no secret")
	}
	author, by := poll.sender.ToNonAD().String(), voter.ToNonAD().String()
	key, err = hkdf.Key(sha256.New, secret, nil, poll.id+author+by+"Poll Vote", 32)
	return key, fmt.Appendf(nil, "%s\x00%s", poll.id, by), err
}

// votedFor are the options that a received vote chooses, nil if the phone cannot tell.
func (p *Phone) votedFor(update *waE2E.PollUpdateMessage, voter types.JID) []string {
	poll := p.history.find(update.GetPollCreationMessageKey().GetID())
	if poll == nil || pollOf(poll.message) == nil {
		return nil
	}
	plain := p.openVote(poll, voter, update.GetVote())
	var choice waE2E.PollVoteMessage
	if plain == nil || proto.Unmarshal(plain, &choice) != nil {
		return nil
	}
	var out []string
	for _, option := range pollOf(poll.message).GetOptions() {
		hash := sha256.Sum256([]byte(option.GetOptionName()))
		if slices.ContainsFunc(choice.SelectedOptions, func(h []byte) bool { return string(h) == string(hash[:]) }) {
			out = append(out, option.GetOptionName())
		}
	}
	return out
}

// openVote decrypts a vote. A chat that moves from numbers to hidden identities may have the poll under one and the
// vote under the other, so all pairs are tried, as whatsmeow does (msgsecret.go/decryptMsgSecret).
func (p *Phone) openVote(poll *logged, voter types.JID, vote *waE2E.PollEncValue) []byte {
	for _, author := range p.bothAddresses(poll.sender) {
		for _, by := range p.bothAddresses(voter) {
			asked := *poll
			asked.sender = author
			key, additional, err := voteKey(&asked, by)
			if err != nil {
				return nil
			}
			if plain, err := gcmutil.Decrypt(key, vote.GetEncIV(), vote.GetEncPayload(), additional); err == nil {
				return plain
			}
		}
	}
	return nil
}

// bothAddresses are a person's address as given, and in its other form.
func (p *Phone) bothAddresses(jid types.JID) []types.JID {
	a := p.server().accounts.find(jid)
	switch {
	case a == nil:
		return []types.JID{jid}
	case jid.Server == types.HiddenUserServer:
		return []types.JID{a.lid, a.pn}
	default:
		return []types.JID{a.pn, a.lid}
	}
}
