package wasim

import (
	"context"
	"log/slog"
	"sync"

	"go.mau.fi/libsignal/ecc"
	grouprecord "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/logger"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/state/record"
	signalstore "go.mau.fi/libsignal/state/store"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/util/keys"
)

var serializer = store.SignalProtobufSerializer

// signalStore is a phone's Signal state in memory. Records are kept serialised, so that a failed attempt to decrypt
// cannot spoil a stored one. Its own lock covers single operations; Phone.crypto covers whole encryptions.
type signalStore struct {
	identity     *keys.KeyPair
	registration uint32
	signed       *keys.PreKey

	mu         sync.Mutex // guards the fields below
	sessions   map[string][]byte
	senderKeys map[string][]byte
	preKeys    map[uint32]*keys.PreKey
	lastPreKey uint32
}

var _ signalstore.SignalProtocol = (*signalStore)(nil)

func newSignalStore(identityKey *keys.KeyPair, registration uint32) *signalStore {
	return &signalStore{
		identity: identityKey, registration: registration, signed: identityKey.CreateSignedPreKey(1),
		sessions: map[string][]byte{}, senderKeys: map[string][]byte{}, preKeys: map[uint32]*keys.PreKey{},
	}
}

// newPreKey makes a one-time key.
func (s *signalStore) newPreKey() *keys.PreKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastPreKey = s.lastPreKey%0xfffffe + 1 // ids have three bytes on the wire
	k := keys.NewPreKey(s.lastPreKey)
	s.preKeys[k.KeyID] = k
	return k
}

// session returns a serialised session, nil for none.
func (s *signalStore) session(address string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[address]
}

func (s *signalStore) forgetSenderKey(name *protocol.SenderKeyName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.senderKeys, senderKeyID(name))
}

func senderKeyID(name *protocol.SenderKeyName) string {
	return name.GroupID() + " " + name.Sender().String()
}

// GetIdentityKeyPair implements the library's store.
func (s *signalStore) GetIdentityKeyPair() *identity.KeyPair {
	return identity.NewKeyPair(identity.NewKey(ecc.NewDjbECPublicKey(*s.identity.Pub)), ecc.NewDjbECPrivateKey(*s.identity.Priv))
}

// GetLocalRegistrationID implements the library's store.
func (s *signalStore) GetLocalRegistrationID() uint32 { return s.registration }

// SaveIdentity implements the library's store. Simulated phones trust everybody and keep no identities.
func (s *signalStore) SaveIdentity(context.Context, *protocol.SignalAddress, *identity.Key) error {
	return nil
}

// IsTrustedIdentity implements the library's store.
func (s *signalStore) IsTrustedIdentity(context.Context, *protocol.SignalAddress, *identity.Key) (bool, error) {
	return true, nil
}

// LoadPreKey implements the library's store.
func (s *signalStore) LoadPreKey(_ context.Context, id uint32) (*record.PreKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.preKeys[id]
	if k == nil {
		return nil, nil
	}
	return record.NewPreKey(id, keyPair(&k.KeyPair), nil), nil
}

func keyPair(k *keys.KeyPair) *ecc.ECKeyPair {
	return ecc.NewECKeyPair(ecc.NewDjbECPublicKey(*k.Pub), ecc.NewDjbECPrivateKey(*k.Priv))
}

// RemovePreKey implements the library's store.
func (s *signalStore) RemovePreKey(_ context.Context, id uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.preKeys, id)
	return nil
}

// LoadSignedPreKey implements the library's store.
func (s *signalStore) LoadSignedPreKey(_ context.Context, id uint32) (*record.SignedPreKey, error) {
	if id != s.signed.KeyID {
		return nil, nil
	}
	return record.NewSignedPreKey(id, 0, keyPair(&s.signed.KeyPair), *s.signed.Signature, nil), nil
}

