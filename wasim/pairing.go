package wasim

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.mau.fi/util/random"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// refCount is how many QR codes a client may show before it has to connect again.
const refCount = 6

// refTimes is how long the first and each further QR code is valid.
type refTimes struct{ first, next time.Duration }

// realRefTimes are the times that clients count with (whatsmeow: qrchan.go).
var realRefTimes = refTimes{first: time.Minute, next: 20 * time.Second}

// pairingTable finds the clients that wait to be linked.
type pairingTable struct {
	mu     sync.Mutex // guards the maps
	byRef  map[string]*pairing
	byHost map[string][]*pairing // clients that asked for a pairing code, by number, oldest first
}

func newPairingTable() *pairingTable {
	return &pairingTable{byRef: map[string]*pairing{}, byHost: map[string][]*pairing{}}
}

// pairing is a client that registers: it shows QR codes or a pairing code until a phone accepts one.
type pairing struct {
	table *pairingTable
	conn  *conn
	data  *waWa6.ClientPayload_DevicePairingRegistrationData
	props *waCompanionReg.DeviceProps
	refs  []ref
	gone  chan struct{} // closed when the client's connection has ended

	mu      sync.Mutex // guards the fields below
	code    *codePairing
	number  string   // of the phone that the client asked a code for
	account *account // that has reserved device for it
	device  uint16
}

type ref struct {
	value   string
	expires time.Time
}

// register greets a client that is not linked with the references for its QR codes. The connection ends when the last
// one has expired.
func (c *conn) register(payload *waWa6.ClientPayload) {
	s, data := c.server, payload.GetDevicePairingData()
	if len(data.GetEIdent()) != 32 || len(data.GetERegid()) != 4 {
		c.end(streamError("400"))
		return
	}
	p := &pairing{table: s.pairings, conn: c, data: data, props: &waCompanionReg.DeviceProps{}, gone: make(chan struct{})}
	if err := proto.Unmarshal(data.GetDeviceProps(), p.props); err != nil {
		s.log.Debug("device properties", "error", err)
	}
	c.pairing = p
	expires := s.now().Add(s.refTimes.first)
	nodes := make([]Node, refCount)
	for i := range nodes {
		value := "2@" + random.String(48)
		p.refs = append(p.refs, ref{value: value, expires: expires})
		nodes[i] = Node{Tag: "ref", Content: []byte(value)}
		expires = expires.Add(s.refTimes.next)
	}
	s.pairings.offer(p)
	c.request(Node{
		Tag: "iq", Attrs: Attrs{"from": types.ServerJID, "type": "set", "id": s.nextID(), "xmlns": "md"},
		Content: []Node{{Tag: "pair-device", Content: nodes}},
	}, func(*Node) {})
	lifetime := time.AfterFunc(time.Until(p.refs[refCount-1].expires), c.drop)
	context.AfterFunc(c.ctx, func() { lifetime.Stop() })
}

func (t *pairingTable) offer(p *pairing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range p.refs {
		t.byRef[r.value] = p
	}
}

// withdraw makes all codes of a client unknown.
func (t *pairingTable) withdraw(p *pairing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range p.refs {
		delete(t.byRef, r.value)
	}
	p.mu.Lock()
	number := p.number
	p.mu.Unlock()
	rest := slices.DeleteFunc(t.byHost[number], func(x *pairing) bool { return x == p })
	if len(rest) == 0 {
		delete(t.byHost, number)
		return
	}
	t.byHost[number] = rest
}

// find returns the client that shows a reference that is still valid.
func (t *pairingTable) find(value string, now time.Time) (*pairing, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.byRef[value]
	if p == nil {
		return nil, ErrCodeExpired
	}
	i := slices.IndexFunc(p.refs, func(r ref) bool { return r.value == value })
	if now.After(p.refs[i].expires) {
		return nil, ErrCodeExpired
	}
	return p, nil
}

// abandon is called when the client's connection has ended.
func (p *pairing) abandon() {
	p.table.withdraw(p)
	p.giveUp()
	close(p.gone)
}

// giveUp releases the device number reserved for the client.
func (p *pairing) giveUp() {
	p.mu.Lock()
	a, dev := p.account, p.device
	p.account = nil
	p.mu.Unlock()
	if a != nil {
		a.release(dev)
	}
}

// scanned are the parts of a QR code.
type scanned struct {
	ref                        string
	noise, identity, advSecret []byte
}

// parseQR reads a QR code: reference, then base64 of the Noise key, the identity key and the ADV secret, then the
// client type, with commas between (whatsmeow: pair.go/makeQRData). The address in front and the client type are newer
// and may be missing.
func parseQR(code string) (scanned, error) {
	if i := strings.LastIndexByte(code, '#'); i >= 0 {
		code = code[i+1:]
	}
	fields := strings.Split(strings.TrimSpace(code), ",")
	if len(fields) < 4 {
		return scanned{}, ErrCodeExpired
	}
	out := scanned{ref: fields[0]}
	for i, into := range []*[]byte{&out.noise, &out.identity, &out.advSecret} {
		b, err := base64.StdEncoding.DecodeString(fields[i+1])
		if err != nil {
			return scanned{}, ErrCodeExpired
		}
		*into = b
	}
	return out, nil
}

