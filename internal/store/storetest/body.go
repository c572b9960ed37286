package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/webhook"
)

var bodyTests = map[string]func(*testing.T, Store){
	"BodyIsThatOfTheEncoder":              testBodies,
	"LongBodyIsReadApart":                 testLongBody,
	"UnfilledBodySaysWhatItWaitsFor":      testUnfilled,
	"UnfilledBodiesArePaged":              testUnfilledPages,
	"OthersDoNotWaitForAFile":             testNoWaiting,
	"OnlyWhoHasSomethingToDoIsDue":        testDue,
	"FillLetsGoInOrder":                   testFillOrder,
	"FillOutOfOrderWaits":                 testFillOutOfOrder,
	"ChatThatLearnsItsNumberStaysInOrder": testFillLearnedNumber,
	"SecondFillIsLeftAlone":               testFillTwice,
	"InterruptedFillIsRepeated":           testFillInterrupted,
	"FillOfAWrongSizeFails":               testFillSize,
	"FillOfADeadDeliveryLetsOthersGo":     testFillDead,
}

// inChat is a message of a chat, with its LID if that has one.
func inChat(n int, chat string) dispatch.Item {
	item, _ := TextItem(n)
	jid, _, _ := strings.Cut(chat, "/")
	body := &event.Message{ID: item.Message.ID}
	if jid != "" {
		body.Body.Chat.JID = &jid
	}
	if _, lid, ok := strings.Cut(chat, "/"); ok {
		body.Body.Chat.LID = &lid
	}
	item.Data = body
	return item
}

// photo is a message with a file, in a chat.
func photo(n int, chat string) dispatch.Item {
	item := inChat(n, chat)
	item.Data.(*event.Message).Body.Media = &event.Media{Type: "image"}
	item.Media = &media.Ref{Kind: "image", URL: "https://mmg.example/" + item.Message.ID, Key: []byte("key"), Size: 10}
	return item
}

// receipt is a message.status of a chat.
func receipt(chat string) dispatch.Item {
	return dispatch.Item{Data: &event.Status{Status: "read", Chat: event.Chat{Address: event.Address{JID: &chat}}}}
}

func base64Hook(w *webhook.Webhook) { w.MediaBase64 = true }

func (r *receiver) read(bodyID string) string {
	r.t.Helper()
	rc, err := r.s.OpenBody(r.t.Context(), bodyID)
	must(r.t, err)
	b, err := io.ReadAll(rc)
	must(r.t, errors.Join(err, rc.Close()))
	return string(b)
}

// unfilled returns the bodies that wait, oldest first.
func (r *receiver) unfilled() []webhook.Unfilled {
	r.t.Helper()
	list, err := r.s.ListUnfilled(r.t.Context(), "", 1000)
	must(r.t, err)
	return list
}

func (r *receiver) fill(u webhook.Unfilled, want ...string) {
	r.t.Helper()
	body := "filled " + u.Message.MessageID
	ids, err := r.s.Fill(r.t.Context(), u.BodyID, int64(len(body)), strings.NewReader(body))
	must(r.t, err)
	if diff := cmp.Diff(want, ids, cmpopts.EquateEmpty()); diff != "" {
		r.t.Errorf("fill of %s: lines that became due (-want +got):\n%s", u.Message.MessageID, diff)
	}
}

func testBodies(t *testing.T, s Store) {
	r := newReceiver(t, s)
	a, b := r.add("a", nil), r.add("b", base64Hook)
	item, _ := TextItem(1)
	e := r.record(item)[0]
	first, second := r.load(a, r.now).Jobs[0], r.load(b, r.now).Jobs[0]
	if first.BodyID != second.BodyID {
		t.Error("two hooks of one variant have a body each")
	}
	want := webhook.Job{
		EventID: e.ID, Event: event.TypeMessage, Sequence: 1,
		BodyID: first.BodyID, BodySize: int64(len(bodyOf(e))), Body: []byte(bodyOf(e)),
	}
	if diff := cmp.Diff(want, first, cmpopts.IgnoreFields(webhook.Job{}, "ID")); diff != "" {
		t.Errorf("job (-want +got):\n%s", diff)
	}
	if first.ID == second.ID || len(first.ID) != 36 || first.ID[14] != '7' {
		t.Errorf("IDs %s and %s", first.ID, second.ID)
	}
	if got := r.read(first.BodyID); got != bodyOf(e) {
		t.Errorf("opened: %q", got)
	}
}

func testLongBody(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	item, e := TextItem(1)
	for _, size := range []int{webhook.InlineBody, webhook.InlineBody + 1, 600_000} {
		long := strings.Repeat("x", size-1) + "."
		out := dispatch.Outbox{Hooks: r.hooks, Encode: func(dst []byte, _ *event.Event) ([]byte, error) {
			return append(dst, long...), nil
		}}
		item.Message = nil
		must(t, s.Record(t.Context(), r.instanceID, []dispatch.Item{item}, []*event.Event{e}, out))
		jobs := r.load(w, r.now).Jobs
		job := jobs[len(jobs)-1]
		if inline := size <= webhook.InlineBody; inline != (len(job.Body) == size) || !inline && len(job.Body) > 0 || job.BodySize != int64(size) {
			t.Errorf("body of %d bytes: %d came along, size %d", size, len(job.Body), job.BodySize)
		}
		if got := r.read(job.BodyID); got != long {
			t.Errorf("body of %d bytes: read %d", size, len(got))
		}
	}
	if _, err := s.OpenBody(t.Context(), r.instanceID+"/"+newID(t)); err == nil {
		t.Error("a body that is not there could be opened")
	}
}

