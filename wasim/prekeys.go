package wasim

import (
	"crypto/sha1" //nolint:gosec // the digest's form, not a protection
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
)

// refillBelow is the count of one-time prekeys below which a client is asked for more (whatsmeow:
// prekeys.go/MinPreKeyCount).
const refillBelow = 5

// preKeyShelf holds the prekeys that a companion has uploaded for others to take.
type preKeyShelf struct {
	mu     sync.Mutex // guards the fields below
	signed Node       // <skey>
	once   []onceKey  // taken from the front
	asked  bool       // the client was asked for more and has not answered yet
}

// onceKey is a one-time prekey as the server keeps it: clients upload hundreds.
type onceKey struct {
	id     [3]byte
	public [32]byte
}

// parseOnceKey reads a <key> element.
func parseOnceKey(n Node) (k onceKey, ok bool) {
	id, public := childBytes(&n, "id"), childBytes(&n, "value")
	if n.Tag != "key" || len(id) != len(k.id) || len(public) != len(k.public) {
		return onceKey{}, false
	}
	return onceKey{id: [3]byte(id), public: [32]byte(public)}, true
}

func (k onceKey) node() Node {
	return Node{Tag: "key", Content: []Node{{Tag: "id", Content: k.id[:]}, {Tag: "value", Content: k.public[:]}}}
}

func newPreKeyShelf(data *waWa6.ClientPayload_DevicePairingRegistrationData) *preKeyShelf {
	return &preKeyShelf{signed: Node{Tag: "skey", Content: []Node{
		{Tag: "id", Content: data.GetESkeyID()},
		{Tag: "value", Content: data.GetESkeyVal()},
		{Tag: "signature", Content: data.GetESkeySig()},
	}}}
}

func (p *preKeyShelf) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.once)
}

// add puts one-time keys on the shelf; those that are there already stay.
func (p *preKeyShelf) add(list []Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := make(map[[3]byte]bool, len(p.once))
	for _, k := range p.once {
		known[k.id] = true
	}
	for _, n := range list {
		if k, ok := parseOnceKey(n); ok && !known[k.id] {
			p.once = append(p.once, k)
		}
	}
	p.asked = false
}

func (p *preKeyShelf) rotate(signed Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signed = signed
}

// take removes a one-time key. refill is how many are left if the client has to be asked for more now, else -1.
func (p *preKeyShelf) take() (signed Node, once *Node, refill int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.once) > 0 {
		n := p.once[0].node()
		once, p.once = &n, p.once[1:]
	}
	refill = -1
	if len(p.once) < refillBelow && !p.asked {
		p.asked, refill = true, len(p.once)
	}
	return p.signed, once, refill
}

// contents is what is on the shelf.
func (p *preKeyShelf) contents() (signed Node, once []onceKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signed, slices.Clone(p.once)
}

// handleEncrypt serves xmlns encrypt: a companion's own keys, and others' bundles.
func handleEncrypt(c *conn, iq *Node) {
	child := firstChild(iq)
	switch kind := stringAttr(iq, "type") + " " + child.Tag; kind {
	case "get count":
		c.send(result(iq, Node{Tag: "count", Attrs: Attrs{"value": strconv.Itoa(c.reportedPreKeys())}}))
	case "get digest":
		c.send(result(iq, c.device.digest()))
	case "get key":
		users := child.GetChildren()
		bundles := make([]Node, 0, len(users))
		for _, u := range users {
			bundles = append(bundles, c.server.bundle(jidAttr(&u, "jid")))
		}
		c.send(result(iq, Node{Tag: "list", Content: bundles}))
	case "set rotate":
		if signed, ok := child.GetOptionalChildByTag("skey"); ok {
			c.device.shelf.rotate(signed)
		}
		c.send(result(iq))
	default:
		handlePreKeyUpload(c, iq)
	}
}

