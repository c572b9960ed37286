package webhook

import (
	"strings"
	"time"
)

// Policy says what follows from an attempt. It is pure: the time, the answer
// and the dice are given.
type Policy struct {
	Schedule   []time.Duration // waits between attempts; the last one repeats
	PauseAfter time.Duration   // of failing
}

// DefaultPolicy is the contract's: nine attempts over 20 h 42 min, a pause
// after five days.
func DefaultPolicy() Policy {
	return Policy{
		Schedule: []time.Duration{
			5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute,
			30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour,
		},
		PauseAfter: 5 * 24 * time.Hour,
	}
}

const (
	maxHold       = 2 * time.Minute // between attempts while the line is held
	maxRetryAfter = time.Hour
	jitter        = 0.2
	parkAfter     = 3 // failures that are about the event
)

// Result is how an attempt ended: with an answer, or with Err.
type Result struct {
	Response
	Err error
	// Ours says that the attempt failed for a reason of our own, which tells
	// nothing about the receiver: it counts as being about the event.
	Ours bool
	At   time.Time // when it began, for the log
	Took time.Duration

	Now          time.Time     // what NextAttempt counts from
	SinceFirst   time.Duration // since the first failed attempt of the delivery, 0 before
	SinceFailing time.Duration // since the webhook's FailingSince, 0 without
	Random       float64       // in [0, 1)
}

type verdict int

const (
	success      verdict = iota
	receiverDown         // says nothing about the event: holds the line
	eventRefused         // about this event
	receiverGone
)

func (r *Result) verdict() verdict {
	switch {
	case r.Ours:
		return eventRefused
	case r.Err != nil:
		return receiverDown
	case r.Status >= 200 && r.Status < 300:
		return success
	case r.Status >= 300 && r.Status < 400:
		return receiverDown
	}
	switch r.Status {
	case 408, 425, 429, 502, 503, 504:
		return receiverDown
	case 410:
		return receiverGone
	}
	return eventRefused
}

// Judge returns what an attempt of j changes about the delivery, and what it
// changes about the webhook; nil if nothing.
func (p Policy) Judge(w *Webhook, j *Job, r Result) (Outcome, *Health) {
	o := Outcome{
		ID: j.ID, Parked: j.Parked, Failures: j.Failures, EventFailures: j.EventFailures,
		FirstAttempt: j.FirstAttempt, Attempt: r.attempt(),
	}
	switch r.verdict() {
	case success:
		o.State = Delivered
		if w.FailingSince.IsZero() {
			return o, nil
		}
		return o, &Health{}
	case receiverGone:
		o.State, o.Reason = Dead, ReasonDisabled
		return o, &Health{Disabled: true, Reason: "the receiver answered 410 Gone"}
	}
	p.fail(&o, w, &r)
	if r.Ours {
		return o, nil
	}
	return o, p.failing(w, &r)
}

// fail counts a failure and says when the next attempt comes, or that there is
// none.
func (p Policy) fail(o *Outcome, w *Webhook, r *Result) {
	o.Failures++
	if r.verdict() == eventRefused {
		o.EventFailures++
	}
	if o.FirstAttempt.IsZero() {
		o.FirstAttempt = r.Now
	}
	if o.Failures > len(p.Schedule) && r.SinceFirst >= p.span() {
		o.State, o.Reason = Dead, ReasonExhausted
		return
	}
	o.State = Pending
	o.Parked = o.Parked || w.Ordering == Relaxed || o.EventFailures >= parkAfter
	o.NextAttempt = r.Now.Add(p.wait(o, r))
}

// span is how long the whole schedule takes.
func (p Policy) span() time.Duration {
	var sum time.Duration
	for _, step := range p.Schedule {
		sum += step
	}
	return sum
}

func (p Policy) wait(o *Outcome, r *Result) time.Duration {
	step := p.Schedule[min(o.Failures, len(p.Schedule))-1]
	wait := time.Duration(float64(step) * (1 - jitter + 2*jitter*r.Random))
	asked := time.Duration(0)
	if r.Err == nil && (r.Status == 429 || r.Status == 503) {
		asked = min(r.RetryAfter, maxRetryAfter)
	}
	switch {
	case o.Parked: // an eager receiver does not shorten what nobody waits for
		return max(wait, asked)
	case asked > 0:
		return asked
	}
	return min(wait, maxHold)
}

// failing returns the health after a failed attempt, nil if it stays.
func (p Policy) failing(w *Webhook, r *Result) *Health {
	switch {
	case w.FailingSince.IsZero():
		return &Health{FailingSince: r.Now}
	case r.SinceFailing >= p.PauseAfter:
		return &Health{
			FailingSince: w.FailingSince, Paused: true,
			Reason: "every attempt has failed since " + w.FailingSince.UTC().Format(time.RFC3339),
		}
	}
	return nil
}

// attempt is the line of the log.
func (r *Result) attempt() Attempt {
	a := Attempt{At: r.At, Duration: r.Took, Status: r.Status}
	if r.Err != nil {
		return Attempt{At: r.At, Duration: r.Took, Error: r.Err.Error()}
	}
	a.Answer = strings.ToValidUTF8(string(r.Answer[:min(len(r.Answer), AnswerKept)]), "?")
	return a
}
