package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/webhook"
	"github.com/chasqui/chasqui/internal/webhook/webhooktest"
)

// office is a service over a store in memory.
type office struct {
	*webhook.Service
	t       *testing.T
	store   *webhooktest.Memory
	hooks   []webhook.Hook // in force
	changed []string
	now     time.Time
}

func newOffice(t *testing.T) *office {
	o := &office{t: t, store: &webhooktest.Memory{}, now: noon}
	o.Service = webhook.NewService(o.store, o, o, webhook.ServiceOptions{
		Changed: func(id string) { o.changed = append(o.changed, id) },
		Now:     func() time.Time { return o.now },
	})
	return o
}

// ChangeHooks implements webhook.Changer for the one instance there is.
func (o *office) ChangeHooks(instanceID string, change func() ([]webhook.Hook, error)) error {
	if instanceID != sales {
		return fault.InstanceNotFound()
	}
	hooks, err := change()
	if err == nil {
		o.hooks = hooks
	}
	return err
}

// CheckURL implements webhook.Sender; hosts named private are refused.
func (o *office) CheckURL(url string) error {
	if strings.Contains(url, "private") {
		return errors.New("not public")
	}
	return nil
}

// Post implements webhook.Sender.
func (o *office) Post(context.Context, webhook.Request) (webhook.Response, error) {
	return webhook.Response{}, errors.New("nothing is posted here")
}

func (o *office) set(r webhook.Set) webhook.Webhook {
	o.t.Helper()
	w, err := o.Set(o.t.Context(), sales, r)
	must(o.t, err)
	return w
}

func enabled(label string) webhook.Set {
	return webhook.Set{Label: &label, Enabled: new(true), URL: new("https://a.example/wh")}
}

// wantFault compares kind, message and details.
func wantFault(t *testing.T, err error, want *fault.Error) {
	t.Helper()
	var got *fault.Error
	if !errors.As(err, &got) {
		t.Fatalf("got %v, want %v", err, want)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(fault.Error{}, "Cause")); diff != "" {
		t.Error(diff)
	}
}

func detail(field, reason string) *fault.Error {
	return fault.InvalidBody(fault.Detail{Field: field, Reason: reason})
}

