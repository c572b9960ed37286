package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// The headers of the Standard Webhooks specification, and ours that counts
// attempts.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
	HeaderAttempt   = "webhook-attempt"
)

// Rotation is how long an old secret signs too after it was changed.
const Rotation = 24 * time.Hour

// secrets returns those that sign at now, the newest first.
func (w *Webhook) secrets(now time.Time) []string {
	switch {
	case w.Secret == "":
		return nil
	case w.OldSecret != "" && now.Before(w.OldSecretUntil):
		return []string{w.Secret, w.OldSecret}
	}
	return []string{w.Secret}
}

var errSecret = errors.New("webhook: the stored secret is not one")

// Sign returns the value of webhook-signature for a message: for each secret
// "v1," and the base64 of the HMAC-SHA256 over "id.timestamp.body", separated
// by spaces (https://www.standardwebhooks.com, "Signature scheme"). It reads
// body once.
func Sign(secrets []string, id string, at time.Time, body io.Reader) (string, error) {
	macs := make([]io.Writer, len(secrets))
	for i, s := range secrets {
		key := secretKey(s)
		if key == nil {
			return "", errSecret
		}
		macs[i] = hmac.New(sha256.New, key)
	}
	all := io.MultiWriter(macs...)
	if _, err := io.WriteString(all, id+"."+strconv.FormatInt(at.Unix(), 10)+"."); err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	if _, err := io.Copy(all, body); err != nil {
		return "", fmt.Errorf("read the body to sign: %w", err)
	}
	signatures := make([]string, len(macs))
	for i, m := range macs {
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(m.(interface{ Sum([]byte) []byte }).Sum(nil))
	}
	return strings.Join(signatures, " "), nil
}
