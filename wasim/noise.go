package wasim

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/util/keys"
	"google.golang.org/protobuf/proto"
)

// cipherState is one direction of AES-256-GCM with a counter as nonce: eight zero bytes and the 32-bit counter,
// big-endian (whatsmeow: socket/noisehandshake.go). It belongs to one goroutine.
type cipherState struct {
	aead    cipher.AEAD
	counter uint32
}

func newCipherState(key []byte) (cipherState, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return cipherState{}, err
	}
	aead, err := cipher.NewGCM(block)
	return cipherState{aead: aead}, err
}

func (c *cipherState) nonce() []byte {
	nonce := make([]byte, 12)
	binary.BigEndian.PutUint32(nonce[8:], c.counter)
	c.counter++
	return nonce
}

func (c *cipherState) seal(plain, additional []byte) ([]byte, error) {
	if c.counter == math.MaxUint32 {
		return nil, errors.New("noise counter is used up")
	}
	return c.aead.Seal(nil, c.nonce(), plain, additional), nil
}

func (c *cipherState) open(sealed, additional []byte) ([]byte, error) {
	return c.aead.Open(nil, c.nonce(), sealed, additional)
}

// symmetricState is the running hash, chaining key and cipher of a handshake.
type symmetricState struct {
	hash, chain []byte
	cipher      cipherState
}

func newSymmetricState(prologue []byte) (*symmetricState, error) {
	start := []byte(socket.NoiseStartPattern)
	c, err := newCipherState(start)
	if err != nil {
		return nil, err
	}
	s := &symmetricState{hash: start, chain: start, cipher: c}
	s.mixHash(prologue)
	return s, nil
}

func (s *symmetricState) mixHash(data []byte) {
	sum := sha256.Sum256(join(s.hash, data))
	s.hash = sum[:]
}

func (s *symmetricState) expand(secret []byte) (first, second []byte, err error) {
	both, err := hkdf.Key(sha256.New, secret, s.chain, "", 64)
	if err != nil {
		return nil, nil, err
	}
	return both[:32], both[32:], nil
}

// mixKey mixes a Diffie-Hellman result in and starts a new cipher, whose counter is 0 again.
func (s *symmetricState) mixKey(own *keys.KeyPair, theirs []byte) error {
	secret, err := sharedSecret(own, theirs)
	if err != nil {
		return err
	}
	chain, key, err := s.expand(secret)
	if err != nil {
		return err
	}
	s.chain = chain
	s.cipher, err = newCipherState(key)
	return err
}

func (s *symmetricState) seal(plain []byte) ([]byte, error) {
	sealed, err := s.cipher.seal(plain, s.hash)
	s.mixHash(sealed)
	return sealed, err
}

func (s *symmetricState) open(sealed []byte) ([]byte, error) {
	plain, err := s.cipher.open(sealed, s.hash)
	s.mixHash(sealed)
	return plain, err
}

// sharedSecret is X25519 of an own private and another's public key.
func sharedSecret(own *keys.KeyPair, theirs []byte) ([]byte, error) {
	private, err := ecdh.X25519().NewPrivateKey(own.Priv[:])
	if err != nil {
		return nil, err
	}
	public, err := ecdh.X25519().NewPublicKey(theirs)
	if err != nil {
		return nil, err
	}
	return private.ECDH(public)
}

// handshake is the server's side of Noise_XX_25519_AESGCM_SHA256.
type handshake struct {
	static *keys.KeyPair // the server's key, vouched for by chain
	chain  []byte
	state  *symmetricState
	own    *keys.KeyPair // ephemeral
}

// secured is the outcome of a handshake.
type secured struct {
	in, out   cipherState // client to server, server to client
	clientKey [32]byte    // the client's static key, which names its registration or login
	payload   *waWa6.ClientPayload
}

func newHandshake(prologue []byte, static *keys.KeyPair, chain []byte) (*handshake, error) {
	state, err := newSymmetricState(prologue)
	if err != nil {
		return nil, err
	}
	return &handshake{static: static, chain: chain, state: state, own: keys.NewKeyPair()}, nil
}

// hello reads the client's first frame and returns the answer.
func (h *handshake) hello(first []byte) ([]byte, error) {
	var message waWa6.HandshakeMessage
	if err := proto.Unmarshal(first, &message); err != nil {
		return nil, fmt.Errorf("client hello: %w", err)
	}
	theirs := message.GetClientHello().GetEphemeral()
	h.state.mixHash(theirs)
	h.state.mixHash(h.own.Pub[:])
	if err := h.state.mixKey(h.own, theirs); err != nil {
		return nil, fmt.Errorf("client hello: %w", err)
	}
	static, err := h.state.seal(h.static.Pub[:])
	if err != nil {
		return nil, err
	}
	if err = h.state.mixKey(h.static, theirs); err != nil {
		return nil, err
	}
	payload, err := h.state.seal(h.chain)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(&waWa6.HandshakeMessage{ServerHello: &waWa6.HandshakeMessage_ServerHello{
		Ephemeral: h.own.Pub[:], Static: static, Payload: payload,
	}})
}

// finish reads the client's second frame and splits the keys: the first is for client to server.
func (h *handshake) finish(second []byte) (*secured, error) {
	var message waWa6.HandshakeMessage
	if err := proto.Unmarshal(second, &message); err != nil {
		return nil, fmt.Errorf("client finish: %w", err)
	}
	clientKey, err := h.state.open(message.GetClientFinish().GetStatic())
	if err != nil {
		return nil, fmt.Errorf("client static key: %w", err)
	}
	if err = h.state.mixKey(h.own, clientKey); err != nil {
		return nil, fmt.Errorf("client static key: %w", err)
	}
	plain, err := h.state.open(message.GetClientFinish().GetPayload())
	if err != nil {
		return nil, fmt.Errorf("client payload: %w", err)
	}
	out := &secured{clientKey: [32]byte(clientKey), payload: &waWa6.ClientPayload{}}
	if err = proto.Unmarshal(plain, out.payload); err != nil {
		return nil, fmt.Errorf("client payload: %w", err)
	}
	in, back, err := h.state.expand(nil)
	if err != nil {
		return nil, err
	}
	if out.in, err = newCipherState(in); err != nil {
		return nil, err
	}
	out.out, err = newCipherState(back)
	return out, err
}
