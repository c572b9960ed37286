package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/webhook"
)

var queueTests = map[string]func(*testing.T, Store){
	"EachAllowingHookGetsADelivery":   testHooks,
	"FailedRecordLeavesNoDelivery":    testFailedOutbox,
	"DroppedItemLeavesNoDelivery":     testDroppedOutbox,
	"ClaimTakesTheLongestDueFirst":    testClaimOrder,
	"ClaimTakesNoLeasedOrPausedLine":  testClaimRefuses,
	"FailingWebhooksAreClaimedAsSlow": testClaimSlow,
	"EndedLeaseIsClaimedByAnother":    testLeaseEnds,
	"RenewTellsWhatIsLost":            testRenew,
	"ReleaseAllEndsTheLeasesOfOne":    testReleaseAll,
	"ClockSetBackStallsNothing":       testClockSetBack,
	"LoadGivesParkedThenTheLine":      testLoadOrder,
	"LoadStopsAtWhatIsNotDue":         testLoadStops,
	"LoadLeavesOutWhatIsSkipped":      testLoadSkips,
	"LoadSaysWhenThereIsMore":         testLoadNext,
	"SettleOfAnotherOwnerIsDropped":   testSettleElsewhere,
	"SettleChangesPendingOnesOnly":    testSettleTwice,
	"SettleKeepsTheNewestAttempts":    testAttempts,
	"SettleNotesHealth":               testHealth,
	"GoneDisablesTheWebhook":          testGone,
	"SetIsNotUndoneByAnOldAttempt":    testSettleStale,
	"ReleaseSeesWhatCameMeanwhile":    testReleaseMeanwhile,
	"HeldLineIsNotWokenByEvents":      testHeldLine,
	"ParkedOnesDoNotHoldTheLine":      testParkedWakes,
	"NoWakeupIsLost":                  testNoLostWakeup,
}

// A set that is stored while an attempt of the old configuration is still to be
// settled is not undone by it: neither disabled nor paused, and nothing dies.
func testSettleStale(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.states(3)
	r.wantClaim("due", false, r.now, "a")
	load := r.load(w, r.now)
	w.URL = "https://b.example"
	must(t, s.PutWebhook(t.Context(), w))
	r.settle(webhook.Settlement{
		WebhookID: w.ID, Revision: load.Revision, Health: &webhook.Health{Disabled: true, Reason: "gone"},
		Outcomes: []webhook.Outcome{
			{ID: load.Jobs[0].ID, State: webhook.Delivered, Attempt: webhook.Attempt{Status: 200}},
			{ID: load.Jobs[1].ID, State: webhook.Dead, Reason: webhook.ReasonDisabled, Attempt: webhook.Attempt{Status: 410}},
		},
	})
	list, err := s.ListWebhooks(t.Context(), r.instanceID)
	must(t, err)
	if diff := cmp.Diff([]webhook.Webhook{w}, list, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the webhook changed (-want +got):\n%s", diff)
	}
	r.wantJobs("what failed before", w, r.now, 2, 3)
	r.wantStates("only the success counts", 2, 1, 0)
	if next := r.load(w, r.now); next.Revision <= load.Revision {
		t.Errorf("revision %d after %d", next.Revision, load.Revision)
	}
}

func testHooks(t *testing.T, s Store) {
	r := newReceiver(t, s)
	all := r.add("all", nil)
	calls := r.add("calls", func(w *webhook.Webhook) { w.Events = []event.Type{event.TypeCall, event.TypeState} })
	r.add("off", func(w *webhook.Webhook) { w.Enabled = false })
	r.texts(1)
	r.states(1)
	r.wantJobs("all", all, r.now, 1, 2)
	r.wantJobs("calls", calls, r.now, 2)
	r.wantStates("in the log", 3, 0, 0)
	r.wantClaim("both are due", false, r.now, "all", "calls")
}

