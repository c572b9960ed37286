package dispatch_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/webhook"
)

// told notes what followers are told.
type told struct {
	mu    sync.Mutex // guards the rest
	notes []string
}

func (f *told) note(parts ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes = append(f.notes, strings.Join(parts, " "))
}

func (f *told) followers() dispatch.Followers {
	return dispatch.Followers{
		Deliveries: func(ids []string) { f.note(append([]string{"deliveries"}, ids...)...) },
		Bodies:     func() { f.note("bodies") },
		Files:      func(instanceID string) { f.note("files", instanceID) },
	}
}

// want checks what was told since the last call.
func (f *told) want(t *testing.T, notes ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if diff := cmp.Diff(notes, f.notes, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("followers were told: %s", diff)
	}
	f.notes = nil
}

func hook(id string, base64 bool, events ...event.Type) webhook.Hook {
	return webhook.Hook{ID: id, Generation: 1, Filter: event.FilterOf(events), Base64: base64}
}

// hooks puts hooks in force.
func (d *desk) hooks(list ...webhook.Hook) {
	d.t.Helper()
	if err := d.ChangeHooks(sales, func() ([]webhook.Hook, error) { return list, nil }); err != nil {
		d.t.Fatal(err)
	}
}

// left lists the deliveries: webhook, sequence, and "waits".
func (d *desk) left() []string {
	list := []string{}
	for _, x := range d.store.Deliveries() {
		s := fmt.Sprint(x.WebhookID, " ", x.Sequence)
		if x.Waits {
			s += " waits"
		}
		list = append(list, s)
	}
	return list
}

// Section 5: an event leaves a delivery for each webhook whose filter allows it,
// and the worker is told of exactly those, once for a batch.
func TestDeliveriesByFilter(t *testing.T) {
	f := &told{}
	d := open(t, dispatch.Options{Followers: f.followers()})
	d.publish(state()) // no webhook yet
	f.want(t)
	d.hooks(hook("all", false), hook("messages", false, event.TypeMessage), hook("calls", false, event.TypeCall))
	d.publish(state())
	f.want(t, "deliveries all")
	d.publish(message("a", "1"), state(), message("a", "2"))
	f.want(t, "deliveries all messages")
	d.publish(message("a", "2"), dispatch.Item{}) // a repeat, and one that is only recorded
	f.want(t)
	want := []string{"all 2", "all 3", "messages 3", "all 4", "all 5", "messages 5"}
	if diff := cmp.Diff(want, d.left()); diff != "" {
		t.Error(diff)
	}
}

// Section 6: the body is the envelope, the same as on the WebSocket, also when
// nobody is connected.
func TestDeliveriesHoldTheEnvelope(t *testing.T) {
	d := open(t, dispatch.Options{IncludeToken: true})
	d.hooks(hook("all", false))
	d.read.setIdle(true)
	d.publish(message("a", "1"))
	e, o, err := event.ParseEnvelope([]byte(d.store.Deliveries()[0].Body))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(event.Origin{BaseURL: "https://api.example.com", Instance: "sales", Token: "the-token"}, o); diff != "" {
		t.Error(diff)
	}
	recorded := d.store.Recorded()[0]
	if e.ID != recorded.ID || e.Sequence != 1 || e.Data.(*event.Message).ID != "1" {
		t.Errorf("the body holds %+v, recorded was %+v", e, recorded)
	}
}

// Section 5: a body waits for its file only where a webhook wants base64 of a
// message that has one; only then is the filler told, and the worker is not: it
// would look for nothing, and look away for a while.
func TestBodiesThatWait(t *testing.T) {
	f := &told{}
	d := open(t, dispatch.Options{Followers: f.followers()})
	d.hooks(hook("plain", false), hook("base64", true), hook("calls", true, event.TypeCall))
	d.publish(message("a", "1"))
	f.want(t, "deliveries plain base64")
	d.publish(picture("a", "2"))
	f.want(t, "deliveries plain", "bodies")
	d.hooks(hook("plain", false), hook("calls", true, event.TypeCall))
	d.publish(picture("a", "3"))
	f.want(t, "deliveries plain")
	want := []string{"plain 1", "base64 1", "plain 2", "base64 2 waits", "plain 3"}
	if diff := cmp.Diff(want, d.left()); diff != "" {
		t.Error(diff)
	}
	if calls := d.files.Calls(); len(calls) != 0 {
		t.Errorf("fetched %q: that is the filler's work", calls)
	}
}

// What is not committed leaves nothing and nobody is told.
func TestFollowersOnlyAfterTheCommit(t *testing.T) {
	f := &told{}
	d := open(t, dispatch.Options{Followers: f.followers(), Links: bucket{}})
	d.hooks(hook("all", true))
	d.store.Fail(errors.New("disk full"))
	if err := d.Publish(t.Context(), sales, picture("a", "1")); err == nil {
		t.Error("no error")
	}
	f.want(t)
	d.store.Fail(nil)
	d.publish(picture("a", "1"))
	f.want(t, "bodies", "files "+sales)
}

