package wasim_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/session"
	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/wasim"
)

// rawClient speaks to the server stanza by stanza, as a client library does that is not whatsmeow: its own Noise
// initiator, and no stanza sent that a test does not send. Only keys and sessions are kept in whatsmeow's store.
type rawClient struct {
	t      testing.TB
	server *wasim.Server
	device *store.Device
	props  *waCompanionReg.DeviceProps
	lastID int
	*rawConn
}

// rawConn is one connection.
type rawConn struct {
	ws      *websocket.Conn
	in, out *rawCipher
	buffer  []byte
	waiting []*wasim.Node // read and not wanted yet
	chain   []byte        // the server's certificates
}

// rawCipher is AES-256-GCM with a counter.
type rawCipher struct {
	aead    cipher.AEAD
	counter uint32
}

func newRawCipher(t testing.TB, key []byte) *rawCipher {
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return &rawCipher{aead: aead}
}

func (c *rawCipher) nonce() []byte {
	n := binary.BigEndian.AppendUint32(make([]byte, 8), c.counter)
	c.counter++
	return n
}

// noiseInitiator is the client's side of Noise_XX_25519_AESGCM_SHA256.
type noiseInitiator struct {
	t           testing.TB
	hash, chain []byte
	cipher      *rawCipher
}

func newNoiseInitiator(t testing.TB, prologue []byte) *noiseInitiator {
	start := []byte("Noise_XX_25519_AESGCM_SHA256\x00\x00\x00\x00")
	n := &noiseInitiator{t: t, hash: start, chain: start, cipher: newRawCipher(t, start)}
	n.mix(prologue)
	return n
}

func (n *noiseInitiator) mix(data []byte) {
	sum := sha256.Sum256(append(bytes.Clone(n.hash), data...))
	n.hash = sum[:]
}

func (n *noiseInitiator) expand(secret []byte) (first, second []byte) {
	both, err := hkdf.Key(sha256.New, secret, n.chain, "", 64)
	if err != nil {
		n.t.Fatal(err)
	}
	return both[:32], both[32:]
}

func (n *noiseInitiator) agree(own *keys.KeyPair, theirs []byte) {
	private, err := ecdh.X25519().NewPrivateKey(own.Priv[:])
	if err != nil {
		n.t.Fatal(err)
	}
	public, err := ecdh.X25519().NewPublicKey(theirs)
	if err != nil {
		n.t.Fatal(err)
	}
	secret, err := private.ECDH(public)
	if err != nil {
		n.t.Fatal(err)
	}
	var key []byte
	n.chain, key = n.expand(secret)
	n.cipher = newRawCipher(n.t, key)
}

func (n *noiseInitiator) seal(plain []byte) []byte {
	sealed := n.cipher.aead.Seal(nil, n.cipher.nonce(), plain, n.hash)
	n.mix(sealed)
	return sealed
}

func (n *noiseInitiator) open(sealed []byte) []byte {
	plain, err := n.cipher.aead.Open(nil, n.cipher.nonce(), sealed, n.hash)
	if err != nil {
		n.t.Fatalf("handshake: %v", err)
	}
	n.mix(sealed)
	return plain
}

// waHeader is what a client sends before its first frame; it is the prologue too.
var waHeader = []byte{'W', 'A', 6, 3}

// newRaw makes a client that is not connected.
func newRaw(t testing.TB, server *wasim.Server) *rawClient {
	t.Helper()
	return &rawClient{t: t, server: server, device: newStore(t).NewDevice(), props: &waCompanionReg.DeviceProps{Os: proto.String("Raw")}}
}

