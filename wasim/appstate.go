package wasim

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.mau.fi/whatsmeow"
	waappstate "go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// snapshotAfter is how many patches a collection has before a client that asks for a snapshot gets one. Below it the
// patches alone are sent, which clients accept and which saves a download.
const snapshotAfter = 32

// appState is an account's app state: what the server keeps of it, and the phone's view of it, which are one here. A
// client's patch is decrypted by the phone as it arrives.
type appState struct {
	account *account

	mu          sync.Mutex // guards the fields below; held for computing only
	collections map[waappstate.WAPatchName]*collection
	keys        *appStateKeys // made when the first companion is linked
	values      map[string]Mutation
}

// collection is one of the five parts of the app state: its patches, the first of which makes version 1.
type collection struct {
	patches []*waServerSync.SyncdPatch
}

func (c *collection) version() uint64 { return uint64(len(c.patches)) }

func newAppState(a *account) *appState {
	return &appState{account: a, collections: map[waappstate.WAPatchName]*collection{}, values: map[string]Mutation{}}
}

// Mutation is the newest value at one index of the app state, such as ["label_jid", "1", "5511…@s.whatsapp.net"].
type Mutation struct {
	Index []string
	Value *waSyncAction.SyncActionValue
}

// AppState returns the phone's app state, sorted by index: labels, mutes, pins, read marks, as it and its companions
// have set them.
func (p *Phone) AppState() []Mutation {
	st := p.account.appState
	st.mu.Lock()
	defer st.mu.Unlock()
	out := make([]Mutation, 0, len(st.values))
	for _, m := range st.values {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Mutation) int { return slices.Compare(a.Index, b.Index) })
	return out
}

// startAppState gives every collection a first version before an account's first companion is linked. Clients treat a
// collection that comes to version 1 later as a full sync and raise no events for it (whatsmeow:
// appstate.go/fetchAppState).
func startAppState(a *account) {
	st := a.appState
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.keys != nil {
		return
	}
	st.keys = newAppStateKeys()
	for _, name := range waappstate.AllPatchNames {
		if err := st.applyOwn(initialPatch(name, a.pushName())); err != nil {
			a.server.log.Error("first app state", "collection", name, "error", err)
		}
	}
}

// initialPatch is something that phones have in each collection.
func initialPatch(name waappstate.WAPatchName, pushName string) waappstate.PatchInfo {
	if name == waappstate.WAPatchCriticalBlock {
		return waappstate.BuildSettingPushName(pushName)
	}
	m := map[waappstate.WAPatchName]waappstate.MutationInfo{
		waappstate.WAPatchCriticalUnblockLow: {
			Index: []string{waappstate.IndexContact, "status@broadcast"}, Version: 2,
			Value: &waSyncAction.SyncActionValue{ContactAction: &waSyncAction.ContactAction{FullName: proto.String("")}},
		},
		waappstate.WAPatchRegularLow: {
			Index: []string{waappstate.IndexSettingUnarchiveChats}, Version: 4,
			Value: &waSyncAction.SyncActionValue{UnarchiveChatsSetting: &waSyncAction.UnarchiveChatsSetting{UnarchiveChats: proto.Bool(false)}},
		},
		waappstate.WAPatchRegularHigh: {
			Index: []string{waappstate.IndexUserStatusMute, "0@s.whatsapp.net"}, Version: 7,
			Value: &waSyncAction.SyncActionValue{UserStatusMuteAction: &waSyncAction.UserStatusMuteAction{Muted: proto.Bool(true)}},
		},
		waappstate.WAPatchRegular: {
			Index: []string{waappstate.IndexPrimaryFeature}, Version: 7,
			Value: &waSyncAction.SyncActionValue{PrimaryFeature: &waSyncAction.PrimaryFeature{Flags: []string{"sync"}}},
		},
	}[name]
	return waappstate.PatchInfo{Type: name, Mutations: []waappstate.MutationInfo{m}}
}

// change makes the phone change its app state and tells all companions.
func (p *Phone) change(patch waappstate.PatchInfo) error {
	startAppState(p.account)
	st := p.account.appState
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.applyOwn(patch); err != nil {
		return err
	}
	st.announce(patch.Type, noDevice)
	return nil
}

// applyOwn encodes a patch with the phone's key and applies it. The caller holds st.mu.
func (st *appState) applyOwn(patch waappstate.PatchInfo) error {
	ctx := st.account.server.ctx
	raw, err := st.keys.processor.EncodePatch(ctx, st.keys.id, st.keys.state(patch.Type), patch)
	if err != nil {
		return fmt.Errorf("encode app state: %w", err)
	}
	return st.apply(ctx, patch.Type, raw)
}

// apply checks a patch with the phone's state, and keeps it. The server numbers patches: EncodePatch leaves the version
// empty, though both MACs depend on it. The caller holds st.mu.
func (st *appState) apply(ctx context.Context, name waappstate.WAPatchName, raw []byte) error {
	patch := &waServerSync.SyncdPatch{}
	if err := proto.Unmarshal(raw, patch); err != nil {
		return fmt.Errorf("app state patch: %w", err)
	}
	c := st.collection(name)
	patch.Version = &waServerSync.SyncdVersion{Version: proto.Uint64(c.version() + 1)}
	kept := proto.Clone(patch).(*waServerSync.SyncdPatch) // decoding changes the patch it is given
	list := &waappstate.PatchList{Name: name, Patches: []*waServerSync.SyncdPatch{patch}}
	mutations, _, err := st.keys.processor.DecodePatches(ctx, list, st.keys.state(name), true)
	if err != nil {
		return fmt.Errorf("app state patch: %w", err)
	}
	c.patches = append(c.patches, kept)
	for _, m := range mutations {
		st.note(m)
	}
	return nil
}

