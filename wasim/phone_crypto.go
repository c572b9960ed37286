package wasim

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/groups"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/session"
	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/libsignal/state/record"
	signaloptional "go.mau.fi/libsignal/util/optional"
	"go.mau.fi/util/random"
	"go.mau.fi/whatsmeow/types"
)

// Sessions are keyed by hidden identity, as whatsmeow keys them. The methods of this file need p.crypto held.

// pad adds 1 to 15 bytes, each the count of them (whatsmeow: message.go/padMessage).
func pad(plain []byte) []byte {
	n := random.Bytes(1)[0]&0xf | 1
	return append(plain[:len(plain):len(plain)], bytes.Repeat([]byte{n}, int(n))...)
}

func unpad(padded []byte) ([]byte, error) {
	if len(padded) == 0 {
		return nil, errors.New("empty plaintext")
	}
	n := int(padded[len(padded)-1])
	if n == 0 || n > len(padded) {
		return nil, errors.New("wrong padding")
	}
	return padded[:len(padded)-n], nil
}

// encrypt makes the <enc> for one device, starting a session with a fresh bundle if there is none.
func (p *Phone) encrypt(ctx context.Context, to origin, plain []byte) (Node, error) {
	address := to.lid().SignalAddress()
	if p.signal.session(address.String()) == nil {
		if err := p.startSession(ctx, to, p.server().bundle(to.jid())); err != nil {
			return Node{}, err
		}
	}
	builder := session.NewBuilderFromSignal(p.signal, address, serializer)
	sealed, err := session.NewCipher(builder, address).Encrypt(ctx, pad(plain))
	if err != nil {
		return Node{}, fmt.Errorf("encrypt for %s: %w", to.jid(), err)
	}
	kind := "msg"
	if sealed.Type() == protocol.PREKEY_TYPE {
		kind = "pkmsg"
	}
	return Node{Tag: "enc", Attrs: Attrs{"v": "2", "type": kind}, Content: sealed.Serialize()}, nil
}

// startSession makes a new session with a device from its keys: a <user> element, or a retry receipt.
func (p *Phone) startSession(ctx context.Context, to origin, keys Node) error {
	bundle, err := parseBundle(keys, to.dev)
	if err != nil {
		return fmt.Errorf("keys of %s: %w", to.jid(), err)
	}
	builder := session.NewBuilderFromSignal(p.signal, to.lid().SignalAddress(), serializer)
	return builder.ProcessBundle(ctx, bundle)
}

// parseBundle reads a prekey bundle, whose parts may be inside <keys>.
func parseBundle(n Node, dev uint16) (*prekey.Bundle, error) {
	if _, bad := n.GetOptionalChildByTag("error"); bad {
		return nil, ErrNotFound
	}
	parts := n
	if inner, ok := n.GetOptionalChildByTag("keys"); ok {
		parts = inner
	}
	registration, err := wireNumber(childBytes(&n, "registration"))
	if err != nil {
		return nil, err
	}
	signedID, err := wireNumber(childBytes(&parts, "skey", "id"))
	if err != nil {
		return nil, err
	}
	signed, signature := childBytes(&parts, "skey", "value"), childBytes(&parts, "skey", "signature")
	identityKey := childBytes(&parts, "identity")
	if len(signed) != 32 || len(signature) != 64 || len(identityKey) != 32 {
		return nil, errors.New("malformed bundle")
	}
	onceID, once := signaloptional.NewEmptyUint32(), ecc.ECPublicKeyable(nil)
	if key := childBytes(&parts, "key", "value"); len(key) == 32 {
		id, err := wireNumber(childBytes(&parts, "key", "id"))
		if err != nil {
			return nil, err
		}
		onceID, once = signaloptional.NewOptionalUint32(id), ecc.NewDjbECPublicKey([32]byte(key))
	}
	return prekey.NewBundle(registration, uint32(dev), onceID, signedID, once,
		ecc.NewDjbECPublicKey([32]byte(signed)), [64]byte(signature),
		identity.NewKey(ecc.NewDjbECPublicKey([32]byte(identityKey)))), nil
}

// decrypt opens one <enc> from a device.
func (p *Phone) decrypt(ctx context.Context, from origin, chat types.JID, enc *Node) ([]byte, error) {
	sealed := bytesOf(*enc)
	var padded []byte
	var err error
	switch kind := stringAttr(enc, "type"); kind {
	case "pkmsg":
		padded, err = p.decryptFirst(ctx, from.lid().SignalAddress(), sealed)
	case "msg":
		padded, err = p.decryptNext(ctx, from.lid().SignalAddress(), sealed)
	case "skmsg":
		padded, err = p.decryptGroup(ctx, from.lid().SignalAddress(), chat, sealed)
	default:
		return nil, fmt.Errorf("unknown encryption %q", kind)
	}
	if err != nil {
		return nil, err
	}
	return unpad(padded)
}

