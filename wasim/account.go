package wasim

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"go.mau.fi/whatsmeow/types"
)

// maxCompanions is how many devices a number may link besides its phone.
const maxCompanions = 4

// account is one number: its phone (device 0) and the companions linked to it.
type account struct {
	server *Server
	pn     types.JID // number@s.whatsapp.net
	lid    types.JID // hidden identity, @lid
	phone  *Phone
	faults *faults
	accountFeatures

	// companions is sorted by device number and replaced as a whole, so that routing reads it without a lock.
	companions atomic.Pointer[[]*device]

	mu       sync.Mutex // guards the fields below and changes of companions
	name     string
	about    string
	reserved map[uint16]bool   // numbers of devices that are being linked
	lastID   uint16            // the device number given out last
	watchers map[*account]bool // accounts that asked for this one's device list
}

// accountTable finds accounts by number and by hidden identity.
type accountTable struct {
	server *Server

	mu       sync.RWMutex // guards the maps
	byNumber map[string]*account
	byLID    map[string]*account
}

func newAccountTable(s *Server) *accountTable {
	return &accountTable{server: s, byNumber: map[string]*account{}, byLID: map[string]*account{}}
}

// find returns the account of an address of any of its devices, in either form, or nil.
func (t *accountTable) find(jid types.JID) *account {
	t.mu.RLock()
	defer t.mu.RUnlock()
	switch jid.Server {
	case types.DefaultUserServer, types.LegacyUserServer, types.HostedServer:
		return t.byNumber[jid.User]
	case types.HiddenUserServer, types.HostedLIDServer:
		return t.byLID[jid.User]
	default:
		return nil
	}
}

// number returns the account of a number, or nil.
func (t *accountTable) number(number string) *account {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byNumber[number]
}

// all returns the accounts sorted by number.
func (t *accountTable) all() []*account {
	t.mu.RLock()
	out := make([]*account, 0, len(t.byNumber))
	for _, a := range t.byNumber {
		out = append(out, a)
	}
	t.mu.RUnlock()
	slices.SortFunc(out, func(a, b *account) int { return cmp.Compare(a.pn.User, b.pn.User) })
	return out
}

// ensure returns the account of a number, made with that name if it is new.
func (t *accountTable) ensure(number, name string) (a *account, added bool, err error) {
	if !validNumber(number) {
		return nil, false, fmt.Errorf("a number has 7 to 15 digits: %q", number)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if a = t.byNumber[number]; a != nil {
		return a, false, nil
	}
	lid := t.freeLID(number)
	a = &account{
		server: t.server, name: name, faults: &faults{},
		pn: types.NewJID(number, types.DefaultUserServer), lid: types.NewJID(lid, types.HiddenUserServer),
		reserved: map[uint16]bool{}, watchers: map[*account]bool{},
	}
	a.companions.Store(&[]*device{})
	a.accountFeatures = newAccountFeatures(a)
	a.phone = newPhone(a)
	t.byNumber[number], t.byLID[lid] = a, a
	return a, true, nil
}

// freeLID derives the hidden identity from the number, so that it is the same in every network: clients that outlive
// one keep their mappings. The caller holds t.mu.
func (t *accountTable) freeLID(number string) string {
	sum := sha256.Sum256([]byte("lid " + number))
	n := binary.BigEndian.Uint64(sum[:]) % 90_000_000_000_000
	for ; ; n++ {
		lid := strconv.FormatUint(100_000_000_000_000+n, 10)
		if t.byLID[lid] == nil {
			return lid
		}
	}
}

func validNumber(number string) bool {
	if len(number) < 7 || len(number) > 15 {
		return false
	}
	for _, r := range number {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}

// jid is the address of one of the account's devices by number; 0 is the phone.
func (a *account) jid(dev uint16) types.JID {
	j := a.pn
	j.Device = dev
	return j
}

// lidJID is the address of one of the account's devices by hidden identity.
func (a *account) lidJID(dev uint16) types.JID {
	j := a.lid
	j.Device = dev
	return j
}

// pushName is the name the person shows to others.
func (a *account) pushName() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.name
}

func (a *account) rename(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.name = name
}

// linkedDevices is the list of companions, sorted. It must not be changed.
func (a *account) linkedDevices() []*device { return *a.companions.Load() }

// companion returns a linked device, or nil.
func (a *account) companion(dev uint16) *device {
	for _, d := range a.linkedDevices() {
		if d.id == dev {
			return d
		}
	}
	return nil
}

// deviceNumbers lists the phone and the companions.
func (a *account) deviceNumbers() []uint16 {
	devices := a.linkedDevices()
	out := make([]uint16, 1, len(devices)+1)
	for _, d := range devices {
		out = append(out, d.id)
	}
	return out
}

// reserve sets a device number aside for a device that is being linked. Numbers go up and start again at 1 after 255,
// the most that an address can carry (whatsmeow: binary/encoder.go/writeJID).
func (a *account) reserve() (uint16, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.linkedDevices())+len(a.reserved) >= maxCompanions {
		return 0, ErrTooManyDevices
	}
	for {
		a.lastID = a.lastID%255 + 1
		if !a.reserved[a.lastID] && a.companion(a.lastID) == nil {
			a.reserved[a.lastID] = true
			return a.lastID, nil
		}
	}
}

// release gives a reserved number back.
func (a *account) release(dev uint16) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.reserved, dev)
}

// add makes a device of the account whose number was reserved.
func (a *account) add(d *device) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.reserved, d.id)
	list := append(slices.Clone(a.linkedDevices()), d)
	slices.SortFunc(list, func(x, y *device) int { return cmp.Compare(x.id, y.id) })
	a.companions.Store(&list)
}

// remove forgets a device. It reports false when there is no such device.
func (a *account) remove(d *device) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(a.linkedDevices()), func(x *device) bool { return x == d })
	if len(list) == len(a.linkedDevices()) {
		return false
	}
	a.companions.Store(&list)
	return true
}

// watch notes that another account's clients keep this one's device list.
func (a *account) watch(by *account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watchers[by] = true
}

// watching lists the accounts whose clients keep this one's device list.
func (a *account) watching() []*account {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]*account, 0, len(a.watchers))
	for w := range a.watchers {
		out = append(out, w)
	}
	return out
}

// deliver sends a stanza to one device of the account and keeps it until that has acknowledged it. Stanzas for devices
// that are gone are dropped.
func (a *account) deliver(dev uint16, n Node) {
	if dev == 0 {
		a.phone.inbox.add(n)
		return
	}
	if d := a.companion(dev); d != nil {
		d.outbox.add(n)
	}
}

// noDevice is no device's number: deliverAll with it leaves nobody out.
const noDevice = uint16(0xffff)

// deliverAll sends a stanza to the phone and every companion but one.
func (a *account) deliverAll(n Node, except uint16) {
	if except != 0 {
		a.phone.inbox.add(n)
	}
	a.deliverCompanions(n, except)
}

// deliverCompanions sends a stanza to every companion but one.
func (a *account) deliverCompanions(n Node, except uint16) {
	for _, d := range a.linkedDevices() {
		if d.id != except {
			d.outbox.add(n)
		}
	}
}

// showLive sends a stanza that nobody acknowledges (presence, typing) to the companions that are connected.
func (a *account) showLive(n Node, except uint16) {
	for _, d := range a.linkedDevices() {
		if d.id != except {
			d.outbox.live(n)
		}
	}
}
