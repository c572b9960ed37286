package wasim

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
	"google.golang.org/protobuf/proto"
)

// Phone is a person with a phone on the network: the primary device of a number, with real Signal keys. All methods
// may be called from several goroutines.
type Phone struct {
	account  *account
	inbox    *inbox
	identity *keys.KeyPair // also signs the companions' identities
	rawID    uint32        // of the identity, in companions' certificates
	signal   *signalStore
	history  *chatLog
	useLID   atomic.Bool

	// crypto makes encryption and routing, or one decryption, a single step: messages leave in the order in which
	// their keys were used. It is held for computing only; outboxes and the signal store are locked under it.
	crypto  sync.Mutex
	holders map[types.JID]map[types.JID]bool // by group: devices (hidden identity) that have this phone's sender key
	retries map[string]int                   // retry receipts sent, by message and sender
}

func newPhone(a *account) *Phone {
	identity := keys.NewKeyPair()
	p := &Phone{
		account: a, identity: identity, rawID: randomUint32(),
		signal:  newSignalStore(identity, randomUint32()%16380+1),
		history: newChatLog(), holders: map[types.JID]map[types.JID]bool{}, retries: map[string]int{},
	}
	p.inbox = &inbox{phone: p}
	return p
}

func randomUint32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint32(b[:])
}

func (p *Phone) server() *Server { return p.account.server }

// Phone returns the person of a number, made on first use with the number as name. It panics if number is not 7 to 15
// digits: use AddPhone for input from outside.
func (s *Server) Phone(number string) *Phone {
	a, _, err := s.accounts.ensure(number, number)
	if err != nil {
		panic("wasim: " + err.Error())
	}
	return a.phone
}

// AddPhone makes a person, or gives one that exists another name. It fails if number is not 7 to 15 digits.
func (s *Server) AddPhone(number, name string) (*Phone, error) {
	a, added, err := s.accounts.ensure(number, name)
	if err != nil {
		return nil, err
	}
	if !added && name != "" {
		a.rename(name)
	}
	return a.phone, nil
}

// Phones lists everybody, sorted by number.
func (s *Server) Phones() []*Phone {
	var out []*Phone
	for _, a := range s.accounts.all() {
		out = append(out, a.phone)
	}
	return out
}

// FindPhone returns the person of a number that is on the network.
func (s *Server) FindPhone(number string) (*Phone, bool) {
	a := s.accounts.number(number)
	if a == nil {
		return nil, false
	}
	return a.phone, true
}

// Number is the person's number, digits only.
func (p *Phone) Number() string { return p.account.pn.User }

// Name is what the person is called on others' phones.
func (p *Phone) Name() string { return p.account.pushName() }

// JID is the person's address, number@s.whatsapp.net.
func (p *Phone) JID() string { return p.account.pn.String() }

// LID is the person's hidden identity, digits@lid. It depends on the number only.
func (p *Phone) LID() string { return p.account.lid.String() }

// UseLID makes the phone address people by hidden identity in one-to-one chats from now on, as migrated phones do.
func (p *Phone) UseLID(on bool) { p.useLID.Store(on) }

// Device is a companion linked to a phone.
type Device struct {
	JID      string // number:device@s.whatsapp.net
	Online   bool   // logged in at this moment
	Platform string // the name that the client gives itself
	LinkedAt time.Time
}

// Devices lists the companions linked to the phone.
func (p *Phone) Devices() []Device {
	devices := p.account.linkedDevices()
	out := make([]Device, len(devices))
	for i, d := range devices {
		out[i] = Device{
			JID: d.jid().String(), Online: d.outbox.connection() != nil,
			Platform: d.props.GetOs(), LinkedAt: d.linkedAt,
		}
	}
	return out
}

// Unlink logs a companion out, as the phone's list of linked devices does. It fails with ErrNotFound if deviceJID is
// not one of Devices.
func (p *Phone) Unlink(deviceJID string) error {
	for _, d := range p.account.linkedDevices() {
		if d.jid().String() == deviceJID && p.account.unlink(d) {
			return nil
		}
	}
	return fmt.Errorf("device %s: %w", deviceJID, ErrNotFound)
}

// bundle is the content of a prekey answer for the phone, with a fresh one-time key.
func (p *Phone) bundle() []Node {
	registration := binary.BigEndian.AppendUint32(nil, p.signal.registration)
	once := preKeyNode(p.signal.newPreKey())
	return bundleContent(registration, *p.identity.Pub, preKeyNode(p.signal.signed), &once)
}

// keyIndexList is the phone's signed list of the companions it has linked (assumed: the form is that of the type
// ADVSignedKeyIndexList, signed over 6, 2 and the details; no known client of this simulator checks it).
func (p *Phone) keyIndexList() Node {
	now := p.server().now()
	list := &waAdv.ADVKeyIndexList{RawID: proto.Uint32(p.rawID), Timestamp: proto.Uint64(uint64(now.Unix())), ValidIndexes: []uint32{0}}
	for _, d := range p.account.linkedDevices() {
		list.ValidIndexes = append(list.ValidIndexes, d.keyIndex)
		list.CurrentIndex = proto.Uint32(max(list.GetCurrentIndex(), d.keyIndex))
	}
	n := Node{Tag: "key-index-list", Attrs: Attrs{"ts": strconv.FormatInt(now.Unix(), 10)}}
	details, err := proto.Marshal(list)
	if err != nil {
		return n
	}
	signature := sign(p.identity, []byte{6, 2}, details)
	if signed, err := proto.Marshal(&waAdv.ADVSignedKeyIndexList{Details: details, AccountSignature: signature[:]}); err == nil {
		n.Content = signed
	}
	return n
}

// parseChat reads where a person sends to: a number, an address of a person, or a group's address.
func (s *Server) parseChat(to string) (types.JID, error) {
	if !strings.ContainsRune(to, '@') {
		to = strings.TrimPrefix(to, "+") + "@" + types.DefaultUserServer
	}
	jid, err := types.ParseJID(to)
	if err != nil {
		return types.EmptyJID, fmt.Errorf("address %q: %w", to, err)
	}
	if jid.Server == types.GroupServer || jid.Server == types.BroadcastServer {
		return jid, nil
	}
	a := s.accounts.find(jid)
	if a == nil {
		return types.EmptyJID, fmt.Errorf("%s: %w", to, ErrNotFound)
	}
	if jid.Server == types.HiddenUserServer {
		return a.lid, nil
	}
	return a.pn, nil
}

// inbox runs what a phone has to do, in order, on a goroutine that lives while there is something.
type inbox struct {
	phone *Phone

	mu      sync.Mutex // guards the fields below
	tasks   []func()
	running bool
}

// add queues a stanza for the phone's handler of its tag; others are ignored, as a phone's user does not see them.
func (b *inbox) add(n Node) {
	if handler := b.phone.server().router.phone[n.Tag]; handler != nil {
		b.do(func() { handler(b.phone, &n) })
	}
}

// do runs f on the phone's goroutine.
func (p *Phone) do(f func()) { p.inbox.do(f) }

func (b *inbox) do(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tasks = append(b.tasks, f)
	if !b.running {
		b.running = b.phone.server().spawn(b.run)
	}
}

// run works until nothing is left or the server closes.
func (b *inbox) run() {
	for b.phone.server().ctx.Err() == nil {
		b.mu.Lock()
		tasks := b.tasks
		b.tasks = nil
		if len(tasks) == 0 {
			b.running = false
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		for _, task := range tasks {
			task()
		}
	}
}

// context is for what the phone does by itself; it ends with the server.
func (p *Phone) context() context.Context { return p.server().ctx }