// LoadSession implements the library's store.
func (s *signalStore) LoadSession(_ context.Context, address *protocol.SignalAddress) (*record.Session, error) {
	raw := s.session(address.String())
	if raw == nil {
		return record.NewSession(serializer.Session, serializer.State), nil
	}
	return record.NewSessionFromBytes(raw, serializer.Session, serializer.State)
}

// StoreSession implements the library's store.
func (s *signalStore) StoreSession(_ context.Context, address *protocol.SignalAddress, r *record.Session) error {
	raw := r.Serialize()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[address.String()] = raw
	return nil
}

// ContainsSession implements the library's store.
func (s *signalStore) ContainsSession(_ context.Context, address *protocol.SignalAddress) (bool, error) {
	return s.session(address.String()) != nil, nil
}

// DeleteSession implements the library's store.
func (s *signalStore) DeleteSession(_ context.Context, address *protocol.SignalAddress) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, address.String())
	return nil
}

// StoreSenderKey implements the library's store.
func (s *signalStore) StoreSenderKey(_ context.Context, name *protocol.SenderKeyName, r *grouprecord.SenderKey) error {
	raw := r.Serialize()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.senderKeys[senderKeyID(name)] = raw
	return nil
}

// LoadSenderKey implements the library's store.
func (s *signalStore) LoadSenderKey(_ context.Context, name *protocol.SenderKeyName) (*grouprecord.SenderKey, error) {
	s.mu.Lock()
	raw := s.senderKeys[senderKeyID(name)]
	s.mu.Unlock()
	if raw == nil {
		return grouprecord.NewSenderKey(serializer.SenderKeyRecord, serializer.SenderKeyState), nil
	}
	return grouprecord.NewSenderKeyFromBytes(raw, serializer.SenderKeyRecord, serializer.SenderKeyState)
}

// The library's interface has more methods than the library calls. unused says so if that changes.
const unused = "wasim: the Signal library called a store method that it did not use before"

// GetSubDeviceSessions is never called.
func (*signalStore) GetSubDeviceSessions(context.Context, string) ([]uint32, error) { panic(unused) }

// DeleteAllSessions is never called.
func (*signalStore) DeleteAllSessions(context.Context) error { panic(unused) }

// StorePreKey is never called.
func (*signalStore) StorePreKey(context.Context, uint32, *record.PreKey) error { panic(unused) }

// ContainsPreKey is never called.
func (*signalStore) ContainsPreKey(context.Context, uint32) (bool, error) { panic(unused) }

// LoadSignedPreKeys is never called.
func (*signalStore) LoadSignedPreKeys(context.Context) ([]*record.SignedPreKey, error) {
	panic(unused)
}

// StoreSignedPreKey is never called.
func (*signalStore) StoreSignedPreKey(context.Context, uint32, *record.SignedPreKey) error {
	panic(unused)
}

// ContainsSignedPreKey is never called.
func (*signalStore) ContainsSignedPreKey(context.Context, uint32) (bool, error) { panic(unused) }

// RemoveSignedPreKey is never called.
func (*signalStore) RemoveSignedPreKey(context.Context, uint32) error { panic(unused) }

var signalLogOnce sync.Once

// quietSignalLibrary sends what the Signal library would print on standard output to a logger, unless the process has
// given the library one already. The library has one logger for the whole process.
func quietSignalLibrary(log *slog.Logger) {
	signalLogOnce.Do(func() {
		if logger.Logger == nil {
			logger.Logger = signalLog{log}
		}
	})
}

type signalLog struct{ *slog.Logger }

func (signalLog) Debug(string, string)             {}
func (l signalLog) Info(caller, message string)    { l.log(caller, message) }
func (l signalLog) Warning(caller, message string) { l.log(caller, message) }
func (l signalLog) Error(caller, message string)   { l.log(caller, message) }
func (signalLog) Configure(string)                 {}
func (l signalLog) log(caller, message string) {
	l.Logger.Debug("signal library", "caller", caller, "message", message)
}