// testFailedOutbox has the second of two events fail after the first was written.
func testFailedOutbox(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	first, second := dispatch.Item{Data: &event.State{}}, dispatch.Item{Data: &event.Call{}}
	events := []*event.Event{{ID: "evt_1", Data: first.Data}, {ID: "evt_2", Data: second.Data}}
	out := r.outbox()
	encode := out.Encode
	out.Encode = func(dst []byte, e *event.Event) ([]byte, error) {
		if e.ID == "evt_2" {
			panic("the encoder gives up")
		}
		return encode(dst, e)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("recorded")
			}
		}()
		_ = s.Record(t.Context(), r.instanceID, []dispatch.Item{first, second}, events, out)
	}()
	r.wantJobs("after a failure", w, r.now)
	r.wantDue("after a failure", time.Time{})
	r.states(1)
	if jobs := r.wantJobs("the next event", w, r.now, 1); len(jobs) == 1 && string(jobs[0].Body) != "body 1 of evt_1" {
		t.Errorf("its body is %q", jobs[0].Body)
	}
}

func testDroppedOutbox(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	item, _ := TextItem(1)
	silent, _ := TextItem(2)
	silent.Data = nil
	other, _ := TextItem(3)
	items := []dispatch.Item{item, item, silent, other}
	events := []*event.Event{{ID: "evt_1", Data: item.Data}, {ID: "evt_2", Data: item.Data}, nil, {ID: "evt_3", Data: other.Data}}
	must(t, s.Record(t.Context(), r.instanceID, items, events, r.outbox()))
	jobs := r.wantJobs("a repeat and a silent one between two", w, r.now, 1, 2)
	if got := string(jobs[1].Body); got != "body 2 of evt_3" {
		t.Errorf("body %q", got)
	}
}

func testClaimOrder(t *testing.T, s Store) {
	r := newReceiver(t, s)
	var hooks []webhook.Webhook
	for i, label := range []string{"c", "b", "a"} {
		w := r.add(label, nil)
		hooks = append(hooks, w)
		r.hooks = r.hooks[i:][:1]
		r.texts(1)
		r.wantClaim("claim "+label, false, r.now, label)
		job := r.load(w, r.now).Jobs[0]
		r.release(w, failed(job, r.now.Add(time.Duration(i+1)*time.Minute), false))
		r.hooks = append([]webhook.Hook{}, hooksOf(hooks)...)
	}
	r.wantDue("the first", r.now.Add(time.Minute))
	r.wantClaim("before", false, r.now.Add(time.Minute-time.Millisecond))
	lines, err := s.Claim(t.Context(), owner, false, r.now.Add(3*time.Minute), r.now.Add(time.Hour), 2)
	must(t, err)
	if len(lines) != 2 || lines[0].Webhook.Label != "c" || lines[1].Webhook.Label != "b" {
		t.Errorf("claimed %+v", lines)
	}
	if diff := cmp.Diff(hooks[0], lines[0].Webhook); diff != "" {
		t.Errorf("webhook (-want +got):\n%s", diff)
	}
	r.wantClaim("the rest", false, r.now.Add(3*time.Minute), "a")
}

func hooksOf(list []webhook.Webhook) []webhook.Hook {
	hooks := make([]webhook.Hook, len(list))
	for i := range list {
		hooks[i] = list[i].Hook()
	}
	return hooks
}

func testClaimRefuses(t *testing.T, s Store) {
	r := newReceiver(t, s)
	r.add("a", nil)
	paused := r.add("paused", func(w *webhook.Webhook) { w.Paused = true })
	off := r.add("off", nil)
	off.Enabled, off.Generation = false, 1
	must(t, s.PutWebhook(t.Context(), off))
	r.hooks = r.hooks[:2]
	r.wantClaim("nothing is queued", false, r.now)
	r.texts(1)
	r.wantClaim("paused ones queue only", false, r.now, "a")
	r.wantClaim("leased already", false, r.now)
	if jobs := r.load(paused, r.now).Jobs; len(jobs) > 0 {
		t.Errorf("%d jobs of a paused webhook", len(jobs))
	}
	r.wantStates("both queue", 2, 0, 0)
}

