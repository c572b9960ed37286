package seal

// XAES exposes the cipher for its test vectors.
type XAES = xaes

// NewXAES returns the cipher of a key.
func NewXAES(key []byte) (*XAES, error) { return newXAES(key) }

// Seal is seal.
func (x *xaes) Seal(nonce, plain, associated []byte) []byte {
	return x.seal(nil, nonce, plain, associated)
}

// Open is open.
func (x *xaes) Open(nonce, sealed, associated []byte) ([]byte, error) {
	return x.open(nonce, sealed, associated)
}
