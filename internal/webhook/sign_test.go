package webhook_test

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/chasqui/chasqui/internal/webhook"
)

func secretOf(n int, fill byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(fill), n)))
}

// Section 5, signing: the specification's own library accepts the signature,
// with either secret during a rotation, and nothing else.
func TestSign(t *testing.T) {
	secret, old, other := secretOf(24, 'n'), secretOf(64, 'o'), secretOf(32, 'x')
	const id, body = "0197d0a2-6c1e-7b52-9a55-3f1f0c9e2d12", `{"event":"message.exchange"}`
	at := time.Now()
	verify := func(signature, secret, body string) error {
		oracle, err := standardwebhooks.NewWebhook(secret)
		must(t, err)
		h := http.Header{}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
		h.Set("webhook-signature", signature)
		return oracle.Verify([]byte(body), h)
	}
	one, err := webhook.Sign([]string{secret}, id, at, iotest.OneByteReader(strings.NewReader(body)))
	must(t, err)
	two, err := webhook.Sign([]string{secret, old}, id, at, strings.NewReader(body))
	must(t, err)
	for name, tc := range map[string]struct {
		signature, secret, body string
		accepted                bool
	}{
		"the secret":            {one, secret, body, true},
		"another":               {one, other, body, false},
		"another body":          {one, secret, body + " ", false},
		"the old one, alone":    {one, old, body, false},
		"rotation: the new one": {two, secret, body, true},
		"rotation: the old one": {two, old, body, true},
		"rotation: another":     {two, other, body, false},
	} {
		if err := verify(tc.signature, tc.secret, tc.body); (err == nil) != tc.accepted {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(strings.Fields(two)); n != 2 {
		t.Errorf("%d signatures", n)
	}
}

func TestSignFails(t *testing.T) {
	if _, err := webhook.Sign([]string{"whsec_short"}, "id", time.Now(), strings.NewReader("")); err == nil {
		t.Error("a secret that is none was used")
	}
	if _, err := webhook.Sign([]string{secretOf(24, 'n')}, "id", time.Now(), iotest.ErrReader(http.ErrBodyReadAfterClose)); err == nil {
		t.Error("a body that broke off was signed")
	}
}