// Section 5, set: defaults, and the answer as persisted.
func TestSetWebhook(t *testing.T) {
	o := newOffice(t)
	got := o.set(webhook.Set{Enabled: new(true), URL: new("https://a.example/wh")})
	want := webhook.Webhook{
		ID: got.ID, InstanceID: sales, Label: "default", Enabled: true, URL: "https://a.example/wh",
		Events: []event.Type{}, Headers: map[string]string{}, Ordering: webhook.Strict,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	full := webhook.Set{
		Enabled: new(true), URL: new("http://b.example"), Authorization: new("Basic x"), ByEvents: new(true),
		Events: []event.Type{event.TypeStatus, event.TypeCall, event.TypeStatus}, MediaBase64: new(true),
		Headers: map[string]string{"X-A": "1"}, Ordering: new("relaxed"),
	}
	want = webhook.Webhook{
		ID: got.ID, InstanceID: sales, Label: "default", Enabled: true, URL: "http://b.example", Authorization: new("Basic x"),
		ByEvents: true, Events: []event.Type{event.TypeStatus, event.TypeCall}, MediaBase64: true,
		Headers: map[string]string{"X-A": "1"}, Ordering: webhook.Relaxed,
	}
	if diff := cmp.Diff(want, o.set(full)); diff != "" {
		t.Error(diff)
	}
	stored, err := o.Get(t.Context(), sales, "")
	if diff := cmp.Diff(want, stored); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if diff := cmp.Diff([]webhook.Hook{want.Hook()}, o.hooks); diff != "" {
		t.Errorf("hooks: %s", diff)
	}
	if diff := cmp.Diff([]string{got.ID, got.ID}, o.changed); diff != "" {
		t.Errorf("the worker was told of %s", diff)
	}
}

// Section 5, errors of a set: each names its field, nothing is stored.
func TestSetWebhookInvalid(t *testing.T) {
	many := map[string]string{}
	for i := range 21 {
		many[fmt.Sprint("X-", i)] = ""
	}
	secretRule := "must be whsec_ and the base64 of 24 to 64 bytes"
	urlRule := "must be an absolute http or https URL"
	labelRule := "must match ^[A-Za-z0-9_.-]{1,64}$"
	for name, tc := range map[string]struct {
		change func(*webhook.Set)
		want   *fault.Error
	}{
		"label empty":       {func(s *webhook.Set) { s.Label = new("") }, detail("label", labelRule)},
		"label long":        {func(s *webhook.Set) { s.Label = new(strings.Repeat("a", 65)) }, detail("label", labelRule)},
		"label odd":         {func(s *webhook.Set) { s.Label = new("a b") }, detail("label", labelRule)},
		"no enabled":        {func(s *webhook.Set) { s.Enabled = nil }, detail("enabled", "required")},
		"no url":            {func(s *webhook.Set) { s.URL = nil }, detail("url", "required when enabled")},
		"url relative":      {func(s *webhook.Set) { s.URL = new("/wh") }, detail("url", urlRule)},
		"url ftp":           {func(s *webhook.Set) { s.URL = new("ftp://a.example") }, detail("url", urlRule)},
		"url no host":       {func(s *webhook.Set) { s.URL = new("http://:80/") }, detail("url", urlRule)},
		"url refused":       {func(s *webhook.Set) { s.URL = new("http://private/") }, fault.New(fault.Invalid, "Webhook URL is not allowed")},
		"authorization":     {func(s *webhook.Set) { s.Authorization = new("a\nb") }, detail("authorization", "must be the value of a header")},
		"event":             {func(s *webhook.Set) { s.Events = []event.Type{event.TypeCall, "call"} }, detail("events[1]", "must be one of "+event.AllowedNames())},
		"secret form":       {func(s *webhook.Set) { s.Secret, s.SecretGiven = new("abc"), true }, detail("secret", secretRule)},
		"secret short":      {func(s *webhook.Set) { s.Secret, s.SecretGiven = new(secretOf(23, 'a')), true }, detail("secret", secretRule)},
		"secret long":       {func(s *webhook.Set) { s.Secret, s.SecretGiven = new(secretOf(65, 'a')), true }, detail("secret", secretRule)},
		"secret newline":    {func(s *webhook.Set) { s.Secret, s.SecretGiven = new(secretOf(24, 'a')+"\n"), true }, detail("secret", secretRule)},
		"ordering":          {func(s *webhook.Set) { s.Ordering = new("Strict") }, detail("ordering", "must be one of strict, relaxed")},
		"headers many":      {func(s *webhook.Set) { s.Headers = many }, detail("headers", "at most 20")},
		"header hop":        {func(s *webhook.Set) { s.Headers = map[string]string{"Connection": "x"} }, detail("headers.Connection", "not allowed: hop-by-hop")},
		"header Host":       {func(s *webhook.Set) { s.Headers = map[string]string{"host": "x"} }, detail("headers.host", "not allowed: comes from url")},
		"header Content-":   {func(s *webhook.Set) { s.Headers = map[string]string{"Content-Length": "1"} }, detail("headers.Content-Length", "not allowed: describes the body")},
		"header webhook-":   {func(s *webhook.Set) { s.Headers = map[string]string{"Webhook-Id": "1"} }, detail("headers.Webhook-Id", "not allowed: is set by the server")},
		"header auth":       {func(s *webhook.Set) { s.Headers = map[string]string{"authorization": "1"} }, detail("headers.authorization", "not allowed: has a field of its own")},
		"header name":       {func(s *webhook.Set) { s.Headers = map[string]string{"a b": "1"} }, detail("headers.a b", "must be the name of a header")},
		"header value":      {func(s *webhook.Set) { s.Headers = map[string]string{"X-A": "\r"} }, detail("headers.X-A", "must have the value of a header")},
		"header twice":      {func(s *webhook.Set) { s.Headers = map[string]string{"X-A": "", "x-a": ""} }, detail("headers.x-a", "given twice")},
		"checked while off": {func(s *webhook.Set) { s.Enabled, s.Events = new(false), []event.Type{"x"} }, detail("events[0]", "must be one of "+event.AllowedNames())},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			r := enabled("default")
			tc.change(&r)
			_, err := o.Set(t.Context(), sales, r)
			wantFault(t, err, tc.want)
			if list, err := o.List(t.Context(), sales); len(list) != 0 || list == nil || err != nil {
				t.Errorf("stored: %v, %v", list, err)
			}
		})
	}
	_, err := newOffice(t).Set(t.Context(), "unknown", enabled("a"))
	wantFault(t, err, fault.InstanceNotFound())
}

