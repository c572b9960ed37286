package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/webhook"
)

var webhookTests = map[string]func(*testing.T, Store){
	"WebhooksAreListedByLabel":                testListWebhooks,
	"PutReplacesAWebhookWhole":                testPutWebhookWhole,
	"PutWebhookOfDeletedInstanceFails":        testPutWebhookOrphan,
	"EnabledPutMakesTheLineDue":               testPutMakesDue,
	"RaisedGenerationBuriesSomeAtOnce":        testGenerationBuries,
	"GenerationNeverFalls":                    testGenerationNeverFalls,
	"DeliveryOfAnOldGenerationIsBuried":       testStaleHook,
	"OldGenerationIsNotSentBeforeItIsBuried":  testOldGeneration,
	"LogIsPagedNewestFirst":                   testLogPages,
	"LogIsFiltered":                           testLogFilters,
	"RequeueMakesADeadDeliveryPendingAgain":   testRequeue,
	"RequeueLeavesPendingAndUnknownOnesAlone": testRequeueRefuses,
	"RequeueDeadTakesTheOldestFirst":          testRequeueDead,
	"DeletedInstanceTakesItsQueueAlong":       testQueueCascade,
}

const (
	owner   = "this worker"
	someone = "another worker"
	lease   = time.Minute
)

// receiver is an instance with webhooks, and the moment that its tests call
// now. The store's own clock is a little behind.
type receiver struct {
	t          testing.TB
	s          Store
	instanceID string
	hooks      []webhook.Hook
	recorded   int
	now        time.Time
}

func newReceiver(t testing.TB, s Store) *receiver {
	return &receiver{t: t, s: s, instanceID: one(t, s).ID, now: time.Now().Add(time.Second).Truncate(time.Millisecond).UTC()}
}

// add puts a webhook of that label in force. change adapts it first.
func (r *receiver) add(label string, change func(w *webhook.Webhook)) webhook.Webhook {
	r.t.Helper()
	w := webhook.Webhook{
		ID: newID(r.t), InstanceID: r.instanceID, Label: label, Enabled: true,
		URL: "https://a.example/" + label, Ordering: webhook.Strict, Events: []event.Type{},
	}
	if change != nil {
		change(&w)
	}
	must(r.t, r.s.PutWebhook(r.t.Context(), w))
	if w.Enabled {
		r.hooks = append(r.hooks, w.Hook())
	}
	return w
}

// outbox is that of the dispatcher, with short bodies.
func (r *receiver) outbox() dispatch.Outbox {
	return dispatch.Outbox{Hooks: r.hooks, Encode: func(dst []byte, e *event.Event) ([]byte, error) {
		return append(dst, bodyOf(e)...), nil
	}}
}

func bodyOf(e *event.Event) string { return fmt.Sprintf("body %d of %s", e.Sequence, e.ID) }

// record records items, each with an event.
func (r *receiver) record(items ...dispatch.Item) []*event.Event {
	r.t.Helper()
	events := make([]*event.Event, len(items))
	for i := range items {
		r.recorded++
		events[i] = &event.Event{ID: fmt.Sprintf("evt_%d", r.recorded), Timestamp: At, Data: items[i].Data}
	}
	must(r.t, r.s.Record(r.t.Context(), r.instanceID, items, events, r.outbox()))
	return events
}

// texts records n texts.
func (r *receiver) texts(n int) {
	r.t.Helper()
	items := make([]dispatch.Item, n)
	for i := range items {
		items[i], _ = TextItem(r.recorded + i)
	}
	r.record(items...)
}

// states records n events that are no messages.
func (r *receiver) states(n int) {
	r.t.Helper()
	items := make([]dispatch.Item, n)
	for i := range items {
		items[i].Data = &event.State{State: "connected"}
	}
	r.record(items...)
}

