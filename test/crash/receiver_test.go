package crash_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// receiver is a webhook receiver that notes what it was given.
type receiver struct {
	URL string

	mu        sync.Mutex // guards the rest
	posts     int
	hooks     map[string]map[string]bool // webhook-ids by message
	sequences []int64                    // of first deliveries, in the order of arrival
	repeated  int                        // posts whose webhook-id had come before
	garbled   []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{hooks: map[string]map[string]bool{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// ServeHTTP takes one delivery of a message.exchange.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var e struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
		Meta struct {
			Sequence int64 `json:"sequence"`
		} `json:"meta"`
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.posts++
	if err != nil || json.Unmarshal(body, &e) != nil || e.Data.ID == "" {
		if err == nil { // a post that was cut by the kill is none
			r.garbled = append(r.garbled, string(body))
		}
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	id := req.Header.Get("webhook-id")
	seen := r.hooks[e.Data.ID]
	if seen == nil {
		seen = map[string]bool{}
		r.hooks[e.Data.ID] = seen
		r.sequences = append(r.sequences, e.Meta.Sequence)
	}
	if seen[id] {
		r.repeated++
	}
	seen[id] = true
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.hooks)
}

// missing is how many of the messages have not come.
func (r *receiver) missing(sent []string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, id := range sent {
		if len(r.hooks[id]) == 0 {
			n++
		}
	}
	return n
}

// check compares what came with what was sent: nothing is missing, a repeat
// bears the same webhook-id, and the order of first arrivals is that of the
// events.
func (r *receiver) check(t *testing.T, sent []string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, body := range r.garbled {
		t.Errorf("delivered, but no message: %.200s", body)
	}
	for _, id := range sent {
		if n := len(r.hooks[id]); n != 1 {
			t.Errorf("message %s came under %d webhook-ids", id, n)
		}
	}
	known := map[string]bool{}
	for _, id := range sent {
		known[id] = true
	}
	for id := range r.hooks {
		if !known[id] {
			t.Logf("message %s came, which is not among those sent", id)
		}
	}
	for i := 1; i < len(r.sequences); i++ {
		if r.sequences[i] <= r.sequences[i-1] {
			t.Errorf("event %d came for the first time after event %d", r.sequences[i], r.sequences[i-1])
		}
	}
	t.Logf("receiver: %d messages in %d posts, %d of them repeats", len(r.hooks), r.posts, r.repeated)
}