// dial connects and shakes hands. before is sent ahead of the header.
func (r *rawClient) dial(before []byte, payload *waWa6.ClientPayload) {
	r.t.Helper()
	r.open()
	n := newNoiseInitiator(r.t, waHeader)
	ephemeral := keys.NewKeyPair()
	n.mix(ephemeral.Pub[:])
	hello := r.marshal(&waWa6.HandshakeMessage{ClientHello: &waWa6.HandshakeMessage_ClientHello{Ephemeral: ephemeral.Pub[:]}})
	r.write(append(append(bytes.Clone(before), waHeader...), rawFrame(hello)...))
	var answer waWa6.HandshakeMessage
	if err := proto.Unmarshal(r.frame(), &answer); err != nil {
		r.t.Fatal(err)
	}
	s := answer.GetServerHello()
	n.mix(s.GetEphemeral())
	n.agree(ephemeral, s.GetEphemeral())
	n.agree(ephemeral, n.open(s.GetStatic()))
	r.chain = n.open(s.GetPayload())
	static := n.seal(r.device.NoiseKey.Pub[:])
	n.agree(r.device.NoiseKey, s.GetEphemeral())
	finish := &waWa6.HandshakeMessage_ClientFinish{Static: static, Payload: n.seal(r.marshal(payload))}
	r.write(rawFrame(r.marshal(&waWa6.HandshakeMessage{ClientFinish: finish})))
	out, in := n.expand(nil)
	r.out, r.in = newRawCipher(r.t, out), newRawCipher(r.t, in)
}

