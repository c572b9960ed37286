package wasim

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"

	"go.mau.fi/util/random"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
)

// Layout of a wrapped key: salt, initialisation vector, key (whatsmeow: pair-code.go/generateCompanionEphemeralKey).
const (
	wrapSalt  = 32
	wrapIV    = 16
	wrappedLn = wrapSalt + wrapIV + 32
	// linkCodeRounds of PBKDF2 turn the eight characters into a key.
	linkCodeRounds = 2 << 16
	// A key bundle is salt, nonce and the sealed keys.
	bundleSalt  = 32
	bundleNonce = 12
)

// codePairing is a client's request to be linked by a code that the person types into the phone.
type codePairing struct {
	ref       []byte
	wrapped   []byte        // the client's ephemeral key under the code
	ephemeral *keys.KeyPair // the phone's, once a code was entered
	companion []byte        // the client's ephemeral key, unwrapped with that code
	finished  chan []byte   // the ADV secret, nil when the code was wrong
}

// handleMultiDevice serves xmlns md: code pairing and a companion's own logout.
func handleMultiDevice(c *conn, iq *Node) {
	child := firstChild(iq)
	switch {
	case child.Tag == "link_code_companion_reg" && c.pairing != nil:
		handleLinkCode(c, iq, &child)
	case child.Tag == "remove-companion-device" && c.device != nil:
		handleRemoveCompanion(c, iq, &child)
	default:
		c.unanswerable(iq)
	}
}

// handleRemoveCompanion logs a companion out at its own wish (whatsmeow: client.go/Logout). Only its own device can be
// named.
func handleRemoveCompanion(c *conn, iq, child *Node) {
	if jid := jidAttr(child, "jid"); jid != c.device.jid() && jid != c.device.lid() {
		c.send(failure(iq, 403, "forbidden"))
		return
	}
	c.send(result(iq))
	c.device.account.forget(c.device)
	c.end(Node{Tag: "xmlstreamend"})
}

func handleLinkCode(c *conn, iq, child *Node) {
	switch stringAttr(child, "stage") {
	case "companion_hello":
		c.pairing.codeRequested(iq, child)
	case "companion_finish":
		c.pairing.codeFinished(iq, child)
	default:
		c.send(failure(iq, 400, "bad-request"))
	}
}

// codeRequested notes a client that shows a pairing code for a number. The number must belong to a phone.
func (p *pairing) codeRequested(iq, child *Node) {
	number := jidAttr(child, "jid").User
	wrapped := childBytes(child, "link_code_pairing_wrapped_companion_ephemeral_pub")
	if len(wrapped) != wrappedLn || !validDisplayName(string(childBytes(child, "companion_platform_display"))) {
		p.conn.send(failure(iq, 400, "bad-request"))
		return
	}
	if p.conn.server.accounts.number(number) == nil {
		p.conn.send(failure(iq, 404, "item-not-found"))
		return
	}
	request := &codePairing{ref: []byte("3@" + random.String(32)), wrapped: wrapped}
	p.table.withdrawCode(p)
	p.mu.Lock()
	p.code, p.number = request, number
	p.mu.Unlock()
	p.table.offerCode(number, p)
	p.conn.send(result(iq, Node{
		Tag: "link_code_companion_reg", Attrs: Attrs{"stage": "companion_hello"},
		Content: []Node{{Tag: "link_code_pairing_ref", Content: request.ref}},
	}))
}

// validDisplayName checks the form "Browser (OS)" that the server insists on (whatsmeow: pair-code.go/PairPhone).
func validDisplayName(name string) bool {
	browser, system, ok := strings.Cut(strings.TrimSuffix(name, ")"), " (")
	return ok && browser != "" && system != "" && strings.HasSuffix(name, ")")
}

func (t *pairingTable) offerCode(number string, p *pairing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byHost[number] = append(t.byHost[number], p)
}

// withdrawCode forgets an earlier request of the same client for a code.
func (t *pairingTable) withdrawCode(p *pairing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for number, list := range t.byHost {
		t.byHost[number] = slices.DeleteFunc(list, func(x *pairing) bool { return x == p })
	}
}

// waitingForCode lists the clients that show a code for a number, the newest first.
func (t *pairingTable) waitingForCode(number string) []*pairing {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := slices.Clone(t.byHost[number])
	slices.Reverse(list)
	return list
}

// EnterCode links the client that shows this pairing code for the phone's number, as ScanQR does. The code's dash and
// case do not matter. A wrong code is ErrCodeExpired: only the client's answer shows that the two do not agree.
func (p *Phone) EnterCode(ctx context.Context, pairingCode string) (deviceJID string, err error) {
	code := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(pairingCode))
	for _, client := range p.server().pairings.waitingForCode(p.account.pn.User) {
		secret, err := p.tryCode(ctx, client, code)
		if errors.Is(err, ErrCodeExpired) {
			continue
		}
		if err != nil {
			return "", err
		}
		return p.link(ctx, client, secret)
	}
	return "", ErrCodeExpired
}