func testClaimSlow(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.add("b", nil)
	r.texts(2)
	r.wantClaim("none fails", true, r.now)
	r.wantClaim("none fails", false, r.now, "a", "b")
	r.settle(webhook.Settlement{WebhookID: w.ID, Health: &webhook.Health{FailingSince: At}, Release: true})
	r.wantClaim("it fails", false, r.now)
	r.wantClaim("it fails", true, r.now, "a")
	if got := r.load(w, r.now).Webhook.FailingSince; !got.Equal(At) {
		t.Errorf("failing since %v", got)
	}
	r.settle(webhook.Settlement{WebhookID: w.ID, Health: &webhook.Health{}, Release: true})
	r.wantClaim("it is well again", true, r.now)
	r.wantClaim("it is well again", false, r.now, "a")
}

func testLeaseEnds(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.texts(1)
	r.wantClaim("due", false, r.now, "a")
	r.wantDue("at the end of the lease", r.now.Add(lease))
	r.texts(1)
	r.wantDue("events do not change that", r.now.Add(lease))
	later := r.now.Add(lease)
	if got := r.claim(someone, false, later.Add(-time.Millisecond)); len(got) > 0 {
		t.Errorf("claimed within the lease of another: %v", got)
	}
	if got := r.claim(someone, false, later); len(got) != 1 {
		t.Fatalf("the lease has ended: claimed %v", got)
	}
	job := r.load(w, r.now).Jobs[0]
	r.settle(webhook.Settlement{
		WebhookID: w.ID, Outcomes: []webhook.Outcome{delivered(job)}, Health: &webhook.Health{Paused: true}, Release: true,
	})
	r.wantJobs("what the old owner says is dropped", w, r.now, 1, 2)
	if got := r.claim("a third", false, later); len(got) > 0 {
		t.Error("the old owner gave the lease of the new one back")
	}
}

func testRenew(t *testing.T, s Store) {
	r := newReceiver(t, s)
	a, b := r.add("a", nil), r.add("b", nil)
	r.texts(1)
	r.wantClaim("due", false, r.now, "a", "b")
	until := r.now.Add(2 * lease)
	lost, err := s.Renew(t.Context(), owner, []string{a.ID}, until)
	must(t, err)
	if len(lost) > 0 {
		t.Errorf("lost %v", lost)
	}
	if got := r.claim(someone, false, r.now.Add(lease)); !slices.Equal(got, []string{"b"}) {
		t.Errorf("another claimed %v", got)
	}
	unknown := newID(t)
	lost, err = s.Renew(t.Context(), owner, []string{a.ID, b.ID, unknown}, until)
	must(t, err)
	if diff := cmp.Diff([]string{b.ID, unknown}, lost); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
}

func testReleaseAll(t *testing.T, s Store) {
	r := newReceiver(t, s)
	r.add("a", nil)
	r.add("b", nil)
	r.texts(1)
	lines, err := s.Claim(t.Context(), someone, false, r.now, r.now.Add(lease), 1)
	must(t, err)
	other := lines[0].Webhook.Label
	mine := r.claim(owner, false, r.now)
	must(t, s.ReleaseAll(t.Context(), owner))
	r.wantClaim("only those of the owner", false, r.now, mine...)
	if slices.Contains(mine, other) {
		t.Errorf("%s was claimed twice", other)
	}
}

// The clock was set back while the process was down: what is due is due.
func testClockSetBack(t *testing.T, s Store) {
	r := newReceiver(t, s)
	held, parked, waits := r.add("held", nil), r.add("parked", nil), r.add("waits", nil)
	r.texts(1)
	r.claim(owner, false, r.now)
	now := r.now
	r.now = now.Add(100 * 24 * time.Hour)
	r.release(held, failed(r.load(held, r.now).Jobs[0], r.now.Add(time.Minute), false))
	r.release(parked, failed(r.load(parked, r.now).Jobs[0], r.now.Add(time.Minute), true))
	r.now = now
	soon := now.Add(time.Hour)
	// One whose last attempt lies in the past waits for its time.
	must(t, s.Settle(t.Context(), owner, now.Add(-time.Minute), []webhook.Settlement{{
		WebhookID: waits.ID, Release: true, Outcomes: []webhook.Outcome{failed(r.load(waits, now).Jobs[0], soon, false)},
	}}))
	must(t, s.ReleaseAll(t.Context(), owner))
	r.wantClaim("all are looked at", false, now, "held", "parked", "waits")
	r.wantJobs("held", held, now, 1)
	r.wantJobs("parked", parked, now, -1)
	r.wantJobs("waits", waits, now)
	r.release(waits)
	if got := r.load(waits, now).Next; !got.Equal(soon) {
		t.Errorf("the one that waits is due at %v, want %v", got, soon)
	}
}

