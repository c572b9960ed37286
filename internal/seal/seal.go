package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// A sealed value is: version (1 byte), key identity (4), nonce (24),
// ciphertext with its tag (16).
const (
	version = 1
	idSize  = 4
	header  = 1 + idSize + nonceSize
	tagSize = 16
)

var (
	// ErrUnknownKey says that the value was sealed with a key that this box
	// does not have.
	ErrUnknownKey = errors.New("sealed with another key")
	// ErrDamaged says that the value was changed, cut short, or belongs to
	// another place.
	ErrDamaged = errors.New("sealed value is damaged")
)

type keyID [idSize]byte

// Box seals with one key and opens with that and with older ones. It is safe
// for concurrent use. How many values one key seals needs no thought: see xaes.
type Box struct {
	id   keyID
	keys map[keyID]*xaes
}

// New returns a box that seals with key. Values sealed with one of the older
// keys can still be opened. Each key has KeySize bytes.
func New(key []byte, older ...[]byte) (*Box, error) {
	b := &Box{keys: make(map[keyID]*xaes, 1+len(older))}
	for _, old := range older {
		if _, err := b.add(old); err != nil {
			return nil, err
		}
	}
	id, err := b.add(key)
	b.id = id
	return b, err
}

func (b *Box) add(key []byte) (keyID, error) {
	if len(key) != KeySize {
		return keyID{}, fmt.Errorf("encryption key has %d bytes, want %d", len(key), KeySize)
	}
	x, err := newXAES(key)
	if err != nil {
		return keyID{}, err
	}
	id := identify(key)
	b.keys[id] = x
	return id, nil
}

// identify names a key without telling anything about it.
func identify(key []byte) keyID {
	sum := sha256.Sum256(append([]byte("chasqui key identity\x00"), key...))
	return keyID(sum[:idSize])
}

// Seal encrypts plain. context says where the value belongs (table, column and
// row); Open wants the same.
func (b *Box) Seal(plain []byte, context string) []byte {
	out := make([]byte, header, header+len(plain)+tagSize)
	out[0] = version
	copy(out[1:], b.id[:])
	nonce := out[1+idSize : header]
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the process instead
	return b.keys[b.id].seal(out, nonce, plain, associated(out, context))
}

// Open decrypts what Seal made with the same context. It returns ErrUnknownKey
// or ErrDamaged.
func (b *Box) Open(sealed []byte, context string) ([]byte, error) {
	if len(sealed) < header+tagSize || sealed[0] != version {
		return nil, ErrDamaged
	}
	x, ok := b.keys[keyID(sealed[1:1+idSize])]
	if !ok {
		return nil, ErrUnknownKey
	}
	plain, err := x.open(sealed[1+idSize:header], sealed[header:], associated(sealed, context))
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

// associated binds version and key identity besides the context.
func associated(sealed []byte, context string) []byte {
	ad := make([]byte, 0, 1+idSize+len(context))
	ad = append(ad, sealed[:1+idSize]...)
	return append(ad, context...)
}
