package wasim

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/util/cbcutil"
	"go.mau.fi/whatsmeow/util/hkdfutil"
)

// mediaMACLength is how many bytes of the HMAC end an encrypted file (whatsmeow: download.go/mediaHMACLength).
const mediaMACLength = 10

// sealedFile is an encrypted file and what a message must say for its receivers to open it.
type sealedFile struct {
	data    []byte // ciphertext and MAC: what is uploaded
	key     []byte // 32 bytes
	hash    []byte // SHA-256 of the plain file
	encHash []byte // SHA-256 of data
	length  uint64 // of the plain file
}

// mediaKeys expands a media key (whatsmeow: download.go/getMediaKeys).
func mediaKeys(key []byte, kind whatsmeow.MediaType) (iv, cipherKey, macKey []byte) {
	x := hkdfutil.SHA256(key, nil, []byte(kind), 112)
	return x[:16], x[16:48], x[48:80]
}

// sealMedia encrypts a file under a new key, as whatsmeow does (upload.go/Upload).
func sealMedia(plain []byte, kind whatsmeow.MediaType) (*sealedFile, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("media key: %w", err)
	}
	iv, cipherKey, macKey := mediaKeys(key, kind)
	// cbcutil pads in place where the slice has room, so it gets its own copy.
	data, err := cbcutil.Encrypt(cipherKey, iv, bytes.Clone(plain))
	if err != nil {
		return nil, fmt.Errorf("encrypt media: %w", err)
	}
	data = append(data, mediaMAC(macKey, iv, data)...)
	hash, encHash := sha256.Sum256(plain), sha256.Sum256(data)
	return &sealedFile{data: data, key: key, hash: hash[:], encHash: encHash[:], length: uint64(len(plain))}, nil
}

// openSealed checks and decrypts an encrypted file.
func openSealed(data, key []byte, kind whatsmeow.MediaType) ([]byte, error) {
	if len(data) <= mediaMACLength {
		return nil, errors.New("encrypted file is too short")
	}
	iv, cipherKey, macKey := mediaKeys(key, kind)
	body, mac := data[:len(data)-mediaMACLength], data[len(data)-mediaMACLength:]
	if !hmac.Equal(mediaMAC(macKey, iv, body), mac) {
		return nil, errors.New("encrypted file has a wrong MAC")
	}
	plain, err := cbcutil.Decrypt(cipherKey, iv, bytes.Clone(body))
	if err != nil {
		return nil, fmt.Errorf("decrypt media: %w", err)
	}
	return plain, nil
}

func mediaMAC(key, iv, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(iv)
	h.Write(body)
	return h.Sum(nil)[:mediaMACLength]
}
