package webhook_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/webhook"
)

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

const span = 20*time.Hour + 42*time.Minute + 35*time.Second // the sum of the schedule

// Section 5, delivery: each sentence about the schedule, the order and dead
// deliveries. Random 0.5 is no jitter.
func TestPolicy(t *testing.T) {
	const sec, min, hour = time.Second, time.Minute, time.Hour
	type want struct {
		state  webhook.State
		reason string
		wait   time.Duration
		parked bool
	}
	holds := func(wait time.Duration) want { return want{state: webhook.Pending, wait: wait} }
	parks := func(wait time.Duration) want { return want{state: webhook.Pending, wait: wait, parked: true} }
	refused := errors.New("connection refused")
	// One more failure that is about the event would park it.
	refusedTwice := webhook.Job{Failures: 2, EventFailures: 2}
	for name, tc := range map[string]struct {
		ordering webhook.Ordering
		job      webhook.Job
		status   int
		err      error
		ours     bool
		after    time.Duration // Retry-After
		since    time.Duration // the first attempt
		random   float64
		want     want
	}{
		"success is any 2xx":             {status: 299, want: want{state: webhook.Delivered}},
		"no connection holds":            {err: refused, job: refusedTwice, want: holds(2 * min)},
		"503 holds":                      {status: 503, job: refusedTwice, want: holds(2 * min)},
		"jitter, least":                  {err: refused, random: -0.5, want: holds(4 * sec)},
		"jitter, most":                   {err: refused, random: 0.5, want: holds(6 * sec)},
		"second step":                    {status: 503, job: webhook.Job{Failures: 1}, want: holds(30 * sec)},
		"third step":                     {status: 503, job: webhook.Job{Failures: 2}, want: holds(2 * min)},
		"held: at least every 2 min":     {status: 503, job: webhook.Job{Failures: 7}, want: holds(2 * min)},
		"3xx holds":                      {status: 302, job: refusedTwice, want: holds(2 * min)},
		"408 holds":                      {status: 408, job: refusedTwice, want: holds(2 * min)},
		"425 holds":                      {status: 425, job: refusedTwice, want: holds(2 * min)},
		"429 holds":                      {status: 429, job: refusedTwice, want: holds(2 * min)},
		"502 holds":                      {status: 502, job: refusedTwice, want: holds(2 * min)},
		"504 holds":                      {status: 504, job: refusedTwice, want: holds(2 * min)},
		"Retry-After of 429":             {status: 429, after: sec, want: holds(sec)},
		"Retry-After of 503":             {status: 503, after: 10 * min, want: holds(10 * min)},
		"Retry-After up to 1 h":          {status: 503, after: 5 * hour, want: holds(hour)},
		"Retry-After of others":          {status: 502, after: 5 * hour, want: holds(5 * sec)},
		"Retry-After shortens no parked": {status: 429, after: sec, job: webhook.Job{Parked: true, Failures: 3}, want: parks(10 * min)},
		"Retry-After prolongs a parked":  {status: 429, after: hour, job: webhook.Job{Parked: true, Failures: 3}, want: parks(hour)},
		"about the event, first":         {status: 400, want: holds(5 * sec)},
		"about the event, second":        {status: 500, job: webhook.Job{Failures: 1, EventFailures: 1}, want: holds(30 * sec)},
		"about the event, third":         {status: 404, job: webhook.Job{Failures: 2, EventFailures: 2}, want: parks(2 * min)},
		"about the event after a night":  {status: 500, job: webhook.Job{Failures: 20}, want: holds(2 * min)},
		"odd status":                     {status: 799, job: webhook.Job{Failures: 2, EventFailures: 2}, want: parks(2 * min)},
		"only its own failures count":    {status: 500, job: webhook.Job{Failures: 5, EventFailures: 1}, want: holds(2 * min)},
		"parked: plain schedule":         {status: 503, job: webhook.Job{Parked: true, Failures: 7}, want: parks(12 * hour)},
		"parked: last step repeats":      {status: 503, job: webhook.Job{Parked: true, Failures: 11}, want: parks(12 * hour)},
		"relaxed parks at once":          {ordering: webhook.Relaxed, err: refused, want: parks(5 * sec)},
		"unreadable body":                {err: errors.New("unreadable"), ours: true, job: webhook.Job{Failures: 2, EventFailures: 2}, want: parks(2 * min)},
		"nine failures are not enough":   {status: 503, job: webhook.Job{Failures: 8}, since: span - 1, want: holds(2 * min)},
		"the span is not enough":         {status: 503, job: webhook.Job{Failures: 7}, since: span, want: holds(2 * min)},
		"nine failures and the span":     {status: 503, job: webhook.Job{Failures: 8}, since: span, want: want{state: webhook.Dead, reason: "schedule exhausted"}},
		"parked dies as well":            {status: 400, job: webhook.Job{Parked: true, Failures: 8}, since: span, want: want{state: webhook.Dead, reason: "schedule exhausted", parked: true}},
		"410":                            {status: 410, want: want{state: webhook.Dead, reason: "disabled"}},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.ordering == "" {
				tc.ordering = webhook.Strict
			}
			r := webhook.Result{
				Response: webhook.Response{Status: tc.status, RetryAfter: tc.after}, Err: tc.err, Ours: tc.ours,
				Now: noon, SinceFirst: tc.since, Random: 0.5 + tc.random,
			}
			o, _ := webhook.DefaultPolicy().Judge(&webhook.Webhook{Ordering: tc.ordering}, &tc.job, r)
			got := want{state: o.State, reason: o.Reason, parked: o.Parked}
			if !o.NextAttempt.IsZero() {
				got.wait = o.NextAttempt.Sub(noon)
			}
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// Section 5: nine attempts in 20 h 42 min, and 35 s that the contract leaves out.
func TestDefaultSchedule(t *testing.T) {
	sum := time.Duration(0)
	steps := webhook.DefaultPolicy().Schedule
	for _, step := range steps {
		sum += step
	}
	if len(steps) != 8 || sum != span {
		t.Errorf("%d steps, %v", len(steps), sum)
	}
}

// Section 5, failing and pausing: what an attempt says about the webhook.
func TestHealth(t *testing.T) {
	const days = 24 * time.Hour
	failing := noon.Add(-5 * days)
	paused := &webhook.Health{FailingSince: failing, Paused: true, Reason: "every attempt has failed since 2026-08-27T12:00:00Z"}
	for name, tc := range map[string]struct {
		since  time.Time
		failed time.Duration
		result webhook.Result
		want   *webhook.Health
	}{
		"success":                  {result: webhook.Result{Response: webhook.Response{Status: 200}}},
		"success after a failure":  {since: failing, result: webhook.Result{Response: webhook.Response{Status: 200}}, want: &webhook.Health{}},
		"first failure":            {result: webhook.Result{Response: webhook.Response{Status: 400}}, want: &webhook.Health{FailingSince: noon}},
		"one more":                 {since: failing, failed: 5*days - 1, result: webhook.Result{Response: webhook.Response{Status: 502}}},
		"five days":                {since: failing, failed: 5 * days, result: webhook.Result{Response: webhook.Response{Status: 502}}, want: paused},
		"410":                      {since: failing, result: webhook.Result{Response: webhook.Response{Status: 410}}, want: &webhook.Health{Disabled: true, Reason: "the receiver answered 410 Gone"}},
		"not the receiver's fault": {result: webhook.Result{Err: errors.New("x"), Ours: true}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.result.Now, tc.result.SinceFailing = noon, tc.failed
			_, got := webhook.DefaultPolicy().Judge(&webhook.Webhook{FailingSince: tc.since}, &webhook.Job{}, tc.result)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The outcome counts on from the job; the log keeps what was answered, at most
// 1 KiB of it, and valid UTF-8.
func TestOutcome(t *testing.T) {
	first := noon.Add(-time.Hour)
	answer := append([]byte("no\xff"), make([]byte, 2000)...)
	o, _ := webhook.DefaultPolicy().Judge(
		&webhook.Webhook{Ordering: webhook.Strict},
		&webhook.Job{ID: "d1", Failures: 4, EventFailures: 1, FirstAttempt: first},
		webhook.Result{Response: webhook.Response{Status: 500, Answer: answer}, At: first, Took: time.Second, Now: noon, Random: 0.5},
	)
	want := webhook.Outcome{
		ID: "d1", State: webhook.Pending, NextAttempt: noon.Add(2 * time.Minute), Failures: 5, EventFailures: 2, FirstAttempt: first,
		Attempt: webhook.Attempt{At: first, Duration: time.Second, Status: 500, Answer: "no?" + string(make([]byte, 1021))},
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Error(diff)
	}
}
