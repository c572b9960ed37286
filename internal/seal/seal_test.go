package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chasqui/chasqui/internal/seal"
)

func key(fill byte) []byte { return bytes.Repeat([]byte{fill}, seal.KeySize) }

func box(t testing.TB, k []byte, older ...[]byte) *seal.Box {
	t.Helper()
	b, err := seal.New(k, older...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealedValueOpensInItsPlace(t *testing.T) {
	b := box(t, key(1))
	for _, plain := range []string{"", "a", strings.Repeat("secret ", 1000)} {
		sealed := b.Seal([]byte(plain), "instances.token/1")
		if len(plain) > 1 && bytes.Contains(sealed, []byte(plain)) {
			t.Error("the plain text shows in the sealed value")
		}
		got, err := b.Open(sealed, "instances.token/1")
		if err != nil || string(got) != plain {
			t.Errorf("Open: %q, %v", got, err)
		}
		if _, err := b.Open(sealed, "instances.token/2"); !errors.Is(err, seal.ErrDamaged) {
			t.Errorf("Open in another row: %v", err)
		}
	}
}

func TestSealNeverRepeats(t *testing.T) {
	b := box(t, key(1))
	if bytes.Equal(b.Seal([]byte("x"), "c"), b.Seal([]byte("x"), "c")) {
		t.Error("two seals of one value are equal")
	}
}

func TestChangedValueDoesNotOpen(t *testing.T) {
	b := box(t, key(1))
	sealed := b.Seal([]byte("secret"), "c")
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if got, err := b.Open(bad, "c"); err == nil {
			t.Errorf("byte %d changed, opened as %q", i, got)
		}
		if _, err := b.Open(sealed[:i], "c"); !errors.Is(err, seal.ErrDamaged) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestKeysCanBeRotated(t *testing.T) {
	sealed := box(t, key(1)).Seal([]byte("secret"), "c")
	if _, err := box(t, key(2)).Open(sealed, "c"); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("Open with another key: %v", err)
	}
	both := box(t, key(2), key(1))
	if got, err := both.Open(sealed, "c"); err != nil || string(got) != "secret" {
		t.Errorf("Open with the older key: %q, %v", got, err)
	}
	again := both.Seal([]byte("secret"), "c")
	if _, err := box(t, key(2)).Open(again, "c"); err != nil {
		t.Errorf("sealed anew, the new key alone: %v", err)
	}
}

func TestNewRefusesShortKeys(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := seal.New(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was accepted", n)
		}
	}
}

func TestParseKeyForms(t *testing.T) {
	k := key(0xfb)
	for name, text := range map[string]string{
		"hex":         hex.EncodeToString(k),
		"HEX":         strings.ToUpper(hex.EncodeToString(k)),
		"base64":      base64.StdEncoding.EncodeToString(k),
		"base64 raw":  base64.RawStdEncoding.EncodeToString(k),
		"base64url":   base64.URLEncoding.EncodeToString(k),
		"surrounding": " " + base64.RawURLEncoding.EncodeToString(k) + "\n",
	} {
		got, err := seal.ParseKey(text)
		if err != nil || !bytes.Equal(got, k) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseKeyRefusesWithoutRepeatingIt(t *testing.T) {
	for _, text := range []string{"", "hunter2-hunter2", strings.Repeat("ab", 31), base64.StdEncoding.EncodeToString(make([]byte, 33))} {
		_, err := seal.ParseKey(text)
		if err == nil {
			t.Errorf("%q was accepted", text)
			continue
		}
		if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(hex.EncodeToString(key(1)))
	f.Add(base64.URLEncoding.EncodeToString(key(0xff)))
	f.Add("====")
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := seal.ParseKey(text); err == nil && len(k) != seal.KeySize {
			t.Errorf("%q gave %d bytes", text, len(k))
		}
	})
}

func TestKeyFileIsMadeOnceWithMode0600(t *testing.T) {
	path := filepath.Join(t.TempDir(), "encryption.key")
	keys := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			k, err := seal.LoadOrCreateKeyFile(path)
			if err != nil {
				t.Error(err)
			}
			keys[i] = k
		})
	}
	wg.Wait()
	for _, k := range keys {
		if !bytes.Equal(k, keys[0]) || len(k) != seal.KeySize {
			t.Fatal("concurrent callers got different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %o", got)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestKeyFileThatIsNoKeyIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "encryption.key")
	if err := os.WriteFile(path, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.LoadOrCreateKeyFile(path); err == nil || strings.Contains(err.Error(), "not a key") {
		t.Errorf("got %v", err)
	}
	if _, err := seal.LoadOrCreateKeyFile(filepath.Join(path, "missing", "x")); err == nil {
		t.Error("no error for a folder that cannot be")
	}
}

// What is sealed most are bodies of webhooks, of about 1 KB.
func BenchmarkSeal(b *testing.B) {
	sealer := box(b, key(1))
	plain := bytes.Repeat([]byte("x"), 1000)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		sealer.Seal(plain, "webhook_bodies.body/0197d0a2-6c1e-7b52-9a55-3f1f0c9e2d11")
	}
}

func BenchmarkOpen(b *testing.B) {
	const place = "webhook_bodies.body/0197d0a2-6c1e-7b52-9a55-3f1f0c9e2d11"
	sealer := box(b, key(1))
	sealed := sealer.Seal(bytes.Repeat([]byte("x"), 1000), place)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sealer.Open(sealed, place); err != nil {
			b.Fatal(err)
		}
	}
}