// parkedReceiver has a line 1 … 5 of which 2 and 4 are parked: 4 due before 2.
func parkedReceiver(t *testing.T, s Store) (*receiver, webhook.Webhook) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.texts(5)
	r.wantClaim("due", false, r.now, "a")
	jobs := r.load(w, r.now).Jobs
	r.settle(webhook.Settlement{WebhookID: w.ID, Outcomes: []webhook.Outcome{
		failed(jobs[1], r.now.Add(2*time.Minute), true), failed(jobs[3], r.now.Add(time.Minute), true),
	}})
	return r, w
}

func testLoadOrder(t *testing.T, s Store) {
	r, w := parkedReceiver(t, s)
	r.wantJobs("none of the parked is due", w, r.now, 1, 3, 5)
	r.wantJobs("one is due", w, r.now.Add(time.Minute), -4, 1, 3, 5)
	jobs := r.wantJobs("both are due", w, r.now.Add(time.Hour), -4, -2, 1, 3, 5)
	if j := jobs[0]; j.Failures != 1 || !j.FirstAttempt.Equal(At) {
		t.Errorf("the parked one: %+v", j)
	}
}

func testLoadStops(t *testing.T, s Store) {
	r, w := parkedReceiver(t, s)
	job := r.load(w, r.now).Jobs[0]
	next := r.now.Add(30 * time.Second)
	o := failed(job, next, false)
	o.EventFailures = 1
	r.settle(webhook.Settlement{WebhookID: w.ID, Outcomes: []webhook.Outcome{o}})
	r.wantJobs("the first is not due", w, r.now)
	if got := r.load(w, r.now).Next; !got.Equal(next) {
		t.Errorf("next at %v, want %v", got, next)
	}
	jobs := r.wantJobs("it is due", w, next, 1, 3, 5)
	if jobs[0].Failures != 1 || jobs[0].EventFailures != 1 {
		t.Errorf("%+v", jobs[0])
	}
}

func testLoadSkips(t *testing.T, s Store) {
	r, w := parkedReceiver(t, s)
	later := r.now.Add(time.Hour)
	jobs := r.load(w, later).Jobs
	got := r.load(w, later, jobs[0].ID, jobs[3].ID).Jobs
	if diff := cmp.Diff([]int64{-2, 1, 5}, sequences(got)); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	l, err := s.Load(t.Context(), w.ID, later, []string{jobs[0].ID, jobs[1].ID}, 2)
	must(t, err)
	if diff := cmp.Diff([]int64{1, 3}, sequences(l.Jobs)); diff != "" {
		t.Errorf("two jobs (-want +got):\n%s", diff)
	}
}

func testLoadNext(t *testing.T, s Store) {
	r, w := parkedReceiver(t, s)
	now, minute := r.now, time.Minute
	for _, tc := range []struct {
		at    time.Time
		limit int
		jobs  int
		next  time.Time
	}{
		{now, 1, 1, now},
		{now, 2, 2, now},
		{now, 3, 3, now.Add(minute)},
		{now, 4, 3, now.Add(minute)},
		{now.Add(minute), 1, 1, now.Add(minute)},
		{now.Add(minute), 4, 4, now.Add(2 * minute)},
		{now.Add(2 * minute), 1, 1, now.Add(2 * minute)},
		{now.Add(2 * minute), 2, 2, now.Add(2 * minute)},
		{now.Add(2 * minute), 4, 4, now.Add(2 * minute)},
		{now.Add(2 * minute), 5, 5, time.Time{}},
	} {
		l, err := s.Load(t.Context(), w.ID, tc.at, nil, tc.limit)
		must(t, err)
		if len(l.Jobs) != tc.jobs || !l.Next.Equal(tc.next) {
			t.Errorf("after %v, at most %d: %v, next at %v, want %d and %v",
				tc.at.Sub(now), tc.limit, sequences(l.Jobs), l.Next, tc.jobs, tc.next)
		}
	}
}