// open makes the connection only.
func (r *rawClient) open() {
	r.t.Helper()
	ws, _, err := websocket.Dial(r.t.Context(), strings.Replace(r.server.URL(), "http", "ws", 1)+"/ws/chat", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	ws.SetReadLimit(1 << 24)
	r.rawConn = &rawConn{ws: ws}
	r.t.Cleanup(func() { ws.CloseNow() })
}

func (r *rawClient) marshal(m proto.Message) []byte {
	data, err := proto.Marshal(m)
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

func rawFrame(data []byte) []byte {
	return append([]byte{byte(len(data) >> 16), byte(len(data) >> 8), byte(len(data))}, data...)
}

func (r *rawClient) write(data []byte) {
	r.t.Helper()
	if err := r.ws.Write(r.t.Context(), websocket.MessageBinary, data); err != nil {
		r.t.Fatalf("write: %v", err)
	}
}

// frame reads one frame, within ten seconds.
func (r *rawClient) frame() []byte {
	r.t.Helper()
	data, err := r.tryFrame(10 * time.Second)
	if err != nil {
		r.t.Fatalf("read: %v", err)
	}
	return data
}

func (r *rawClient) tryFrame(patience time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for {
		if len(r.buffer) >= 3 {
			n := int(r.buffer[0])<<16 | int(r.buffer[1])<<8 | int(r.buffer[2])
			if len(r.buffer) >= 3+n {
				data := r.buffer[3 : 3+n]
				r.buffer = r.buffer[3+n:]
				return data, nil
			}
		}
		_, more, err := r.ws.Read(ctx)
		if err != nil {
			return nil, err
		}
		r.buffer = append(r.buffer, more...)
	}
}

// send sends a stanza.
func (r *rawClient) send(n wasim.Node) {
	r.t.Helper()
	plain, err := waBinary.Marshal(n)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(rawFrame(r.out.aead.Seal(nil, r.out.nonce(), plain, nil)))
}

func (r *rawClient) decode(frame []byte) *wasim.Node {
	r.t.Helper()
	plain, err := r.in.aead.Open(nil, r.in.nonce(), frame, nil)
	if err != nil {
		r.t.Fatalf("decrypt: %v", err)
	}
	if plain, err = waBinary.Unpack(plain); err != nil {
		r.t.Fatal(err)
	}
	n, err := waBinary.Unmarshal(plain)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// await returns the next stanza that match accepts; others wait for a later call.
func (r *rawClient) await(what string, match func(*wasim.Node) bool) *wasim.Node {
	r.t.Helper()
	for i, n := range r.waiting {
		if match(n) {
			r.waiting = append(r.waiting[:i:i], r.waiting[i+1:]...)
			return n
		}
	}
	for {
		frame, err := r.tryFrame(10 * time.Second)
		if err != nil {
			r.t.Fatalf("no %s: %v; had %v", what, err, r.waiting)
		}
		n := r.decode(frame)
		if match(n) {
			return n
		}
		r.waiting = append(r.waiting, n)
	}
}

// tagged awaits a stanza by tag and, unless empty, type.
func (r *rawClient) tagged(tag, kind string) *wasim.Node {
	r.t.Helper()
	return r.await(tag+" "+kind, func(n *wasim.Node) bool { return n.Tag == tag && (kind == "" || text(n, "type") == kind) })
}

// ib awaits an <ib> with that child.
func (r *rawClient) ib(child string) wasim.Node {
	r.t.Helper()
	n := r.await("ib "+child, func(n *wasim.Node) bool {
		_, ok := n.GetOptionalChildByTag(child)
		return n.Tag == "ib" && ok
	})
	return n.GetChildByTag(child)
}

// ask sends an iq and returns its answer.
func (r *rawClient) ask(kind, xmlns string, to types.JID, content ...wasim.Node) *wasim.Node {
	r.t.Helper()
	id := r.nextID()
	r.send(wasim.Node{Tag: "iq", Attrs: wasim.Attrs{"id": id, "type": kind, "xmlns": xmlns, "to": to}, Content: content})
	return r.await("answer to "+xmlns, func(n *wasim.Node) bool { return n.Tag == "iq" && text(n, "id") == id })
}

// mustAsk wants a result.
func (r *rawClient) mustAsk(kind, xmlns string, content ...wasim.Node) *wasim.Node {
	r.t.Helper()
	n := r.ask(kind, xmlns, types.ServerJID, content...)
	if text(n, "type") != "result" {
		r.t.Fatalf("%s: %s", xmlns, n)
	}
	return n
}

func (r *rawClient) nextID() string {
	r.lastID++
	return "raw-" + strconv.Itoa(r.lastID)
}

func text(n *wasim.Node, key string) string {
	v, _ := n.Attrs[key].(string)
	return v
}

// registration is the payload of a client that is not linked.
func (r *rawClient) registration() *waWa6.ClientPayload {
	d := r.device
	return &waWa6.ClientPayload{DevicePairingData: &waWa6.ClientPayload_DevicePairingRegistrationData{
		ERegid: binary.BigEndian.AppendUint32(nil, d.RegistrationID), EKeytype: []byte{ecc.DjbType}, EIdent: d.IdentityKey.Pub[:],
		ESkeyID: binary.BigEndian.AppendUint32(nil, d.SignedPreKey.KeyID)[1:], ESkeyVal: d.SignedPreKey.Pub[:],
		ESkeySig: d.SignedPreKey.Signature[:], DeviceProps: r.marshal(r.props),
	}}
}

// rawLinked is a client that is linked, logged in and active, with everything the phone sends at first still waiting.
func rawLinked(t testing.TB, server *wasim.Server, phone *wasim.Phone, change ...func(*rawClient)) *rawClient {
	t.Helper()
	r := newRaw(t, server)
	for _, f := range change {
		f(r)
	}
	r.link(phone)
	r.login()
	r.upload(30)
	r.mustAsk("set", "passive", wasim.Node{Tag: "active"})
	return r
}

// link registers, shows a QR code, and signs when the phone has scanned it.
func (r *rawClient) link(phone *wasim.Phone) {
	r.t.Helper()
	r.dial(nil, r.registration())
	offer := r.tagged("iq", "set")
	pairDevice := offer.GetChildByTag("pair-device")
	refs := pairDevice.GetChildren()
	r.send(wasim.Node{Tag: "iq", Attrs: wasim.Attrs{"type": "result", "id": offer.Attrs["id"], "to": types.ServerJID}})
	b64 := base64.StdEncoding.EncodeToString
	code := fmt.Sprintf("%s,%s,%s,%s", refs[0].Content, b64(r.device.NoiseKey.Pub[:]), b64(r.device.IdentityKey.Pub[:]), b64(r.device.AdvSecretKey))
	scanned := make(chan error, 1)
	go func() { _, err := phone.ScanQR(r.t.Context(), code); scanned <- err }()
	r.sign(r.tagged("iq", "set"))
	if err := <-scanned; err != nil {
		r.t.Fatalf("scan: %v", err)
	}
	if n := r.tagged("stream:error", ""); text(n, "code") != "515" {
		r.t.Fatalf("after pairing: %s", n)
	}
}

// sign answers pair-success.
func (r *rawClient) sign(success *wasim.Node) {
	r.t.Helper()
	node := success.GetChildByTag("pair-success")
	var sealed waAdv.ADVSignedDeviceIdentityHMAC
	if err := proto.Unmarshal(node.GetChildByTag("device-identity").Content.([]byte), &sealed); err != nil {
		r.t.Fatal(err)
	}
	mac := hmac.New(sha256.New, r.device.AdvSecretKey)
	mac.Write(sealed.Details)
	if !hmac.Equal(mac.Sum(nil), sealed.HMAC) {
		r.t.Fatal("pair-success has a wrong HMAC")
	}
	var identity waAdv.ADVSignedDeviceIdentity
	if err := proto.Unmarshal(sealed.Details, &identity); err != nil {
		r.t.Fatal(err)
	}
	signed := bytes.Join([][]byte{whatsmeow.AdvDeviceSignaturePrefix, identity.Details, r.device.IdentityKey.Pub[:], identity.AccountSignatureKey}, nil)
	signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*r.device.IdentityKey.Priv), signed)
	identity.DeviceSignature = signature[:]
	r.save(&node, &identity)
	identity.AccountSignatureKey = nil
	r.send(wasim.Node{Tag: "iq", Attrs: wasim.Attrs{"type": "result", "id": success.Attrs["id"], "to": types.ServerJID}, Content: []wasim.Node{{
		Tag: "pair-device-sign", Content: []wasim.Node{{Tag: "device-identity", Attrs: wasim.Attrs{"key-index": "1"}, Content: r.marshal(&identity)}},
	}}})
}

func (r *rawClient) save(success *wasim.Node, identity *waAdv.ADVSignedDeviceIdentity) {
	r.t.Helper()
	device := success.GetChildByTag("device")
	id := device.Attrs["jid"].(types.JID)
	r.device.ID, r.device.LID = &id, device.Attrs["lid"].(types.JID)
	r.device.Account = proto.Clone(identity).(*waAdv.ADVSignedDeviceIdentity)
	if err := r.device.Save(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	phone := r.device.LID
	phone.Device = 0
	for _, address := range []types.JID{phone, id.ToNonAD()} {
		if err := r.device.Identities.PutIdentity(r.t.Context(), address.SignalAddress().String(), [32]byte(identity.AccountSignatureKey)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// login connects as the linked device and returns the success stanza.
func (r *rawClient) login() *wasim.Node {
	r.t.Helper()
	number, err := strconv.ParseUint(r.device.ID.User, 10, 64)
	if err != nil {
		r.t.Fatal(err)
	}
	r.dial(nil, &waWa6.ClientPayload{
		Username: &number, Device: proto.Uint32(uint32(r.device.ID.Device)), Passive: proto.Bool(true), Pull: proto.Bool(true),
	})
	return r.tagged("success", "")
}

// upload gives the server one-time prekeys.
func (r *rawClient) upload(count int) {
	r.t.Helper()
	once, err := r.device.PreKeys.GetOrGenPreKeys(r.t.Context(), uint32(count))
	if err != nil {
		r.t.Fatal(err)
	}
	var list []wasim.Node
	ids := make([]uint32, 0, count)
	for _, k := range once {
		list = append(list, rawKey("key", k))
		ids = append(ids, k.KeyID)
	}
	r.mustAsk("set", "encrypt",
		wasim.Node{Tag: "registration", Content: binary.BigEndian.AppendUint32(nil, r.device.RegistrationID)},
		wasim.Node{Tag: "type", Content: []byte{ecc.DjbType}},
		wasim.Node{Tag: "identity", Content: r.device.IdentityKey.Pub[:]},
		wasim.Node{Tag: "list", Content: list},
		rawKey("skey", r.device.SignedPreKey),
	)
	if err = r.device.PreKeys.MarkPreKeysAsUploaded(r.t.Context(), ids[len(ids)-1]); err != nil {
		r.t.Fatal(err)
	}
}

func rawKey(tag string, k *keys.PreKey) wasim.Node {
	content := []wasim.Node{
		{Tag: "id", Content: binary.BigEndian.AppendUint32(nil, k.KeyID)[1:]},
		{Tag: "value", Content: k.Pub[:]},
	}
	if k.Signature != nil {
		content = append(content, wasim.Node{Tag: "signature", Content: k.Signature[:]})
	}
	return wasim.Node{Tag: tag, Content: content}
}

// decrypt opens the only <enc> of a message, in a session kept by the sender's number.
func (r *rawClient) decrypt(message *wasim.Node) (*waE2E.Message, error) {
	enc := message.GetChildByTag("enc")
	address := message.Attrs["from"].(types.JID).SignalAddress()
	serializer := store.SignalProtobufSerializer
	signal := session.NewCipher(session.NewBuilderFromSignal(r.device, address, serializer), address)
	var plain []byte
	var err error
	switch text(&enc, "type") {
	case "pkmsg":
		var m *protocol.PreKeySignalMessage
		if m, err = protocol.NewPreKeySignalMessageFromBytes(enc.Content.([]byte), serializer.PreKeySignalMessage, serializer.SignalMessage); err == nil {
			plain, err = signal.DecryptMessage(r.t.Context(), m)
		}
	case "msg":
		var m *protocol.SignalMessage
		if m, err = protocol.NewSignalMessageFromBytes(enc.Content.([]byte), serializer.SignalMessage); err == nil {
			plain, err = signal.Decrypt(r.t.Context(), m)
		}
	default:
		err = errors.New("no known enc")
	}
	if err != nil {
		return nil, err
	}
	out := &waE2E.Message{}
	return out, proto.Unmarshal(plain[:len(plain)-int(plain[len(plain)-1])], out)
}

// message awaits a message that is not from the own phone, and decrypts it.
func (r *rawClient) message() (*wasim.Node, *waE2E.Message) {
	r.t.Helper()
	n := r.await("message", func(n *wasim.Node) bool { return n.Tag == "message" && text(n, "category") != "peer" })
	m, err := r.decrypt(n)
	if err != nil {
		r.t.Fatalf("decrypt %s: %v", n, err)
	}
	return n, m
}

// peer awaits a message of the own phone of a kind, and acknowledges it.
func (r *rawClient) peer(kind waE2E.ProtocolMessage_Type) *waE2E.ProtocolMessage {
	r.t.Helper()
	for {
		n := r.await("peer message", func(n *wasim.Node) bool { return n.Tag == "message" && text(n, "category") == "peer" })
		m, err := r.decrypt(n)
		if err != nil {
			r.t.Fatalf("decrypt %s: %v", n, err)
		}
		r.ack(n, "")
		if m.GetProtocolMessage().GetType() == kind {
			return m.GetProtocolMessage()
		}
	}
}

// ack acknowledges a stanza, with an error unless it is empty.
func (r *rawClient) ack(n *wasim.Node, code string) {
	r.t.Helper()
	attrs := wasim.Attrs{"class": n.Tag, "id": n.Attrs["id"], "to": n.Attrs["from"]}
	if kind := text(n, "type"); kind != "" && n.Tag != "message" {
		attrs["type"] = kind
	}
	if code != "" {
		attrs["error"] = code
	}
	r.send(wasim.Node{Tag: "ack", Attrs: attrs})
}