// Section 5, enabled false: clears url, authorization, events and mediaBase64,
// not byEvents; keeps the row; what waits belongs to an older generation.
func TestDisableWebhook(t *testing.T) {
	o := newOffice(t)
	r := enabled("a")
	r.Authorization, r.ByEvents, r.MediaBase64, r.Events = new("x"), new(true), new(true), []event.Type{event.TypeCall}
	r.Headers, r.Secret, r.SecretGiven = map[string]string{"X-A": "1"}, new(secretOf(24, 'a')), true
	on := o.set(r)
	r.Enabled, r.SecretGiven, r.Secret = new(false), false, nil
	want := webhook.Webhook{
		ID: on.ID, InstanceID: sales, Label: "a", ByEvents: true, Events: []event.Type{}, Secret: secretOf(24, 'a'),
		Headers: map[string]string{"X-A": "1"}, Ordering: webhook.Strict, Generation: 1,
	}
	if diff := cmp.Diff(want, o.set(r)); diff != "" {
		t.Error(diff)
	}
	if len(o.hooks) != 0 {
		t.Errorf("hooks %v", o.hooks)
	}
	if got := o.set(r); got.Generation != 1 {
		t.Errorf("generation %d after disabling a disabled one", got.Generation)
	}
	if got := o.set(enabled("a")); got.Generation != 1 || got.ID != on.ID {
		t.Errorf("enabled again: %+v", got)
	}
}

// Section 5: at most 3 enabled webhooks per instance; a disabled one does not
// count, nor does the one that is replaced.
func TestWebhookLimit(t *testing.T) {
	o := newOffice(t)
	for _, label := range []string{"c", "a", "b", "a"} {
		o.set(enabled(label))
	}
	_, err := o.Set(t.Context(), sales, enabled("d"))
	wantFault(t, err, fault.New(fault.Conflict, "Webhook limit reached (3 enabled)"))
	off := enabled("b")
	off.Enabled = new(false)
	o.set(off)
	o.set(enabled("d"))
	list, err := o.List(t.Context(), sales)
	must(t, err)
	labels := ""
	for _, w := range list {
		labels += w.Label
	}
	if labels != "abcd" {
		t.Errorf("listed %q, want sorted by label", labels)
	}
}

// Section 5: a set without secret keeps it, null removes it; for 24 h after a
// change the old one signs too.
func TestSecretOfWebhook(t *testing.T) {
	o := newOffice(t)
	first, second := secretOf(24, 'a'), secretOf(32, 'b')
	with := func(secret *string) webhook.Set {
		r := enabled("a")
		r.Secret, r.SecretGiven = secret, true
		return r
	}
	want := func(w webhook.Webhook, secret, old string, until time.Time) {
		t.Helper()
		if w.Secret != secret || w.OldSecret != old || !w.OldSecretUntil.Equal(until) {
			t.Errorf("secret %q, old %q until %v", w.Secret, w.OldSecret, w.OldSecretUntil)
		}
	}
	want(o.set(with(&first)), first, "", time.Time{})
	want(o.set(enabled("a")), first, "", time.Time{})
	want(o.set(with(&second)), second, first, noon.Add(24*time.Hour))
	o.now = noon.Add(time.Hour)
	want(o.set(with(&second)), second, first, noon.Add(24*time.Hour))
	want(o.set(enabled("a")), second, first, noon.Add(24*time.Hour))
	want(o.set(with(nil)), "", "", time.Time{})
}