// tryCode runs the key exchange of a pairing code with one client and returns the ADV secret.
func (p *Phone) tryCode(ctx context.Context, client *pairing, code string) ([]byte, error) {
	companion, err := unwrapKey(code, client.wrappedKey())
	if err != nil {
		return nil, ErrCodeExpired
	}
	own := keys.NewKeyPair()
	wrapped, err := wrapKey(code, own.Pub[:])
	if err != nil {
		return nil, err
	}
	finished := make(chan []byte, 1)
	ref := client.entered(own, companion, finished)
	client.conn.send(p.server().notification("link_code_companion_reg", types.ServerJID, nil, Node{
		Tag: "link_code_companion_reg", Attrs: Attrs{"stage": "primary_hello"},
		Content: []Node{
			{Tag: "link_code_pairing_wrapped_primary_ephemeral_pub", Content: wrapped},
			{Tag: "primary_identity_pub", Content: p.identity.Pub[:]},
			{Tag: "link_code_pairing_ref", Content: ref},
		},
	}))
	select {
	case secret := <-finished:
		if secret == nil {
			return nil, ErrCodeExpired
		}
		return secret, nil
	case <-client.gone:
		return nil, ErrCodeExpired
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pairing) wrappedKey() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.code.wrapped
}

// entered notes the keys of an attempt and returns the reference of the client's request.
func (p *pairing) entered(own *keys.KeyPair, companion []byte, finished chan []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.code.ephemeral, p.code.companion, p.code.finished = own, companion, finished
	return p.code.ref
}

// codeFinished takes the client's key bundle, which opens only if both sides used the same code.
func (p *pairing) codeFinished(iq, child *Node) {
	p.mu.Lock()
	request := p.code
	number := p.number
	p.mu.Unlock()
	if request == nil || request.finished == nil {
		p.conn.send(failure(iq, 400, "bad-request"))
		return
	}
	p.conn.send(result(iq))
	phone := p.conn.server.accounts.number(number).phone
	bundle := childBytes(child, "link_code_pairing_wrapped_key_bundle")
	secret, err := phone.openKeyBundle(request, bundle, p.data.GetEIdent())
	if err != nil {
		p.conn.server.log.Debug("pairing code", "error", err)
	}
	request.finished <- secret
}

// openKeyBundle opens the client's key bundle and derives the ADV secret (whatsmeow:
// pair-code.go/handleCodePairNotification).
func (p *Phone) openKeyBundle(request *codePairing, bundle, companionIdentity []byte) ([]byte, error) {
	if len(bundle) < bundleSalt+bundleNonce {
		return nil, errors.New("key bundle is too short")
	}
	shared, err := sharedSecret(request.ephemeral, request.companion)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, shared, bundle[:bundleSalt], "link_code_pairing_key_bundle_encryption_key", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, bundle[bundleSalt:bundleSalt+bundleNonce], bundle[bundleSalt+bundleNonce:], nil)
	if err != nil {
		return nil, errors.New("the pairing code is wrong")
	}
	if len(plain) != 96 || string(plain[:32]) != string(companionIdentity) || string(plain[32:64]) != string(p.identity.Pub[:]) {
		return nil, errors.New("key bundle names other keys")
	}
	identityShared, err := sharedSecret(p.identity, companionIdentity)
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha256.New, join(shared, identityShared, plain[64:]), nil, "adv_secret", 32)
}

// wrapKey puts a public key under a pairing code.
func wrapKey(code string, key []byte) ([]byte, error) {
	salt, iv := random.Bytes(wrapSalt), random.Bytes(wrapIV)
	sealed, err := codeCipher(code, salt, iv, key)
	return join(salt, iv, sealed), err
}

// unwrapKey reverses wrapKey. A wrong code yields some other key.
func unwrapKey(code string, wrapped []byte) ([]byte, error) {
	return codeCipher(code, wrapped[:wrapSalt], wrapped[wrapSalt:wrapSalt+wrapIV], wrapped[wrapSalt+wrapIV:wrappedLn])
}

// codeCipher is AES-CTR under a key from the code, its own inverse.
func codeCipher(code string, salt, iv, in []byte) ([]byte, error) {
	key, err := pbkdf2.Key(sha256.New, code, salt, linkCodeRounds, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(in))
	cipher.NewCTR(block, iv).XORKeyStream(out, in)
	return out, nil
}