// ScanQR links the client that shows this QR code as a companion of the phone. It returns the device's address when
// the client has signed, or an error: ErrCodeExpired, ErrTooManyDevices, the client's refusal, or the context's. A client
// that answers after the context has ended is linked all the same.
func (p *Phone) ScanQR(ctx context.Context, qr string) (deviceJID string, err error) {
	code, err := parseQR(qr)
	if err != nil {
		return "", err
	}
	s := p.server()
	client, err := s.pairings.find(code.ref, s.now())
	if err != nil {
		return "", err
	}
	if !hmac.Equal(code.noise, client.conn.clientKey[:]) || !hmac.Equal(code.identity, client.data.GetEIdent()) {
		return "", ErrCodeExpired
	}
	return p.link(ctx, client, code.advSecret)
}

// link makes the client a companion of the phone.
func (p *Phone) link(ctx context.Context, client *pairing, advSecret []byte) (string, error) {
	for _, prepare := range p.server().router.linking {
		prepare(p.account)
	}
	dev, err := client.claim(p.account)
	if err != nil {
		return "", err
	}
	client.table.withdraw(client)
	d, content, err := p.certify(client, dev, advSecret)
	if err != nil {
		client.giveUp()
		return "", err
	}
	signed := make(chan error, 1)
	client.conn.request(client.pairSuccess(d, content), func(n *Node) { signed <- client.finish(d, n) })
	select {
	case err = <-signed:
	case <-client.gone: // after its answer, if it gave one
		err = fmt.Errorf("the client went away: %w", ErrCodeExpired)
		if len(signed) > 0 {
			err = <-signed
		}
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if err != nil {
		return "", err
	}
	return d.jid().String(), nil
}

// claim reserves a device number of the account for the client. A client is claimed once.
func (p *pairing) claim(a *account) (uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.account != nil {
		return 0, ErrCodeExpired
	}
	dev, err := a.reserve()
	if err != nil {
		return 0, err
	}
	p.account, p.device = a, dev
	return dev, nil
}

// certify makes the device and its identity, signed by the phone: the account signature covers 6, 0, the details and
// the companion's identity key; the whole is authenticated with the secret from the code (whatsmeow:
// pair.go/handlePair).
func (p *Phone) certify(client *pairing, dev uint16, advSecret []byte) (*device, []byte, error) {
	now := p.server().now()
	d := &device{
		account: p.account, id: dev, keyIndex: uint32(dev), identity: [32]byte(client.data.GetEIdent()),
		noiseKey: client.conn.clientKey, registration: client.data.GetERegid(), props: client.props, linkedAt: now,
		shelf: newPreKeyShelf(client.data), outbox: newOutbox(p.account),
	}
	details, err := proto.Marshal(&waAdv.ADVDeviceIdentity{
		RawID: proto.Uint32(p.rawID), Timestamp: proto.Uint64(uint64(now.Unix())), KeyIndex: proto.Uint32(d.keyIndex),
		AccountType: waAdv.ADVEncryptionType_E2EE.Enum(), DeviceType: waAdv.ADVEncryptionType_E2EE.Enum(),
	})
	if err != nil {
		return nil, nil, err
	}
	signature := sign(p.identity, whatsmeow.AdvAccountSignaturePrefix, details, d.identity[:])
	signed, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentity{
		Details: details, AccountSignatureKey: p.identity.Pub[:], AccountSignature: signature[:],
	})
	if err != nil {
		return nil, nil, err
	}
	mac := hmac.New(sha256.New, advSecret)
	mac.Write(signed)
	content, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentityHMAC{
		Details: signed, HMAC: mac.Sum(nil), AccountType: waAdv.ADVEncryptionType_E2EE.Enum(),
	})
	return d, content, err
}

// pairSuccess tells the client who it is (whatsmeow: pair.go/handlePairSuccess).
func (p *pairing) pairSuccess(d *device, identity []byte) Node {
	s := p.conn.server
	return Node{
		Tag: "iq",
		Attrs: Attrs{
			"from": types.ServerJID, "type": "set", "id": s.nextID(), "xmlns": "md",
			"t": strconv.FormatInt(s.now().Unix(), 10),
		},
		Content: []Node{{Tag: "pair-success", Content: []Node{
			{Tag: "device-identity", Content: identity},
			{Tag: "device", Attrs: Attrs{"jid": d.jid(), "lid": d.lid()}},
			{Tag: "platform", Attrs: Attrs{"name": phonePlatform}},
		}}},
	}
}

// phonePlatform is what simulated phones say they are.
const phonePlatform = "android"

var errBadSignature = errors.New("the client's device signature is wrong")

// finish handles the client's answer to pair-success: its signature over 6, 1, the details, its own and the phone's
// identity key (whatsmeow: pair.go/generateDeviceSignature). The client has to log in afterwards, which code 515 says.
func (p *pairing) finish(d *device, answer *Node) error {
	if stringAttr(answer, "type") == "error" {
		p.giveUp()
		e := answer.GetChildByTag("error")
		return fmt.Errorf("the client refused: %v %v", e.Attrs["code"], e.Attrs["text"])
	}
	var identity waAdv.ADVSignedDeviceIdentity
	raw := childBytes(answer, "pair-device-sign", "device-identity")
	if err := proto.Unmarshal(raw, &identity); err != nil {
		return fmt.Errorf("device identity: %w", err)
	}
	phoneKey := d.account.phone.identity.Pub[:]
	if !signedBy(d.identity, identity.GetDeviceSignature(), whatsmeow.AdvDeviceSignaturePrefix, identity.GetDetails(), d.identity[:], phoneKey) {
		p.giveUp()
		p.conn.end(streamError("500"))
		return errBadSignature
	}
	p.mu.Lock()
	p.account = nil
	p.mu.Unlock()
	d.account.add(d)
	d.account.devicesChanged("add", d)
	p.conn.end(streamError("515"))
	return nil
}