// decryptFirst opens a message that may start a session.
func (p *Phone) decryptFirst(ctx context.Context, from *protocol.SignalAddress, sealed []byte) ([]byte, error) {
	message, err := protocol.NewPreKeySignalMessageFromBytes(sealed, serializer.PreKeySignalMessage, serializer.SignalMessage)
	if err != nil {
		return nil, err
	}
	sessions, err := p.signal.LoadSession(ctx, from)
	if err != nil {
		return nil, err
	}
	builder := session.NewBuilderFromSignal(p.signal, from, serializer)
	usedKey, err := builder.Process(ctx, sessions, message)
	if err != nil {
		return nil, err
	}
	plain, err := p.decryptWith(ctx, from, sessions.Serialize(), message.WhisperMessage())
	if err == nil && !usedKey.IsEmpty {
		err = p.signal.RemovePreKey(ctx, usedKey.Value)
	}
	return plain, err
}

func (p *Phone) decryptNext(ctx context.Context, from *protocol.SignalAddress, sealed []byte) ([]byte, error) {
	message, err := protocol.NewSignalMessageFromBytes(sealed, serializer.SignalMessage)
	if err != nil {
		return nil, err
	}
	raw := p.signal.session(from.String())
	if raw == nil {
		return nil, signalerror.ErrNoSessionForUser
	}
	return p.decryptWith(ctx, from, raw, message)
}

// decryptWith tries the current session and then the older ones, each on a copy of its own: the library changes a
// session even when it cannot decrypt with it (simultaneous first contact would lose messages otherwise).
func (p *Phone) decryptWith(ctx context.Context, from *protocol.SignalAddress, raw []byte, m *protocol.SignalMessage) ([]byte, error) {
	cipher := session.NewCipher(session.NewBuilderFromSignal(p.signal, from, serializer), from)
	for i := -1; ; i++ {
		sessions, err := record.NewSessionFromBytes(raw, serializer.Session, serializer.State)
		if err != nil {
			return nil, err
		}
		older := sessions.PreviousSessionStates()
		if i >= len(older) {
			return nil, signalerror.ErrNoValidSessions
		}
		state := sessions.SessionState()
		if i >= 0 {
			state = older[i]
		}
		plain, _, err := cipher.DecryptWithState(ctx, state, m)
		if errors.Is(err, signalerror.ErrOldCounter) {
			return nil, err
		}
		if err != nil {
			continue
		}
		if i >= 0 {
			sessions.PromoteState(state)
		}
		return plain, p.signal.StoreSession(ctx, from, sessions)
	}
}

func (p *Phone) decryptGroup(ctx context.Context, from *protocol.SignalAddress, group types.JID, sealed []byte) ([]byte, error) {
	message, err := protocol.NewSenderKeyMessageFromBytes(sealed, serializer.SenderKeyMessage)
	if err != nil {
		return nil, err
	}
	name := protocol.NewSenderKeyName(group.String(), from)
	return groups.NewGroupCipher(groups.NewGroupSessionBuilder(p.signal, serializer), name, p.signal).Decrypt(ctx, message)
}

// learnSenderKey takes a group member's sender key.
func (p *Phone) learnSenderKey(ctx context.Context, from origin, group string, raw []byte) error {
	message, err := protocol.NewSenderKeyDistributionMessageFromBytes(raw, serializer.SenderKeyDistributionMessage)
	if err != nil {
		return err
	}
	name := protocol.NewSenderKeyName(group, from.lid().SignalAddress())
	return groups.NewGroupSessionBuilder(p.signal, serializer).Process(ctx, name, message)
}

// senderKeyName names the phone's own sender key of a group.
func (p *Phone) senderKeyName(group types.JID) *protocol.SenderKeyName {
	return protocol.NewSenderKeyName(group.String(), p.account.lid.SignalAddress())
}

// senderKey is the phone's own sender key of a group, in the form in which members learn it.
func (p *Phone) senderKey(ctx context.Context, group types.JID) ([]byte, error) {
	m, err := groups.NewGroupSessionBuilder(p.signal, serializer).Create(ctx, p.senderKeyName(group))
	if err != nil {
		return nil, err
	}
	return m.Serialize(), nil
}

func (p *Phone) encryptGroup(ctx context.Context, group types.JID, plain []byte) (Node, error) {
	builder := groups.NewGroupSessionBuilder(p.signal, serializer)
	sealed, err := groups.NewGroupCipher(builder, p.senderKeyName(group), p.signal).Encrypt(ctx, pad(plain))
	if err != nil {
		return Node{}, err
	}
	return Node{Tag: "enc", Attrs: Attrs{"v": "2", "type": "skmsg"}, Content: sealed.SignedSerialize()}, nil
}
