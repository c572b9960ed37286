package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"regexp"
)

const (
	tokenBytes   = 32
	tokenPattern = `^[A-Za-z0-9._~+/=-]{16,256}$`
	namePattern  = `^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`
)

var (
	validToken = regexp.MustCompile(tokenPattern)
	validName  = regexp.MustCompile(namePattern)
)

// HashToken returns the hex SHA-256 by which a token is stored and looked up.
// Tokens are long and random, so no salt and no slow hash is needed.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// NewToken draws 256 random bits, base64url without padding.
func NewToken() string {
	raw := make([]byte, tokenBytes)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(raw)
}

// ValidToken reports whether a token given by a person is acceptable: 16 to
// 256 of [A-Za-z0-9._~+/=-].
func ValidToken(token string) bool { return validToken.MatchString(token) }