func testSettleElsewhere(t *testing.T, s Store) {
	r := newReceiver(t, s)
	a, b := r.add("a", nil), r.add("b", nil)
	r.texts(1)
	ja, jb := r.load(a, r.now).Jobs[0], r.load(b, r.now).Jobs[0]
	lines, err := s.Claim(t.Context(), owner, false, r.now, r.now.Add(lease), 1)
	must(t, err)
	mine, other, my, their := a, b, ja, jb
	if lines[0].Webhook.ID == b.ID {
		mine, other, my, their = b, a, jb, ja
	}
	must(t, s.Settle(t.Context(), owner, r.now, []webhook.Settlement{
		{WebhookID: other.ID, Outcomes: []webhook.Outcome{delivered(their)}, Health: &webhook.Health{Disabled: true}},
		{WebhookID: newID(t), Outcomes: []webhook.Outcome{delivered(their)}, Release: true},
		{WebhookID: mine.ID, Outcomes: []webhook.Outcome{delivered(their), delivered(my)}, Release: true},
	}))
	r.wantJobs("not leased", other, r.now, 1)
	r.wantJobs("leased", mine, r.now)
}

func testSettleTwice(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.texts(2)
	r.claim(owner, false, r.now)
	jobs := r.load(w, r.now).Jobs
	r.settle(webhook.Settlement{WebhookID: w.ID, Outcomes: []webhook.Outcome{delivered(jobs[0]), dead(jobs[1])}})
	before := r.log(webhook.Query{})
	r.settle(webhook.Settlement{WebhookID: w.ID, Outcomes: []webhook.Outcome{
		dead(jobs[0]), failed(jobs[1], r.now, false), failed(jobs[0], r.now, true), delivered(jobs[1]),
	}})
	if diff := cmp.Diff(before, r.log(webhook.Query{})); diff != "" {
		t.Errorf("what has ended changed (-before +after):\n%s", diff)
	}
	r.wantJobs("nothing is left", w, r.now)
}

func testAttempts(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.texts(1)
	r.claim(owner, false, r.now)
	var want []webhook.Attempt
	for n := range webhook.KeptAttempts + 5 {
		o := failed(r.load(w, r.now).Jobs[0], r.now, n%2 == 1)
		o.Attempt = webhook.Attempt{
			At: At.Add(time.Duration(n) * time.Second), Duration: time.Duration(n) * time.Millisecond,
			Status: n, Error: fmt.Sprint("error ", n), Answer: fmt.Sprint("answer ", n),
		}
		r.settle(webhook.Settlement{WebhookID: w.ID, Outcomes: []webhook.Outcome{o}})
		want = append(want, o.Attempt)
	}
	got := r.log(webhook.Query{})[0]
	if diff := cmp.Diff(want[5:], got.Attempts); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	if !got.NextAttemptAt.Equal(r.now) {
		t.Errorf("next attempt at %v, want %v", got.NextAttemptAt, r.now)
	}
}

func testHealth(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.texts(1)
	r.claim(owner, false, r.now)
	for _, h := range []*webhook.Health{
		{FailingSince: At},
		nil,
		{FailingSince: At.Add(time.Hour), Paused: true, Reason: "fails since an hour"},
		{},
	} {
		r.settle(webhook.Settlement{WebhookID: w.ID, Health: h})
		if h != nil {
			w.FailingSince, w.Paused, w.Reason = h.FailingSince, h.Paused, h.Reason
		}
		list, err := s.ListWebhooks(t.Context(), r.instanceID)
		must(t, err)
		if diff := cmp.Diff([]webhook.Webhook{w}, list); diff != "" {
			t.Errorf("after %+v (-want +got):\n%s", h, diff)
		}
	}
}