func testUnfilled(t *testing.T, s Store) {
	r := newReceiver(t, s)
	r.add("a", base64Hook)
	r.add("b", base64Hook)
	item := photo(1, "1")
	e := r.record(item)[0]
	want := []webhook.Unfilled{{
		InstanceID: r.instanceID, Ref: *item.Media, Plain: []byte(bodyOf(e)), CreatedAt: At,
		Message: media.Key{ChatKey: item.Message.ChatKey, SenderKey: item.Message.SenderKey, MessageID: item.Message.ID},
	}}
	got := r.unfilled()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(webhook.Unfilled{}, "BodyID")); diff != "" {
		t.Errorf("unfilled (-want +got):\n%s", diff)
	}
	if rc, err := s.OpenBody(t.Context(), got[0].BodyID); err == nil {
		t.Error("it can be opened", rc.Close())
	}
}

func testUnfilledPages(t *testing.T, s Store) {
	r := newReceiver(t, s)
	r.add("a", base64Hook)
	for n := range 5 {
		r.record(photo(n, "1"))
	}
	var got []string
	after := ""
	for {
		list, err := s.ListUnfilled(t.Context(), after, 2)
		must(t, err)
		if len(list) == 0 {
			break
		}
		for _, u := range list {
			got = append(got, u.Message.MessageID)
			after = u.BodyID
		}
	}
	if diff := cmp.Diff([]string{"MSG0", "MSG1", "MSG2", "MSG3", "MSG4"}, got); diff != "" {
		t.Errorf("oldest first (-want +got):\n%s", diff)
	}
}

// events.md 4 and 5: while a message waits for its file, only messages and
// receipts of its chat wait behind it, for webhooks that want base64.
func testNoWaiting(t *testing.T, s Store) {
	r := newReceiver(t, s)
	with, without := r.add("with", base64Hook), r.add("without", nil)
	r.record(photo(1, "1"))
	r.wantClaim("one waits, one does not", false, r.now, "without")
	r.record(inChat(2, "1"), inChat(3, "2"), receipt("1"), receipt("2"))
	r.states(1)
	r.wantJobs("with base64", with, r.now, 3, 5, 6)
	r.wantJobs("without", without, r.now, 1, 2, 3, 4, 5, 6)
	if got := string(r.load(without, r.now).Jobs[0].Body); got != "body 1 of evt_1" {
		t.Errorf("without base64 the body is %q", got)
	}
}

func testDue(t *testing.T, s Store) {
	r := newReceiver(t, s)
	with, without := r.add("with", base64Hook), r.add("without", nil)
	r.add("other", func(w *webhook.Webhook) { w.Events = []event.Type{event.TypeCall} })
	for _, tc := range []struct {
		what string
		item dispatch.Item
		want []string
	}{
		{"a file", photo(1, "1"), []string{without.ID}},
		{"a text behind it", inChat(2, "1"), []string{without.ID}},
		{"a text elsewhere", inChat(3, "2"), []string{with.ID, without.ID}},
		{"a repeat", inChat(3, "2"), nil},
	} {
		var due []string
		out := r.outbox()
		out.Due = func(webhookIDs []string) { due = append(due, webhookIDs...) }
		events := []*event.Event{{ID: "evt", Timestamp: At, Data: tc.item.Data}}
		must(t, s.Record(t.Context(), r.instanceID, []dispatch.Item{tc.item}, events, out))
		if diff := cmp.Diff(tc.want, due); diff != "" {
			t.Errorf("%s: due (-want +got):\n%s", tc.what, diff)
		}
	}
}

func testFillOrder(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", base64Hook)
	r.record(photo(1, "1"), inChat(2, "1"), receipt("1"), photo(4, "1"), inChat(5, "1"), photo(6, "2"))
	r.wantDue("all wait", time.Time{})
	list := r.unfilled()
	r.fill(list[0], w.ID)
	r.wantClaim("the line is due", false, r.now, "a")
	jobs := r.wantJobs("up to the next that waits", w, r.now, 1, 2, 3)
	if got := string(jobs[0].Body); got != "filled MSG1" || jobs[0].BodySize != int64(len(got)) {
		t.Errorf("the body is %q, size %d", got, jobs[0].BodySize)
	}
	r.fill(list[1], w.ID)
	r.wantJobs("the rest of the chat", w, r.now, 1, 2, 3, 4, 5)
	r.fill(list[2], w.ID)
	r.wantJobs("the other chat", w, r.now, 1, 2, 3, 4, 5, 6)
	r.record(inChat(7, "1"))
	r.wantJobs("what comes later does not wait", w, r.now, 1, 2, 3, 4, 5, 6, 7)
}