// A change of the hooks falls between two events: exactly those after it are
// delivered to the new hook, whatever is published meanwhile.
func TestChangeHooksBetweenEvents(t *testing.T) {
	d := open(t, dispatch.Options{})
	d.publish(state(), state())
	d.hooks(hook("new", false))
	d.publish(state())
	d.hooks()
	d.publish(state())
	if diff := cmp.Diff([]string{"new 3"}, d.left()); diff != "" {
		t.Error(diff)
	}

	var publishers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		publishers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					d.publish(state(), state())
				}
			}
		})
	}
	want := []string{"new 3"}
	for i := range 20 {
		id := fmt.Sprint("hook", i)
		before := len(d.store.Recorded())
		eventually(t, "events without a hook", func() bool { return len(d.store.Recorded()) > before })
		var from, to int
		set := func(n *int, list ...webhook.Hook) {
			err := d.ChangeHooks(sales, func() ([]webhook.Hook, error) {
				*n = len(d.store.Recorded()) // the store's own transaction would see the same
				return list, nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		set(&from, hook(id, false))
		eventually(t, "events with a hook", func() bool { return len(d.store.Recorded()) > from })
		set(&to)
		for n := from + 1; n <= to; n++ {
			want = append(want, fmt.Sprint(id, " ", n))
		}
	}
	close(done)
	publishers.Wait()
	if diff := cmp.Diff(want, d.left()); diff != "" {
		t.Error(diff)
	}
}

// If the change fails, the hooks stay; an instance that is not open has none.
func TestChangeHooksFails(t *testing.T) {
	d := open(t, dispatch.Options{})
	d.hooks(hook("old", false))
	broken := errors.New("disk full")
	err := d.ChangeHooks(sales, func() ([]webhook.Hook, error) { return []webhook.Hook{hook("new", false)}, broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	d.publish(state())
	if diff := cmp.Diff([]string{"old 1"}, d.left()); diff != "" {
		t.Error(diff)
	}
	called := false
	err = d.ChangeHooks("unknown", func() ([]webhook.Hook, error) { called = true; return nil, nil })
	if !errors.Is(err, fault.InstanceNotFound()) || called {
		t.Errorf("unknown instance: %v, changed: %v", err, called)
	}
}

// Opening an instance puts its stored webhooks in force, those that are enabled,
// paused or not: while paused, events are still queued (section 5). Opening it
// again, as with a new token, leaves them.
func TestOpenReadsTheWebhooks(t *testing.T) {
	d := open(t, dispatch.Options{})
	store := d.store
	store.SetWebhooks(
		webhook.Webhook{ID: "on", Enabled: true, Generation: 7},
		webhook.Webhook{ID: "off"},
		webhook.Webhook{ID: "paused", Enabled: true, Paused: true},
	)
	again := dispatch.New(store, d.read, d.files, dispatch.Options{})
	for range 2 {
		if err := again.Open(t.Context(), dispatch.Origin{InstanceID: sales}); err != nil {
			t.Fatal(err)
		}
		store.SetWebhooks()
	}
	if err := again.Publish(t.Context(), sales, state()); err != nil {
		t.Fatal(err)
	}
	got := store.Deliveries()
	if len(got) != 2 || got[0].WebhookID != "on" || got[0].Generation != 7 || got[1].WebhookID != "paused" {
		t.Errorf("got %+v", got)
	}
}

// bucket links the files of one instance, but for those without a path.
type bucket struct{}

func (bucket) Link(instanceID string, key media.Key, ref media.Ref) (string, bool) {
	if instanceID != sales || ref.DirectPath == "" {
		return "", false
	}
	return "https://bucket.example.com/" + key.ChatKey + "/" + key.MessageID, true
}

// Section 7.1: s3Url only with S3 configured, then on every channel, from the
// start: nothing waits for the upload. The caller's payload is not changed.
func TestS3URL(t *testing.T) {
	f := &told{}
	d := open(t, dispatch.Options{Links: bucket{}, Followers: f.followers()})
	d.set(dispatch.WebSocket{Enabled: true, MediaBase64: true})
	d.hooks(hook("plain", false))
	linked, unlinked := picture("a", "1"), picture("b", "2")
	unlinked.Media.DirectPath = ""
	d.files.Finish("1", []byte("abc"), nil)
	d.files.Finish("", nil, errors.New("no path"))
	d.publish(linked, unlinked, message("c", "3"), state())
	d.publish(picture("a", "1")) // a repeat
	d.stopAfter(4)
	f.want(t, "deliveries plain", "files "+sales)
	const url = `"s3Url":"https://bucket.example.com/a/1"`
	for _, x := range d.store.Deliveries() {
		if strings.Contains(x.Body, "s3Url") != (x.Sequence == 1) || x.Sequence == 1 && !strings.Contains(x.Body, url) {
			t.Errorf("delivery of %d: %s", x.Sequence, x.Body)
		}
	}
	for _, e := range d.read.got {
		want := map[int64]string{1: "https://bucket.example.com/a/1"}[e.Meta.Sequence]
		if got := e.Data.Message.Media.S3URL; got != want {
			t.Errorf("frame of %d: %q, want %q", e.Meta.Sequence, got, want)
		}
	}
	if len(d.read.got) != 4 || linked.Data.(*event.Message).Body.Media.S3URL != "" {
		t.Errorf("%d frames; the payload became %+v", len(d.read.got), linked.Data.(*event.Message).Body.Media)
	}
	if kept := d.store.Kept(); !slices.Contains(kept, "1") {
		t.Errorf("kept %q", kept)
	}
}

// Without a bucket nothing is kept; a bucket needs no webhook.
func TestFilesAreKeptForABucketOnly(t *testing.T) {
	for name, links := range map[string]dispatch.Links{"none": nil, "bucket": bucket{}} {
		f := &told{}
		d := open(t, dispatch.Options{Links: links, Followers: f.followers()})
		d.publish(message("a", "1"))
		f.want(t)
		d.publish(picture("a", "2"))
		if links == nil {
			f.want(t)
		} else {
			f.want(t, "files "+sales)
		}
		if kept := d.store.Kept(); (len(kept) == 1) != (links != nil) {
			t.Errorf("%s: kept %q", name, kept)
		}
		if calls := d.files.Calls(); len(calls) != 0 {
			t.Errorf("%s: fetched %q before the event was out", name, calls)
		}
	}
}