// handlePreKeyUpload takes the list of one-time keys and the signed key of an upload (whatsmeow:
// prekeys.go/uploadPreKeys). Clients upload 5 to 812 keys at a time.
func handlePreKeyUpload(c *conn, iq *Node) {
	list, ok := iq.GetOptionalChildByTag("list")
	if !ok || stringAttr(iq, "type") != "set" {
		c.unanswerable(iq)
		return
	}
	c.device.shelf.add(list.GetChildren())
	if signed, ok := iq.GetOptionalChildByTag("skey"); ok {
		c.device.shelf.rotate(signed)
	}
	c.send(result(iq))
}

// reportedPreKeys is the count that the client is told.
func (c *conn) reportedPreKeys() int {
	n := c.device.shelf.count()
	if n == 0 && c.server.fewPreKeys {
		return 1
	}
	return n
}

// digest sums up what the server holds of a device, for clients that upload everything again when it is missing
// (assumed, from an unrelated client; the form of the hash is a guess that no known client checks).
func (d *device) digest() Node {
	signed, once := d.shelf.contents()
	hash := sha1.New() //nolint:gosec // as above
	hash.Write(d.identity[:])
	hash.Write(childBytes(&signed, "value"))
	hash.Write(childBytes(&signed, "signature"))
	ids := make([]Node, len(once))
	for i, k := range once {
		ids[i] = Node{Tag: "id", Content: k.id[:]}
		hash.Write(k.public[:])
	}
	return Node{Tag: "digest", Content: []Node{
		{Tag: "registration", Content: d.registration},
		{Tag: "type", Content: []byte{ecc.DjbType}},
		{Tag: "identity", Content: d.identity[:]},
		signed,
		{Tag: "list", Content: ids},
		{Tag: "hash", Content: hash.Sum(nil)},
	}}
}

// bundle is the <user> element with a device's keys, under exactly the address that was asked for (whatsmeow:
// prekeys.go/nodeToPreKeyBundle). It uses up a one-time key.
func (s *Server) bundle(jid types.JID) Node {
	a := s.accounts.find(jid)
	if a == nil {
		return noBundle(jid)
	}
	if jid.Device == 0 {
		return Node{Tag: "user", Attrs: Attrs{"jid": jid}, Content: a.phone.bundle()}
	}
	d := a.companion(jid.Device)
	if d == nil {
		return noBundle(jid)
	}
	return Node{Tag: "user", Attrs: Attrs{"jid": jid}, Content: d.bundle()}
}

func noBundle(jid types.JID) Node {
	return Node{Tag: "user", Attrs: Attrs{"jid": jid}, Content: []Node{
		{Tag: "error", Attrs: Attrs{"code": "404", "text": "item-not-found"}},
	}}
}

func (d *device) bundle() []Node {
	signed, once, refill := d.shelf.take()
	if refill >= 0 {
		d.outbox.add(d.account.server.notification("encrypt", types.ServerJID, nil,
			Node{Tag: "count", Attrs: Attrs{"value": strconv.Itoa(refill)}}))
	}
	return bundleContent(d.registration, d.identity, signed, once)
}

func bundleContent(registration []byte, identity [32]byte, signed Node, once *Node) []Node {
	content := []Node{
		{Tag: "registration", Content: registration},
		{Tag: "type", Content: []byte{ecc.DjbType}},
		{Tag: "identity", Content: identity[:]},
	}
	if once != nil {
		content = append(content, *once)
	}
	return append(content, signed)
}

// preKeyNode is a prekey on the wire: three bytes of id, the public key, and a signature if it is the signed one.
func preKeyNode(k *keys.PreKey) Node {
	n := Node{Tag: "key", Content: []Node{
		{Tag: "id", Content: binary.BigEndian.AppendUint32(nil, k.KeyID)[1:]},
		{Tag: "value", Content: k.Pub[:]},
	}}
	if k.Signature != nil {
		n.Tag = "skey"
		n.Content = append(n.GetChildren(), Node{Tag: "signature", Content: k.Signature[:]})
	}
	return n
}

// wireNumber reads a big-endian number of up to four bytes.
func wireNumber(b []byte) (uint32, error) {
	if len(b) == 0 || len(b) > 4 {
		return 0, fmt.Errorf("number of %d bytes", len(b))
	}
	var n uint32
	for _, x := range b {
		n = n<<8 | uint32(x)
	}
	return n, nil
}
