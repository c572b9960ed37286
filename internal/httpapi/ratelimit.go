package httpapi

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	rateWindow = time.Minute
	// maxWindows bounds what a limiter remembers: about 10 MB. Over it the
	// oldest windows are forgotten, so that a flood of addresses costs accuracy
	// and not memory.
	maxWindows = 1 << 16
)

// limiter counts requests by key in windows that begin with a key's first
// request. A nil limiter never limits.
type limiter struct {
	limit int

	mu      sync.Mutex // guards what follows
	windows map[string]*rateCount
	order   []rateEntry // by start; windows are equally long, so also by end
}

type rateCount struct {
	start time.Time
	used  int
}

type rateEntry struct {
	key   string
	count *rateCount
}

// quota is the state of a key's window after a request.
type quota struct {
	limit, remaining int
	reset            time.Time
	allowed          bool
}

// newLimiter returns nil for a limit of 0 or less.
func newLimiter(limit int) *limiter {
	if limit <= 0 {
		return nil
	}
	return &limiter{limit: limit, windows: make(map[string]*rateCount)}
}

// take counts one request of key at the given moment.
func (l *limiter) take(key string, now time.Time) quota {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	c, ok := l.windows[key]
	if !ok {
		c = &rateCount{start: now}
		l.windows[key] = c
		l.order = append(l.order, rateEntry{key: key, count: c})
	}
	q := quota{limit: l.limit, reset: c.start.Add(rateWindow), allowed: c.used < l.limit}
	if q.allowed {
		c.used++
	}
	q.remaining = l.limit - c.used
	return q
}

// forget drops the windows that have ended and, to make room for one more, the
// oldest. The caller holds the lock.
func (l *limiter) forget(now time.Time) {
	n := 0
	for n < len(l.order) && (!now.Before(l.order[n].count.start.Add(rateWindow)) || len(l.order)-n >= maxWindows) {
		delete(l.windows, l.order[n].key)
		l.order[n] = rateEntry{}
		n++
	}
	l.order = l.order[n:]
}

// announce writes the headers that tell a caller where it stands.
func (q quota) announce(h http.Header) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(q.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(q.remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(ceilUnix(q.reset), 10))
}

// ceilUnix rounds up to whole Unix seconds, so that a caller who waits until
// then does not come too early.
func ceilUnix(t time.Time) int64 {
	return int64(math.Ceil(float64(t.UnixMilli()) / 1000))
}

// limiters are the three budgets of the contract.
type limiters struct {
	token, create, address *limiter
}

func newLimiters(l Limits) limiters {
	pick := func(given *int, standard int) int {
		if given != nil {
			return *given
		}
		if l.Token != nil && *l.Token == 0 {
			return 0
		}
		return standard
	}
	return limiters{
		token:   newLimiter(pick(l.Token, 100)),
		create:  newLimiter(pick(l.New, 20)),
		address: newLimiter(pick(l.Address, 100)),
	}
}
