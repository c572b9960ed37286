package apptest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Delivery is one POST that a collector was given. Frame is its envelope.
type Delivery struct {
	Frame
	Path    string
	Header  http.Header
	ID      string // webhook-id
	Attempt int    // webhook-attempt
}

// Behavior is what a collector does with one POST. Zero answers 200.
type Behavior struct {
	Status     int
	RetryAfter string // the header of that name; none if empty
	Stall      bool   // keep the sender waiting until Release, then answer
	Reset      bool   // cut the connection instead of answering
}

// Collector is a webhook receiver on loopback that keeps every POST, in the
// order in which they came.
type Collector struct {
	URL    string
	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex // guards the rest
	secret   string
	got      []Delivery
	next     []Behavior
	always   Behavior
	released chan struct{}
}

// NewCollector starts a receiver that answers 200 to everything. It ends with
// the test.
func NewCollector(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{t: t, released: make(chan struct{})}
	c.server = httptest.NewServer(c)
	c.URL = c.server.URL
	t.Cleanup(func() {
		c.Release()
		c.server.CloseClientConnections()
		c.server.Close()
	})
	return c
}

// Verify makes every delivery that comes without a good signature of the secret
// fail the test; an empty secret asks for none again.
func (c *Collector) Verify(secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secret = secret
}

// Next says what happens to the next POSTs, one behavior for each.
func (c *Collector) Next(list ...Behavior) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = append(c.next, list...)
}

// Always says what happens to every POST that Next says nothing about.
func (c *Collector) Always(b Behavior) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.always = b
}

// Release answers the POSTs that stall; later ones stall again.
func (c *Collector) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.released)
	c.released = make(chan struct{})
}

// ServeHTTP takes one delivery.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // cut off by the sender: nothing was delivered
	}
	b, released := c.take(r, body)
	if b.Stall {
		select {
		case <-released:
		case <-r.Context().Done():
			return
		}
	}
	if b.Reset {
		panic(http.ErrAbortHandler)
	}
	if b.RetryAfter != "" {
		w.Header().Set("Retry-After", b.RetryAfter)
	}
	w.WriteHeader(max(b.Status, http.StatusOK))
}

// take keeps a delivery and returns what to do with it.
func (c *Collector) take(r *http.Request, body []byte) (Behavior, <-chan struct{}) {
	d := Delivery{Path: r.URL.Path, Header: r.Header.Clone(), ID: r.Header.Get("Webhook-Id")}
	d.Raw = body
	err := json.Unmarshal(body, &d.Frame)
	if err == nil {
		d.Attempt, err = strconv.Atoi(r.Header.Get("Webhook-Attempt"))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && c.secret != "" {
		err = verify(c.secret, body, r.Header)
	}
	if err != nil {
		c.t.Errorf("collector: %s %s: %v", r.Method, r.URL.Path, err)
	}
	c.got = append(c.got, d)
	b := c.always
	if len(c.next) > 0 {
		b, c.next = c.next[0], c.next[1:]
	}
	return b, c.released
}

// verify checks a signature with the library of the Standard Webhooks project.
func verify(secret string, body []byte, h http.Header) error {
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	return wh.Verify(body, h)
}

// Deliveries returns what has come so far.
func (c *Collector) Deliveries() []Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Delivery(nil), c.got...)
}

// Wait returns once at least n deliveries have come, with all that have.
func (c *Collector) Wait(n int) []Delivery {
	c.t.Helper()
	var got []Delivery
	Eventually(c.t, func() bool { got = c.Deliveries(); return len(got) >= n },
		func() string { return fmt.Sprintf("%d deliveries of %d:%s", len(got), n, listed(got)) })
	return got
}

// Expect waits for a delivery of that event for which every path holds its
// value, and returns the first; "*" stands for any value but none.
func (c *Collector) Expect(event string, fields map[string]string) Delivery {
	c.t.Helper()
	var got []Delivery
	var found Delivery
	Eventually(c.t, func() bool {
		got = c.Deliveries()
		for _, d := range got {
			if d.matches(event, fields) {
				found = d
				return true
			}
		}
		return false
	}, func() string { return fmt.Sprintf("a delivery of %s %v; came:%s", event, fields, listed(got)) })
	return found
}

func listed(got []Delivery) string {
	var b strings.Builder
	for _, d := range got {
		fmt.Fprintf(&b, "\n  %s #%d %s", d.ID, d.Attempt, d.Raw)
	}
	return b.String()
}
