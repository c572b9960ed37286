package wasim

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"

	waappstate "go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"
)

// appStateKeys is a phone's app state key and the memory that whatsmeow's app state code wants. It is used under the
// lock of the appState that owns it.
type appStateKeys struct {
	id        []byte
	key       store.AppStateSyncKey
	versions  map[string]waappstate.HashState
	macs      map[string][]byte
	processor *waappstate.Processor
}

func newAppStateKeys() *appStateKeys {
	k := &appStateKeys{
		id: binary.BigEndian.AppendUint16(nil, 1), versions: map[string]waappstate.HashState{}, macs: map[string][]byte{},
	}
	k.id = append(k.id, make([]byte, 4)...)
	_, _ = rand.Read(k.id[2:]) // never fails
	data := make([]byte, 32)
	_, _ = rand.Read(data) // never fails
	k.key = store.AppStateSyncKey{Data: data, Fingerprint: []byte{}, Timestamp: time.Now().UnixMilli()}
	k.processor = waappstate.NewProcessor(&store.Device{AppState: k, AppStateKeys: k}, waLog.Noop)
	return k
}

// state is where the phone stands in a collection.
func (k *appStateKeys) state(name waappstate.WAPatchName) waappstate.HashState {
	return k.versions[string(name)]
}

// share is what the phone tells a companion about keys it asked for, or with none about all. Keys that the phone does
// not have are left out (assumed: whatsmeow would store an empty one).
func (k *appStateKeys) share(ids ...[]byte) *waE2E.AppStateSyncKeyShare {
	if len(ids) == 0 {
		ids = [][]byte{k.id}
	}
	out := &waE2E.AppStateSyncKeyShare{}
	for _, id := range ids {
		if string(id) != string(k.id) {
			continue
		}
		out.Keys = append(out.Keys, &waE2E.AppStateSyncKey{
			KeyID: &waE2E.AppStateSyncKeyId{KeyID: id},
			KeyData: &waE2E.AppStateSyncKeyData{
				KeyData: k.key.Data, Timestamp: proto.Int64(k.key.Timestamp),
				Fingerprint: &waE2E.AppStateSyncKeyFingerprint{
					RawID: proto.Uint32(1), CurrentIndex: proto.Uint32(1), DeviceIndexes: []uint32{0, 1},
				},
			},
		})
	}
	return out
}

// The methods below are store.AppStateStore and store.AppStateSyncKeyStore.

// PutAppStateSyncKey implements store.AppStateSyncKeyStore; the phone makes its only key itself.
func (k *appStateKeys) PutAppStateSyncKey(context.Context, []byte, store.AppStateSyncKey) error {
	return nil
}

// GetAppStateSyncKey implements store.AppStateSyncKeyStore.
func (k *appStateKeys) GetAppStateSyncKey(_ context.Context, id []byte) (*store.AppStateSyncKey, error) {
	if string(id) != string(k.id) {
		return nil, nil // the interface's way to say: not there
	}
	key := k.key
	return &key, nil
}

// GetLatestAppStateSyncKeyID implements store.AppStateSyncKeyStore.
func (k *appStateKeys) GetLatestAppStateSyncKeyID(context.Context) ([]byte, error) { return k.id, nil }

// GetAllAppStateSyncKeys implements store.AppStateSyncKeyStore.
func (k *appStateKeys) GetAllAppStateSyncKeys(context.Context) ([]*store.AppStateSyncKey, error) {
	key := k.key
	return []*store.AppStateSyncKey{&key}, nil
}

// PutAppStateVersion implements store.AppStateStore.
func (k *appStateKeys) PutAppStateVersion(_ context.Context, name string, version uint64, hash [128]byte) error {
	k.versions[name] = waappstate.HashState{Version: version, Hash: hash}
	return nil
}

// GetAppStateVersion implements store.AppStateStore.
func (k *appStateKeys) GetAppStateVersion(_ context.Context, name string) (uint64, [128]byte, error) {
	st := k.versions[name]
	return st.Version, st.Hash, nil
}

// DeleteAppStateVersion implements store.AppStateStore.
func (k *appStateKeys) DeleteAppStateVersion(_ context.Context, name string) error {
	delete(k.versions, name)
	return nil
}

// PutAppStateMutationMACs implements store.AppStateStore.
func (k *appStateKeys) PutAppStateMutationMACs(_ context.Context, name string, _ uint64, mutations []store.AppStateMutationMAC) error {
	for _, m := range mutations {
		k.macs[macKey(name, m.IndexMAC)] = m.ValueMAC
	}
	return nil
}

// DeleteAppStateMutationMACs implements store.AppStateStore.
func (k *appStateKeys) DeleteAppStateMutationMACs(_ context.Context, name string, indexMACs [][]byte) error {
	for _, mac := range indexMACs {
		delete(k.macs, macKey(name, mac))
	}
	return nil
}

// GetAppStateMutationMAC implements store.AppStateStore.
func (k *appStateKeys) GetAppStateMutationMAC(_ context.Context, name string, indexMAC []byte) ([]byte, error) {
	return k.macs[macKey(name, indexMAC)], nil
}

func macKey(name string, indexMAC []byte) string { return name + " " + hex.EncodeToString(indexMAC) }

// shareAppStateKey gives a new companion the key to the app state, after which it fetches all collections (whatsmeow:
// message.go/handleAppStateSyncKeyShare).
func (p *Phone) shareAppStateKey(d *device) {
	st := p.account.appState
	st.mu.Lock()
	share := st.keys.share()
	st.mu.Unlock()
	p.sendKeyShare(d, share)
}

// answerKeyRequest gives a companion the keys it lacks.
func (p *Phone) answerKeyRequest(d *device, _ string, m *waE2E.ProtocolMessage) {
	var ids [][]byte
	for _, id := range m.GetAppStateSyncKeyRequest().GetKeyIDs() {
		ids = append(ids, id.GetKeyID())
	}
	st := p.account.appState
	st.mu.Lock()
	share := st.keys.share(ids...)
	st.mu.Unlock()
	p.sendKeyShare(d, share)
}

func (p *Phone) sendKeyShare(d *device, share *waE2E.AppStateSyncKeyShare) {
	err := p.sendPeer(p.context(), d, &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_SHARE.Enum(), AppStateSyncKeyShare: share,
	})
	if err != nil {
		p.server().log.Debug("app state keys not shared", "device", d.jid(), "error", err)
	}
}