// claim claims all that is due, slow or not, and returns the labels.
func (r *receiver) claim(owner string, slow bool, now time.Time) []string {
	r.t.Helper()
	lines, err := r.s.Claim(r.t.Context(), owner, slow, now, now.Add(lease), 100)
	must(r.t, err)
	var labels []string
	for _, l := range lines {
		labels = append(labels, l.Webhook.Label)
	}
	return labels
}

func (r *receiver) wantClaim(what string, slow bool, now time.Time, want ...string) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.claim(owner, slow, now)); diff != "" {
		r.t.Errorf("%s: claimed (-want +got):\n%s", what, diff)
	}
}

func (r *receiver) load(w webhook.Webhook, now time.Time, skip ...string) webhook.Load {
	r.t.Helper()
	l, err := r.s.Load(r.t.Context(), w.ID, now, skip, 1000)
	must(r.t, err)
	return l
}

// sequences of the jobs, those of parked ones negative.
func sequences(jobs []webhook.Job) []int64 {
	var list []int64
	for _, j := range jobs {
		if j.Parked {
			list = append(list, -j.Sequence)
		} else {
			list = append(list, j.Sequence)
		}
	}
	return list
}

func (r *receiver) wantJobs(what string, w webhook.Webhook, now time.Time, want ...int64) []webhook.Job {
	r.t.Helper()
	jobs := r.load(w, now).Jobs
	if diff := cmp.Diff(want, sequences(jobs)); diff != "" {
		r.t.Errorf("%s: jobs (-want +got):\n%s", what, diff)
	}
	return jobs
}

func (r *receiver) settle(s webhook.Settlement) {
	r.t.Helper()
	must(r.t, r.s.Settle(r.t.Context(), owner, r.now, []webhook.Settlement{s}))
}

// release settles outcomes and gives the lease back.
func (r *receiver) release(w webhook.Webhook, outcomes ...webhook.Outcome) {
	r.t.Helper()
	r.settle(webhook.Settlement{WebhookID: w.ID, Revision: r.load(w, r.now).Revision, Outcomes: outcomes, Release: true})
}

func (r *receiver) wantDue(what string, want time.Time) {
	r.t.Helper()
	got, err := r.s.NextDue(r.t.Context())
	must(r.t, err)
	if !got.Equal(want) {
		r.t.Errorf("%s: due at %v, want %v", what, got, want)
	}
}

// wantDueNow wants a line that is due already.
func (r *receiver) wantDueNow(what string) {
	r.t.Helper()
	got, err := r.s.NextDue(r.t.Context())
	must(r.t, err)
	if got.IsZero() || got.After(r.now) {
		r.t.Errorf("%s: due at %v, now is %v", what, got, r.now)
	}
}

func (r *receiver) log(q webhook.Query) []webhook.Delivery {
	r.t.Helper()
	if q.Limit == 0 {
		q.Limit = 10_000
	}
	list, _, err := r.s.ListDeliveries(r.t.Context(), r.instanceID, q)
	must(r.t, err)
	return list
}

// wantStates compares how many deliveries are pending, delivered and dead.
func (r *receiver) wantStates(what string, pending, delivered, dead int) {
	r.t.Helper()
	got := map[webhook.State]int{}
	for _, d := range r.log(webhook.Query{}) {
		got[d.State]++
	}
	want := map[webhook.State]int{webhook.Pending: pending, webhook.Delivered: delivered, webhook.Dead: dead}
	for s, n := range want {
		if got[s] != n {
			r.t.Errorf("%s: %d are %s, want %d", what, got[s], s, n)
		}
	}
}

func delivered(j webhook.Job) webhook.Outcome {
	return webhook.Outcome{ID: j.ID, State: webhook.Delivered, Attempt: webhook.Attempt{At: At, Status: 200}}
}

func dead(j webhook.Job) webhook.Outcome {
	return webhook.Outcome{
		ID: j.ID, State: webhook.Dead, Reason: webhook.ReasonExhausted, Failures: 9,
		Attempt: webhook.Attempt{At: At, Status: 500, Answer: "no"},
	}
}

