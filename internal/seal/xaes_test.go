package seal_test

import (
	"bytes"
	"crypto/sha3"
	"encoding/hex"
	"testing"

	"github.com/chasqui/chasqui/internal/seal"
)

func cipherOf(t testing.TB, key []byte) *seal.XAES {
	t.Helper()
	x, err := seal.NewXAES(key)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// The two vectors of https://c2sp.org/XAES-256-GCM; they differ in the carry of
// the CMAC subkey.
func TestXAESVectors(t *testing.T) {
	nonce, plain := []byte("ABCDEFGHIJKLMNOPQRSTUVWX"), []byte("XAES-256-GCM")
	for _, v := range []struct {
		key              byte
		associated, want string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		x := cipherOf(t, key(v.key))
		sealed := x.Seal(nonce, plain, []byte(v.associated))
		if got := hex.EncodeToString(sealed); got != v.want {
			t.Errorf("key %d: %s, want %s", v.key, got, v.want)
		}
		if got, err := x.Open(nonce, sealed, []byte(v.associated)); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("key %d: opened %q, %v", v.key, got, err)
		}
	}
}

// The accumulated random vectors of the same specification.
func TestXAESAccumulatedVectors(t *testing.T) {
	source, sum := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	draw := func(n int) []byte {
		b := make([]byte, n)
		_, _ = source.Read(b) // never fails
		return b
	}
	for range 10_000 {
		k, nonce := draw(seal.KeySize), draw(24)
		plain := draw(int(draw(1)[0]))
		associated := draw(int(draw(1)[0]))
		sealed := cipherOf(t, k).Seal(nonce, plain, associated)
		_, _ = sum.Write(sealed) // never fails
	}
	got := make([]byte, 32)
	_, _ = sum.Read(got) // never fails
	const want = "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
	if hex.EncodeToString(got) != want {
		t.Errorf("got %x, want %s", got, want)
	}
}
