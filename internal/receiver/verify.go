package receiver

import (
	"bytes"
	"crypto/hmac"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chasqui/chasqui/internal/webhook"
)

// tolerance is how far webhook-timestamp may be from our clock, so that a
// delivery that somebody recorded cannot be played again later; the
// specification's own libraries have the same.
const tolerance = 5 * time.Minute

var (
	errUnsigned = errors.New("not signed")
	errMismatch = errors.New("no signature matches the secret and the body")
)

// verify checks the signature of a delivery as a receiver has to
// (https://www.standardwebhooks.com, "Verifying signatures"). Its errors are for
// people.
func verify(secret string, h http.Header, body []byte, now time.Time) error {
	id, stamp, signatures := h.Get(webhook.HeaderID), h.Get(webhook.HeaderTimestamp), h.Get(webhook.HeaderSignature)
	if id == "" || stamp == "" || signatures == "" {
		return errUnsigned
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errors.New("webhook-timestamp is not a number of seconds")
	}
	at := time.Unix(seconds, 0)
	if age := now.Sub(at).Round(time.Second); age.Abs() > tolerance {
		return fmt.Errorf("webhook-timestamp is %s off the clock here, more than %s", age.Abs(), tolerance)
	}
	want, err := webhook.Sign([]string{secret}, id, at, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for s := range strings.SplitSeq(signatures, " ") {
		if hmac.Equal([]byte(s), []byte(want)) {
			return nil
		}
	}
	return errMismatch
}

// checkSecret refuses what cannot be a secret.
func checkSecret(secret string) error {
	if secret == "" {
		return nil
	}
	if _, err := webhook.Sign([]string{secret}, "", time.Time{}, bytes.NewReader(nil)); err != nil {
		return errors.New("secret: must be whsec_ and the base64 of 24 to 64 bytes")
	}
	return nil
}