func failed(j webhook.Job, next time.Time, parked bool) webhook.Outcome {
	return webhook.Outcome{
		ID: j.ID, State: webhook.Pending, NextAttempt: next, Parked: parked,
		Failures: j.Failures + 1, EventFailures: j.EventFailures, FirstAttempt: At,
		Attempt: webhook.Attempt{At: At, Status: 503},
	}
}

// fullWebhook has something in every field.
func fullWebhook(w *webhook.Webhook) {
	authorization := "Bearer of the receiver"
	w.Authorization = &authorization
	w.ByEvents, w.MediaBase64 = true, true
	w.Events = []event.Type{event.TypeCall, event.TypeMessage}
	w.Secret, w.OldSecret, w.OldSecretUntil = "whsec_new", "whsec_old", At.Add(time.Hour)
	w.Headers = map[string]string{"X-Team": "sales"}
	w.Ordering = webhook.Relaxed
	w.Generation, w.Reason = 3, "answered 410"
	w.FailingSince = At
}

func testListWebhooks(t *testing.T, s Store) {
	r := newReceiver(t, s)
	b := r.add("b", fullWebhook)
	a := r.add("a", func(w *webhook.Webhook) { w.Enabled, w.Paused = false, true })
	got, err := s.ListWebhooks(t.Context(), r.instanceID)
	must(t, err)
	if diff := cmp.Diff([]webhook.Webhook{a, b}, got); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	other := NewInstance(t, s, NewAccount(t, s, "other").ID, "other")
	if got, err := s.ListWebhooks(t.Context(), other.ID); len(got) > 0 || err != nil {
		t.Errorf("of another instance: %v, %v", got, err)
	}
}

