package webhook

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
)

// Set is what a user asks a webhook to be. It replaces the configuration whole:
// a nil field gets its default, whatever was stored, but for the secret.
type Set struct {
	Label         *string // default "default"
	Enabled       *bool   // required
	URL           *string // required when enabled: absolute, http or https
	Authorization *string
	ByEvents      *bool
	Events        []event.Type // empty: all six
	MediaBase64   *bool
	Secret        *string // "whsec_" and base64 of 24 to 64 bytes
	SecretGiven   bool    // without it the secret is kept; given and nil removes it
	Headers       map[string]string
	Ordering      *string // default strict
}

const (
	minSecret = 24 // bytes of key in a secret, after the Standard Webhooks specification
	maxSecret = 64

	secretPrefix = "whsec_"
)

var labelPattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// problems collects what is wrong with a request, field by field.
type problems []fault.Detail

func (p *problems) add(wrong bool, field, reason string) {
	if wrong {
		*p = append(*p, fault.Detail{Field: field, Reason: reason})
	}
}

// normal checks a request and returns the webhook that it describes: without an
// ID, and without a secret unless one is given. A disabled one keeps byEvents,
// headers and ordering as sent; the rest is cleared, though checked.
func (r *Set) normal() (Webhook, error) {
	w := Webhook{
		Label: or(r.Label, DefaultLabel), Enabled: or(r.Enabled, false), URL: or(r.URL, ""),
		Authorization: r.Authorization, ByEvents: or(r.ByEvents, false), MediaBase64: or(r.MediaBase64, false),
		Headers: r.Headers, Ordering: Ordering(or(r.Ordering, string(Strict))), Secret: or(r.Secret, ""),
	}
	if w.Headers == nil {
		w.Headers = map[string]string{}
	}
	var wrong problems
	wrong.add(!labelPattern.MatchString(w.Label), "label", "must match "+labelPattern.String())
	wrong.add(r.Enabled == nil, "enabled", "required")
	wrong.add(w.Enabled && r.URL == nil, "url", "required when enabled")
	wrong.add(w.Enabled && r.URL != nil && !isWebURL(w.URL), "url", "must be an absolute http or https URL")
	wrong.add(w.Authorization != nil && !httpguts.ValidHeaderFieldValue(*w.Authorization),
		"authorization", "must be the value of a header")
	w.Events = wrong.events(r.Events)
	wrong.add(r.Secret != nil && secretKey(w.Secret) == nil, "secret", fmt.Sprintf(
		"must be %s and the base64 of %d to %d bytes", secretPrefix, minSecret, maxSecret))
	wrong.headers(w.Headers)
	wrong.add(w.Ordering != Strict && w.Ordering != Relaxed, "ordering", "must be one of strict, relaxed")
	if len(wrong) > 0 {
		return Webhook{}, fault.InvalidBody(wrong...)
	}
	if !w.Enabled {
		w.URL, w.Authorization, w.Events, w.MediaBase64 = "", nil, []event.Type{}, false
	}
	return w, nil
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func isWebURL(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// events returns the names in order, without repeats.
func (p *problems) events(list []event.Type) []event.Type {
	names := make([]event.Type, 0, len(list))
	seen := event.Filter(0)
	for i, t := range list {
		p.add(!t.Valid(), fmt.Sprintf("events[%d]", i), "must be one of "+event.AllowedNames())
		if !seen.Allows(t) {
			seen |= event.FilterOf([]event.Type{t})
			names = append(names, t)
		}
	}
	return names
}

// secretKey returns the key in a secret, nil if it is none.
func secretKey(secret string) []byte {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok || strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) < minSecret || len(key) > maxSecret {
		return nil
	}
	return key
}
