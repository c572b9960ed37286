package seal

import (
	"crypto/aes"
	"crypto/cipher"
)

// nonceSize is the length of a nonce in bytes: the first half goes into the key
// of the value, the second is the nonce of AES-256-GCM.
const (
	nonceSize = 24
	halfNonce = nonceSize / 2
)

// xaes is XAES-256-GCM (https://c2sp.org/XAES-256-GCM): each nonce gives a key
// of its own for AES-256-GCM, derived with CMAC in the counter mode of NIST SP
// 800-108r1. Nonces may be random for 2^80 values under one key, where plain
// AES-256-GCM allows 2^32.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte // the CMAC subkey for whole blocks, NIST SP 800-38B, 6.1
}

// newXAES takes a key of KeySize bytes.
func newXAES(key []byte) (*xaes, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	x := &xaes{block: block}
	block.Encrypt(x.k1[:], x.k1[:])
	carry := x.k1[0] >> 7
	for i := range len(x.k1) - 1 {
		x.k1[i] = x.k1[i]<<1 | x.k1[i+1]>>7
	}
	x.k1[len(x.k1)-1] = x.k1[len(x.k1)-1]<<1 ^ carry*0b10000111
	return x, nil
}

// derive returns the cipher of the values with that nonce. It panics where the
// standard library would not make AES-256-GCM, which cannot be.
func (x *xaes) derive(nonce []byte) cipher.AEAD {
	var key [KeySize]byte
	for counter, half := range [][]byte{key[:aes.BlockSize], key[aes.BlockSize:]} {
		half[1], half[2] = byte(counter+1), 'X'
		copy(half[4:], nonce[:halfNonce])
		for i := range half {
			half[i] ^= x.k1[i]
		}
		x.block.Encrypt(half, half)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// seal appends the ciphertext of plain, with its tag, to dst.
func (x *xaes) seal(dst, nonce, plain, associated []byte) []byte {
	return x.derive(nonce).Seal(dst, nonce[halfNonce:], plain, associated)
}

// open undoes seal.
func (x *xaes) open(nonce, sealed, associated []byte) ([]byte, error) {
	return x.derive(nonce).Open(nil, nonce[halfNonce:], sealed, associated)
}