// Section 5: a paused webhook is resumed by the next set. The same URL that
// fails without being paused stays known as failing.
func TestSetResumes(t *testing.T) {
	o := newOffice(t)
	w := o.set(enabled("a"))
	w.FailingSince, w.Paused, w.Reason = noon, true, "failing"
	must(t, o.store.PutWebhook(t.Context(), w))
	if got := o.set(enabled("a")); got.Paused || got.Reason != "" || !got.FailingSince.IsZero() {
		t.Errorf("not resumed: %+v", got)
	}
	w.Paused, w.Reason = false, ""
	must(t, o.store.PutWebhook(t.Context(), w))
	if got := o.set(enabled("a")); !got.FailingSince.Equal(noon) {
		t.Errorf("failing since %v", got.FailingSince)
	}
	r := enabled("a")
	r.URL = new("https://b.example")
	if got := o.set(r); !got.FailingSince.IsZero() {
		t.Errorf("another receiver fails since %v", got.FailingSince)
	}
}

// Section 5, errors of the store: the texts, and the old hooks stay.
func TestWebhookNotStored(t *testing.T) {
	o := newOffice(t)
	o.set(enabled("a"))
	o.store.Fail(errors.New("disk full"))
	_, err := o.Set(t.Context(), sales, enabled("b"))
	wantFault(t, err, fault.New(fault.Internal, "Failed to save webhook configuration"))
	_, err = o.List(t.Context(), sales)
	wantFault(t, err, fault.New(fault.Internal, "Failed to get webhook configuration"))
	_, err = o.Get(t.Context(), sales, "a")
	wantFault(t, err, fault.New(fault.Internal, "Failed to get webhook configuration"))
	if len(o.hooks) != 1 {
		t.Errorf("hooks %v", o.hooks)
	}
	o.store.Fail(nil)
	_, err = o.Get(t.Context(), sales, "b")
	wantFault(t, err, fault.New(fault.NotFound, "Webhook not configured for this label"))
}

// hasty is a store whose caller goes away the moment that a webhook is stored.
type hasty struct {
	*webhooktest.Memory
	leave func()
}

func (h *hasty) PutWebhook(ctx context.Context, w webhook.Webhook) error {
	defer h.leave()
	return h.Memory.PutWebhook(ctx, w)
}

func (h *hasty) ListWebhooks(ctx context.Context, instanceID string) ([]webhook.Webhook, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return h.Memory.ListWebhooks(ctx, instanceID)
}

// A webhook that is stored is in force, even if whoever set it has gone, or the
// store cannot be read any more: else its events would be lost.
func TestStoredWebhookIsInForce(t *testing.T) {
	for name, fails := range map[string]func(*hasty, func()){
		"the caller goes": func(h *hasty, cancel func()) { h.leave = cancel },
		"the store fails": func(h *hasty, _ func()) { h.leave = func() { h.Fail(errors.New("disk broken")) } },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			h := &hasty{Memory: o.store}
			o.Service = webhook.NewService(h, o, o, webhook.ServiceOptions{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			fails(h, cancel)
			w, err := o.Set(ctx, sales, enabled("a"))
			must(t, err)
			if diff := cmp.Diff([]webhook.Hook{w.Hook()}, o.hooks); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// After the worker disabled a webhook its hook is withdrawn.
func TestReload(t *testing.T) {
	o := newOffice(t)
	w := o.set(enabled("a"))
	w.Enabled = false
	must(t, o.store.PutWebhook(t.Context(), w))
	must(t, o.Reload(t.Context(), sales))
	if len(o.hooks) != 0 {
		t.Errorf("hooks %v", o.hooks)
	}
}

// Section 5, byEvents: the event name is appended to the path.
func TestTarget(t *testing.T) {
	for url, want := range map[string]string{
		"https://a.example/wh":        "https://a.example/wh/message.exchange",
		"https://a.example/wh/":       "https://a.example/wh/message.exchange",
		"https://a.example":           "https://a.example/message.exchange",
		"https://a.example?k=/v":      "https://a.example/message.exchange?k=/v",
		"https://a.example/a%2Fb?k=v": "https://a.example/a%2Fb/message.exchange?k=v",
		"https://a.example/wh#part?":  "https://a.example/wh/message.exchange#part?",
	} {
		w := webhook.Webhook{URL: url, ByEvents: true}
		if got := w.Target(event.TypeMessage); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
		w.ByEvents = false
		if got := w.Target(event.TypeMessage); got != url {
			t.Errorf("%s without byEvents: %s", url, got)
		}
	}
}
