package receiver

import (
	"errors"
	"net/http"
	"time"
)

// Plan says how to answer. Status, Answer, RetryAfter, Stall and Reset say what
// an answer is like: every answer, unless FailFirst or FailEvery say which ones;
// the others are then 200 "ok".
type Plan struct {
	Status     int           // 0: 200, or 503 with FailFirst, FailEvery or RetryAfter
	Answer     string        // "": "ok", or the status in words
	RetryAfter int           // seconds; 0: no such header
	Stall      time.Duration // before anything else happens
	Reset      bool          // reset the connection instead
	FailFirst  int           // the first so many attempts
	FailEvery  int           // every so-manieth attempt
}

func (p *Plan) check() error {
	switch {
	case p.Status != 0 && (p.Status < 200 || p.Status > 599):
		return errors.New("status: must be from 200 to 599")
	case p.RetryAfter < 0:
		return errors.New("retry-after: must not be negative")
	case p.Stall < 0:
		return errors.New("stall: must not be negative")
	case p.FailFirst < 0:
		return errors.New("fail-first: must not be negative")
	case p.FailEvery < 0:
		return errors.New("fail-every: must not be negative")
	}
	return nil
}

// reply is one answer.
type reply struct {
	status     int
	text       string
	retryAfter int
	stall      time.Duration
	reset      bool
}

// good reports whether the sender will take it for a success.
func (r *reply) good() bool { return !r.reset && r.status/100 == 2 }

// reply returns the answer to attempt n, counted from 1.
func (p *Plan) reply(n int) reply {
	some := p.FailFirst > 0 || p.FailEvery > 0
	if some && n > p.FailFirst && (p.FailEvery == 0 || n%p.FailEvery != 0) {
		return reply{status: http.StatusOK, text: "ok"}
	}
	r := reply{status: p.Status, text: p.Answer, retryAfter: p.RetryAfter, stall: p.Stall, reset: p.Reset}
	if r.status == 0 {
		r.status = http.StatusOK
		if some || p.RetryAfter > 0 {
			r.status = http.StatusServiceUnavailable
		}
	}
	if r.text == "" {
		r.text = words(r.status)
	}
	return r
}

func words(status int) string {
	if status == http.StatusOK {
		return "ok"
	}
	return http.StatusText(status)
}