// events.md 5: 410 disables the webhook. Its configuration stays readable.
func testGone(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", fullWebhook)
	w.Paused, w.FailingSince, w.Events = false, time.Time{}, []event.Type{}
	must(t, s.PutWebhook(t.Context(), w))
	r.hooks = []webhook.Hook{w.Hook()}
	r.texts(3)
	r.claim(owner, false, r.now)
	load := r.load(w, r.now)
	o := dead(load.Jobs[0])
	o.Reason = webhook.ReasonDisabled
	r.settle(webhook.Settlement{
		WebhookID: w.ID, Revision: load.Revision, Outcomes: []webhook.Outcome{o},
		Health: &webhook.Health{Disabled: true, Reason: "answered 410"}, Release: true,
	})
	r.wantStates("all pending ones die", 0, 0, 3)
	w.Enabled, w.Reason = false, "answered 410"
	w.Generation++
	list, err := s.ListWebhooks(t.Context(), r.instanceID)
	must(t, err)
	if diff := cmp.Diff([]webhook.Webhook{w}, list); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	r.wantDue("with nothing left", time.Time{})
}

func testReleaseMeanwhile(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.texts(1)
	r.wantClaim("due", false, r.now, "a")
	job := r.load(w, r.now).Jobs[0]
	r.texts(1) // the line is leased, its owner has looked
	r.release(w, delivered(job))
	r.wantClaim("what came meanwhile is due", false, r.now, "a")
	r.release(w, delivered(r.wantJobs("it", w, r.now, 2)[0]))
	r.wantDue("nothing is left", time.Time{})
	r.texts(1)
	r.wantClaim("what came after", false, r.now, "a")
}

// A line whose first waits for its next attempt has nothing to do with further
// events, however many come.
func testHeldLine(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.texts(2)
	r.claim(owner, false, r.now)
	jobs := r.load(w, r.now).Jobs
	next := r.now.Add(time.Minute)
	r.release(w, failed(jobs[0], next, false))
	r.wantDue("held", next)
	r.texts(1)
	r.wantDue("an event behind it", next)
	r.wantClaim("its time has come", false, next, "a")
	r.now = next
	r.release(w, delivered(jobs[0]))
	r.wantDueNow("the rest")
}

func testParkedWakes(t *testing.T, s Store) {
	r := newReceiver(t, s)
	w := r.add("a", nil)
	r.texts(1)
	r.claim(owner, false, r.now)
	next := r.now.Add(time.Hour)
	r.release(w, failed(r.load(w, r.now).Jobs[0], next, true))
	r.wantDue("parked", next)
	r.texts(1)
	r.wantClaim("an event overtakes it", false, r.now, "a")
	r.release(w, delivered(r.wantJobs("it", w, r.now, 2)[0]))
	r.wantDue("the parked one is left", next)
}

// testNoLostWakeup records while a worker claims, delivers and releases, each
// as fast as it can. In the end there is nothing that nobody would look at.
func testNoLostWakeup(t *testing.T, s Store) {
	const events = 300
	r := newReceiver(t, s)
	w := r.add("a", nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range events {
			e := &event.Event{ID: "evt", Timestamp: At, Data: &event.State{}}
			err := s.Record(t.Context(), r.instanceID, []dispatch.Item{{Data: e.Data}}, []*event.Event{e}, r.outbox())
			if err != nil {
				t.Error(err)
			}
		}
	})
	work := func() {
		now := time.Now()
		if len(r.claim(owner, false, now)) == 0 {
			return
		}
		var outcomes []webhook.Outcome
		for _, j := range r.load(w, now).Jobs {
			outcomes = append(outcomes, delivered(j))
		}
		must(t, s.Settle(t.Context(), owner, now, []webhook.Settlement{{WebhookID: w.ID, Outcomes: outcomes, Release: true}}))
	}
	recorded := make(chan struct{})
	go func() {
		wg.Wait()
		close(recorded)
	}()
	for busy := true; busy; {
		select {
		case <-recorded:
			busy = false
		default:
		}
		work()
	}
	r.wantDue("in the end", time.Time{})
	r.wantStates("in the end", 0, events, 0)
}