// note remembers the newest value at an index. The name that a client gives the account is the account's name.
func (st *appState) note(m waappstate.Mutation) {
	key := strings.Join(m.Index, "\x00")
	if m.Operation == waServerSync.SyncdMutation_REMOVE {
		delete(st.values, key)
		return
	}
	st.values[key] = Mutation{Index: m.Index, Value: m.Action}
	if name := m.Action.GetPushNameSetting().GetName(); name != "" {
		st.account.rename(name)
	}
}

func (st *appState) collection(name waappstate.WAPatchName) *collection {
	if st.collections[name] == nil {
		st.collections[name] = &collection{}
	}
	return st.collections[name]
}

// announce tells companions that a collection has changed. The caller holds st.mu.
func (st *appState) announce(name waappstate.WAPatchName, except uint16) {
	version := strconv.FormatUint(st.collection(name).version(), 10)
	n := st.account.server.notification("server_sync", types.ServerJID, nil,
		Node{Tag: "collection", Attrs: Attrs{"name": string(name), "version": version}})
	st.account.deliverCompanions(n, except)
}

// handleAppStateIQ answers w:sync:app:state: for each collection asked for, its patches after the client's version, or
// the outcome of the client's own patch (whatsmeow: appstate.go/fetchAppStatePatches, sendAppState).
func handleAppStateIQ(c *conn, n *Node) {
	sync := firstChild(n)
	if sync.Tag != "sync" {
		c.unanswerable(n)
		return
	}
	st := c.device.account.appState
	st.mu.Lock()
	var out []Node
	for _, ask := range sync.GetChildrenByTag("collection") {
		out = append(out, st.answer(c, &ask))
	}
	st.mu.Unlock()
	c.send(result(n, Node{Tag: "sync", Content: out}))
}

// answer handles one collection of a query. The caller holds st.mu.
func (st *appState) answer(c *conn, ask *Node) Node {
	name := waappstate.WAPatchName(stringAttr(ask, "name"))
	if !slices.Contains(waappstate.AllPatchNames[:], name) {
		return collectionError(name, 404, "item-not-found")
	}
	from, col := uintAttr(ask, "version"), st.collection(name)
	raw := childBytes(ask, "patch")
	if raw == nil {
		return st.catchUp(name, from, stringAttr(ask, "return_snapshot") == "true")
	}
	if from != col.version() {
		n := collectionError(name, 409, "conflict")
		catchUp := st.catchUp(name, from, false)
		n.Attrs, n.Content = withAttrs(catchUp.Attrs, n.Attrs), append(n.GetChildren(), catchUp.GetChildren()...)
		return n
	}
	if err := st.apply(c.ctx, name, raw); err != nil {
		c.server.log.Debug("app state patch refused", "client", c, "collection", name, "error", err)
		return collectionError(name, 400, "bad-request")
	}
	st.announce(name, c.device.id)
	return Node{Tag: "collection", Attrs: Attrs{"name": string(name), "version": strconv.FormatUint(col.version(), 10)}}
}

func collectionError(name waappstate.WAPatchName, code int, text string) Node {
	return Node{
		Tag:     "collection",
		Attrs:   Attrs{"name": string(name), "type": "error"},
		Content: []Node{{Tag: "error", Attrs: Attrs{"code": strconv.Itoa(code), "text": text}}},
	}
}

// catchUp is what a client at a version lacks. The caller holds st.mu.
func (st *appState) catchUp(name waappstate.WAPatchName, from uint64, snapshot bool) Node {
	col := st.collection(name)
	n := Node{Tag: "collection", Attrs: Attrs{"name": string(name), "version": strconv.FormatUint(col.version(), 10)}}
	if from >= col.version() {
		return n
	}
	if snapshot && from == 0 && col.version() > snapshotAfter {
		if reference, err := st.snapshot(col); err == nil {
			n.Content = []Node{{Tag: "snapshot", Content: reference}}
			return n
		}
	}
	var patches []Node
	for _, patch := range col.patches[from:] {
		raw, err := proto.Marshal(patch)
		if err != nil { // it was decoded before
			continue
		}
		patches = append(patches, Node{Tag: "patch", Content: raw})
	}
	n.Content = []Node{{Tag: "patches", Content: patches}}
	return n
}

// snapshot uploads the collection's present records and returns the reference to them. Its MAC is the one that the last
// patch carries: it covers the same hash and version.
func (st *appState) snapshot(col *collection) ([]byte, error) {
	last := col.patches[len(col.patches)-1]
	data, err := proto.Marshal(&waServerSync.SyncdSnapshot{
		Version: last.Version, Records: col.records(), Mac: last.SnapshotMAC, KeyID: last.KeyID,
	})
	if err != nil {
		return nil, err
	}
	f, err := sealMedia(data, whatsmeow.MediaAppState)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(&waServerSync.ExternalBlobReference{
		MediaKey: f.key, DirectPath: proto.String(st.account.server.media.put(f.data)), FileSizeBytes: proto.Uint64(f.length),
		FileSHA256: f.hash, FileEncSHA256: f.encHash,
	})
}

// records are the newest record of each index, in the order in which the indexes appeared.
func (c *collection) records() []*waServerSync.SyncdRecord {
	var out []*waServerSync.SyncdRecord
	for _, patch := range c.patches {
		for _, m := range patch.GetMutations() {
			index := m.GetRecord().GetIndex().GetBlob()
			out = slices.DeleteFunc(out, func(r *waServerSync.SyncdRecord) bool { return bytes.Equal(r.GetIndex().GetBlob(), index) })
			if m.GetOperation() == waServerSync.SyncdMutation_SET {
				out = append(out, m.GetRecord())
			}
		}
	}
	return out
}