func testPutWebhookWhole(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", fullWebhook)
	w = webhook.Webhook{
		ID: w.ID, InstanceID: w.InstanceID, Label: "a", URL: "http://b.example", Enabled: true,
		Events: []event.Type{}, Ordering: webhook.Strict, Generation: 3,
	}
	must(t, s.PutWebhook(t.Context(), w))
	got, err := s.ListWebhooks(t.Context(), r.instanceID)
	must(t, err)
	if diff := cmp.Diff([]webhook.Webhook{w}, got); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func testPutWebhookOrphan(t *testing.T, s Store) {
	w := webhook.Webhook{ID: newID(t), InstanceID: newID(t), Label: "a", Ordering: webhook.Strict}
	if err := s.PutWebhook(t.Context(), w); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
}

// events.md 5: a paused webhook is resumed by the next set, and so is the wait
// for the next attempt.
func testPutMakesDue(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.wantDue("nothing is queued", time.Time{})
	r.texts(1)
	r.wantClaim("after an event", false, r.now, "a")
	job := r.wantJobs("the first attempt", w, r.now, 1)[0]
	r.settle(webhook.Settlement{
		WebhookID: w.ID, Outcomes: []webhook.Outcome{failed(job, r.now.Add(time.Hour), false)},
		Health: &webhook.Health{FailingSince: At, Paused: true, Reason: "down"}, Release: true,
	})
	r.wantDue("paused", time.Time{})
	r.texts(1)
	r.wantDue("an event for a paused one", time.Time{})
	w.Reason = "" // all that the service clears
	must(t, s.PutWebhook(t.Context(), w))
	r.wantDueNow("resumed")
	r.wantClaim("resumed", false, r.now, "a")
	r.wantJobs("resumed", w, r.now, 1, 2)
}

// A set that began before a 410 was settled must not revive what that buried.
func testGenerationNeverFalls(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", func(w *webhook.Webhook) { w.Generation = 3 })
	w.Generation = 2
	must(t, s.PutWebhook(t.Context(), w))
	list, err := s.ListWebhooks(t.Context(), w.InstanceID)
	must(t, err)
	if len(list) != 1 || list[0].Generation != 3 {
		t.Errorf("stored %+v, want generation 3", list)
	}
}

func testGenerationBuries(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.states(1200)
	w.Enabled, w.Generation = false, 1
	must(t, s.PutWebhook(t.Context(), w))
	r.wantStates("right after", 700, 0, 500)
	r.wantClaim("a disabled one has something to bury", false, r.now, "a")
	if jobs := r.load(w, r.now).Jobs; len(jobs) > 0 {
		t.Errorf("%d jobs of a disabled webhook", len(jobs))
	}
	more, err := s.Bury(t.Context(), w.ID, 600)
	must(t, err)
	if !more {
		t.Error("nothing more to bury after 600 of 700")
	}
	if more, err = s.Bury(t.Context(), w.ID, 600); more || err != nil {
		t.Errorf("after all: more %v, %v", more, err)
	}
	r.wantStates("after the burial", 0, 0, 1200)
	for _, d := range r.log(webhook.Query{Limit: 3}) {
		if d.Reason != webhook.ReasonDisabled {
			t.Errorf("reason %q", d.Reason)
		}
	}
	r.release(w)
	r.wantDue("with nothing left", time.Time{})
}

// A webhook may be disabled by its receiver while the dispatcher still knows it
// as enabled, or be enabled again before all is buried.
func testStaleHook(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	w.Enabled, w.Generation = false, 1
	must(t, s.PutWebhook(t.Context(), w))
	r.texts(1) // by the hook of before
	r.wantClaim("something to bury", false, r.now, "a")
	r.release(w)
	r.wantStates("a release buries too", 0, 0, 1)
	r.texts(1)
	w.Enabled = true
	must(t, s.PutWebhook(t.Context(), w))
	r.hooks = []webhook.Hook{w.Hook()}
	r.texts(1)
	r.wantClaim("enabled again", false, r.now, "a")
	r.wantJobs("only the new generation", w, r.now, 3)
	r.wantStates("the rest is buried", 1, 0, 2)
}

// events.md 5: what waited when a webhook was disabled is dead, even if it is
// enabled again before all of that is buried.
func testOldGeneration(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.states(1200)
	w.Enabled, w.Generation = false, 1
	must(t, s.PutWebhook(t.Context(), w))
	r.wantClaim("something to bury", false, r.now, "a")
	w.Enabled = true
	must(t, s.PutWebhook(t.Context(), w))
	r.hooks = []webhook.Hook{w.Hook()}
	r.states(1)
	r.wantStates("not all is buried", 201, 0, 1000)
	r.wantJobs("only the new generation", w, r.now, 1201)
}

// events.md 5: newest first, page by page. What is recorded between two pages
// is on none of those that follow, and moves nothing to another page.
func testLogPages(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.states(7)
	r.claim(owner, false, r.now)
	var ends []webhook.Outcome
	for _, j := range r.load(w, r.now).Jobs {
		ends = append(ends, dead(j))
	}
	r.settle(webhook.Settlement{WebhookID: w.ID, Outcomes: ends})
	for _, state := range []webhook.State{webhook.Dead, ""} {
		var got []int64
		q := webhook.Query{Limit: 3, State: state}
		newest := int64(r.recorded)
		for page := 0; page == 0 || len(got) == 3*page; page++ {
			for _, d := range r.log(q) {
				got = append(got, d.Sequence)
				q.Before = d.ID
			}
			r.states(1)
		}
		if state == webhook.Dead {
			newest = 7
		}
		var want []int64
		for n := newest; n > 0; n-- {
			want = append(want, n)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("state %q: sequences (-want +got):\n%s", state, diff)
		}
	}
}

func testLogFilters(t *testing.T, s Store) {
	r := newReceiver(t, s)
	a := r.add("a", nil)
	r.add("b", nil)
	r.texts(2)
	r.states(1)
	r.claim(owner, false, r.now)
	jobs := r.load(a, r.now).Jobs
	r.settle(webhook.Settlement{WebhookID: a.ID, Outcomes: []webhook.Outcome{delivered(jobs[0]), dead(jobs[1])}})
	for _, tc := range []struct {
		q    webhook.Query
		want string
	}{
		{webhook.Query{}, "b3 a3 b2 a2 b1 a1"},
		{webhook.Query{Label: "a"}, "a3 a2 a1"},
		{webhook.Query{Label: "unknown"}, ""},
		{webhook.Query{State: webhook.Dead}, "a2"},
		{webhook.Query{State: webhook.Dead, Label: "b"}, ""},
		{webhook.Query{State: webhook.Dead, Event: event.TypeState}, ""},
		{webhook.Query{State: webhook.Delivered}, "a1"},
		{webhook.Query{State: webhook.Pending, Label: "a"}, "a3"},
		{webhook.Query{Event: event.TypeState}, "b3 a3"},
		{webhook.Query{Event: event.TypeState, Label: "b", State: webhook.Pending}, "b3"},
	} {
		var got []string
		for _, d := range r.log(tc.q) {
			got = append(got, fmt.Sprint(d.Label, d.Sequence))
		}
		if got := strings.Join(got, " "); got != tc.want {
			t.Errorf("%+v: %s, want %s", tc.q, got, tc.want)
		}
	}
	want := []webhook.Delivery{{
		ID: jobs[1].ID, WebhookID: a.ID, Label: "a", Event: event.TypeMessage, EventID: "evt_2", Sequence: 2,
		State: webhook.Dead, Reason: webhook.ReasonExhausted, CreatedAt: At,
		Attempts: []webhook.Attempt{{At: At, Status: 500, Answer: "no"}},
	}}
	if diff := cmp.Diff(want, r.log(webhook.Query{State: webhook.Dead})); diff != "" {
		t.Errorf("the dead one (-want +got):\n%s", diff)
	}
}

func testRequeue(t *testing.T, s Store) {
	for _, end := range []func(webhook.Job) webhook.Outcome{dead, delivered} {
		r := &receiver{t: t, s: s, now: time.Now().Add(time.Second)}
		r.instanceID = NewInstance(t, s, NewAccount(t, s, newID(t)).ID, newID(t)).ID
		w := r.add("a", nil)
		r.texts(2)
		r.claim(owner, false, r.now)
		job := r.load(w, r.now).Jobs[0]
		outcome := end(job)
		r.release(w, failed(job, r.now, false))
		r.claim(owner, false, r.now)
		r.release(w, outcome, delivered(r.load(w, r.now).Jobs[1]))
		state, webhookID, found, err := s.Requeue(t.Context(), r.instanceID, job.ID, r.now)
		must(t, err)
		if state != outcome.State || webhookID != w.ID || !found {
			t.Errorf("answer: %s, %s, %v", state, webhookID, found)
		}
		r.wantClaim("the line is due", false, r.now, "a")
		got := r.wantJobs("it is parked", w, r.now, -1)
		if got[0].Failures != 0 || got[0].EventFailures != 0 || !got[0].FirstAttempt.IsZero() {
			t.Errorf("the schedule goes on: %+v", got[0])
		}
		r.release(w, delivered(got[0]))
		log := r.log(webhook.Query{})[1]
		if len(log.Attempts) != 3 || log.State != webhook.Delivered || log.Reason != "" {
			t.Errorf("in the log: %+v", log)
		}
	}
}

func testRequeueRefuses(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.texts(1)
	r.claim(owner, false, r.now)
	job := r.load(w, r.now).Jobs[0]
	state, _, found, err := s.Requeue(t.Context(), r.instanceID, job.ID, r.now)
	if state != webhook.Pending || !found || err != nil {
		t.Errorf("pending: %s, %v, %v", state, found, err)
	}
	r.wantJobs("it stays in line", w, r.now, 1)
	if _, _, found, err := s.Requeue(t.Context(), newID(t), job.ID, r.now); found || err != nil {
		t.Errorf("of another instance: %v, %v", found, err)
	}
	if _, _, found, err := s.Requeue(t.Context(), r.instanceID, newID(t), r.now); found || err != nil {
		t.Errorf("unknown: %v, %v", found, err)
	}
	r.release(w, dead(job))
	w.Enabled, w.Generation = false, 1
	must(t, s.PutWebhook(t.Context(), w))
	state, webhookID, found, err := s.Requeue(t.Context(), r.instanceID, job.ID, r.now)
	if state != webhook.Dead || webhookID != w.ID || !found || err != nil {
		t.Errorf("of a disabled webhook: %s, %s, %v, %v", state, webhookID, found, err)
	}
	n, err := s.RequeueDead(t.Context(), w.ID, r.now, 10)
	if n != 0 || err != nil {
		t.Errorf("all of a disabled webhook: %d, %v", n, err)
	}
	r.wantStates("of a disabled webhook", 0, 0, 1)
	w.Enabled = true
	must(t, s.PutWebhook(t.Context(), w))
	if _, _, _, err = s.Requeue(t.Context(), r.instanceID, job.ID, r.now); err != nil {
		t.Error(err)
	}
	r.wantJobs("of its webhook's generation", w, r.now, -1)
}

func testRequeueDead(t *testing.T, s Store) {
	r := newReceiver(t, s)
	a, b := r.add("a", nil), r.add("b", nil)
	r.texts(5)
	r.claim(owner, false, r.now)
	for _, w := range []webhook.Webhook{a, b} {
		var outcomes []webhook.Outcome
		for _, j := range r.load(w, r.now).Jobs {
			outcomes = append(outcomes, dead(j))
		}
		r.release(w, outcomes...)
	}
	for i, want := range []int{3, 2, 0} {
		n, err := s.RequeueDead(t.Context(), a.ID, r.now, 3)
		must(t, err)
		if n != want {
			t.Errorf("call %d queued %d, want %d", i, n, want)
		}
		if i == 0 {
			r.wantJobs("the oldest", a, r.now, -1, -2, -3)
		}
	}
	r.wantClaim("the line is due", false, r.now, "a")
	for _, j := range r.wantJobs("all", a, r.now, -1, -2, -3, -4, -5) {
		if j.Failures != 0 || j.EventFailures != 0 || !j.FirstAttempt.IsZero() {
			t.Errorf("the schedule goes on: %+v", j)
		}
	}
	r.wantJobs("of the other webhook", b, r.now)
	if n, err := s.RequeueDead(t.Context(), newID(t), r.now, 3); n != 0 || err != nil {
		t.Errorf("unknown webhook: %d, %v", n, err)
	}
}

func testQueueCascade(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", func(w *webhook.Webhook) { w.MediaBase64 = true })
	r.texts(2)
	body := r.load(w, r.now).Jobs[0].BodyID
	r.record(photo(10, "1"))
	list, err := s.ListUnfilled(t.Context(), "", 10)
	must(t, err)
	r.record(photo(11, "1"))
	must(t, s.DeleteInstance(t.Context(), r.instanceID))
	if got, err := s.ListWebhooks(t.Context(), r.instanceID); len(got) > 0 || err != nil {
		t.Errorf("webhooks: %v, %v", got, err)
	}
	if got := r.log(webhook.Query{}); len(got) > 0 {
		t.Errorf("%d deliveries", len(got))
	}
	if left, err := s.ListUnfilled(t.Context(), "", 10); len(left) > 0 || err != nil {
		t.Errorf("unfilled: %v, %v", left, err)
	}
	if rc, err := s.OpenBody(t.Context(), body); err == nil {
		t.Error("the body is still there", rc.Close())
	}
	ids, err := s.Fill(t.Context(), list[0].BodyID, 3, strings.NewReader("abc"))
	if len(ids) > 0 || err != nil {
		t.Errorf("fill: %v, %v", ids, err)
	}
	r.wantDue("after it", time.Time{})
	if got, err := s.Load(t.Context(), w.ID, r.now, nil, 10); len(got.Jobs) > 0 || got.Webhook.Enabled || err != nil {
		t.Errorf("load: %+v, %v", got, err)
	}
}