func testFillOutOfOrder(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", base64Hook)
	r.record(photo(1, "1"), photo(2, "1"), inChat(3, "1"))
	list := r.unfilled()
	r.fill(list[1])
	r.wantJobs("the first still waits", w, r.now)
	r.fill(list[0], w.ID)
	r.wantJobs("both", w, r.now, 1, 2, 3)
}

func testFillLearnedNumber(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", base64Hook)
	r.record(photo(1, "/9@lid"), inChat(2, "1/9@lid"), photo(3, "1/9@lid"), inChat(4, "1/9@lid"))
	r.wantJobs("all wait", w, r.now)
	list := r.unfilled()
	r.fill(list[0], w.ID)
	r.wantJobs("up to the next file", w, r.now, 1, 2)
	r.fill(list[1], w.ID)
	r.wantJobs("the rest", w, r.now, 1, 2, 3, 4)
}

func testFillTwice(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", base64Hook)
	r.record(photo(1, "1"))
	u := r.unfilled()[0]
	r.fill(u, w.ID)
	for _, size := range []int{3, webhook.InlineBody + 1} {
		ids, err := s.Fill(t.Context(), u.BodyID, int64(size), strings.NewReader(strings.Repeat("x", size)))
		if len(ids) > 0 || err != nil {
			t.Errorf("%d bytes: %v, %v", size, ids, err)
		}
	}
	if got := r.read(u.BodyID); got != "filled MSG1" {
		t.Errorf("the body is %.20q", got)
	}
	ids, err := s.Fill(t.Context(), r.instanceID+"/"+newID(t), 3, strings.NewReader("abc"))
	if len(ids) > 0 || err != nil {
		t.Errorf("a body that is not there: %v, %v", ids, err)
	}
	if list := r.unfilled(); len(list) > 0 {
		t.Errorf("%d still wait", len(list))
	}
}

func testFillInterrupted(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", base64Hook)
	r.record(photo(1, "1"))
	u := r.unfilled()[0]
	broken := errors.New("the file ends here")
	half := io.MultiReader(strings.NewReader(strings.Repeat("y", 700_000)), iotest.ErrReader(broken))
	if _, err := s.Fill(t.Context(), u.BodyID, 1_000_000, half); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	r.wantJobs("it still waits", w, r.now)
	full := bytes.Repeat([]byte("0123456789"), 50_000)
	ids, err := s.Fill(t.Context(), u.BodyID, int64(len(full)), bytes.NewReader(full))
	must(t, err)
	if diff := cmp.Diff([]string{w.ID}, ids); diff != "" {
		t.Error(diff)
	}
	job := r.wantJobs("filled", w, r.now, 1)[0]
	if len(job.Body) > 0 || job.BodySize != int64(len(full)) {
		t.Errorf("%d bytes came along, size %d", len(job.Body), job.BodySize)
	}
	for range 2 { // an attempt and its repeat
		if got := r.read(u.BodyID); got != string(full) {
			t.Errorf("read %d bytes, want %d", len(got), len(full))
		}
	}
}

func testFillSize(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", base64Hook)
	r.record(photo(1, "1"))
	u := r.unfilled()[0]
	for _, size := range []int64{10, webhook.InlineBody + 10, 600_000} {
		for _, actual := range []int64{size - 1, size + 1} {
			_, err := s.Fill(t.Context(), u.BodyID, size, io.LimitReader(zeros{}, actual))
			if err == nil {
				t.Errorf("%d bytes instead of %d", actual, size)
			}
		}
	}
	r.wantJobs("it still waits", w, r.now)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A delivery may die while it waits. Its body is filled all the same, and then
// those behind it go on; it can be sent again later.
func testFillDead(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", base64Hook)
	r.record(photo(1, "1"), inChat(2, "1"))
	w.Generation++
	must(t, s.PutWebhook(t.Context(), w))
	r.hooks = []webhook.Hook{w.Hook()}
	r.record(inChat(3, "1"))
	r.wantJobs("what is dead holds nobody up", w, r.now, 3)
	first := r.log(webhook.Query{State: webhook.Dead})[1]
	if first.Sequence != 1 {
		t.Fatalf("dead: %+v", first)
	}
	_, _, _, err := s.Requeue(t.Context(), r.instanceID, first.ID, r.now)
	must(t, err)
	r.wantJobs("queued again it waits for its body", w, r.now, 3)
	r.fill(r.unfilled()[0], w.ID)
	jobs := r.wantJobs("filled", w, r.now, -1, 3)
	if got := string(jobs[0].Body); got != "filled MSG1" {
		t.Errorf("the body is %q", got)
	}
	second := r.log(webhook.Query{State: webhook.Dead})[0]
	_, _, _, err = s.Requeue(t.Context(), r.instanceID, second.ID, r.now)
	must(t, err)
	r.wantJobs(fmt.Sprint("sequence ", second.Sequence), w, r.now, -1, -2, 3)
}
