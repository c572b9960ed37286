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
	key, additional, err := voteKey(poll, voter)
	if err != nil {
		return nil
	}
	plain, err := gcmutil.Decrypt(key, update.GetVote().GetEncIV(), update.GetVote().GetEncPayload(), additional)
	var choice waE2E.PollVoteMessage
	if err != nil || proto.Unmarshal(plain, &choice) != nil {
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
