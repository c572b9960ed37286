// Package soak_test runs what takes long: `make soak`. SOAK_MINUTES says how
// long each part streams; without it nothing runs.
package soak_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/proctest"
)

const (
	token  = "soak-test-account-token"
	owner  = "5511900000001"
	sender = "5511900000002"
	rate   = 100 // messages a second
)

type object = map[string]any

// minutes is how long a part streams; without SOAK_MINUTES the test is skipped.
func minutes(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("SOAK_MINUTES"))
	if err != nil || n < 1 {
		t.Skip("SOAK_MINUTES is not set: run it with make soak")
	}
	return n
}

// TestTargetIsDown: a webhook's target is down for SOAK_MINUTES while 100
// messages a second come in. The gateway's memory stays bounded, and when the
// target is back everything is delivered, in order.
func TestTargetIsDown(t *testing.T) {
	n := minutes(t)
	network := proctest.Start(t, "network")
	g := proctest.Start(t, "sandbox", "--network", network.URL, "--data", t.TempDir(), "--listen", "127.0.0.1:0",
		"--account-token", token, "--rate-limit", "0", "--log-format", "json")
	link(t, g)
	address := freeAddress(t)
	g.Do("POST", "/api/events/webhook/sales", token,
		object{"enabled": true, "url": "http://" + address, "events": []string{"message.exchange"}}, nil)
	network.Do("POST", "/sandbox/phones", "", object{"number": sender, "name": "Ana"}, nil)

	sent := stream(t, network, 1)
	first := resident(t, g)
	t.Logf("after minute 1: %d messages, %d MiB", sent, first>>10)
	highest := first
	for i := 1; i < n; i++ {
		sent += stream(t, network, 1)
		now := resident(t, g)
		highest = max(highest, now)
		t.Logf("after minute %d: %d messages, %d MiB", i+1, sent, now>>10)
	}
	const room = 64 << 10 // KiB: the library's session cache and the collector's slack
	if highest > first+room {
		t.Errorf("memory grew from %d to %d MiB", first>>10, highest>>10)
	}
	begin := time.Now()
	r := newReceiver(t, address)
	r.wait(t, sent)
	t.Logf("%d messages sent in %d minutes, %d delivered in %v after the target came back, %d out of order; memory %d to %d MiB",
		sent, n, r.count(), time.Since(begin).Round(time.Second), r.disorder(), first>>10, highest>>10)
	if r.disorder() > 0 {
		t.Errorf("%d deliveries came out of order", r.disorder())
	}
}

func link(t *testing.T, g *proctest.Process) {
	t.Helper()
	g.Do("POST", "/api/instance/new", token, object{"name": "sales"}, nil)
	g.Do("POST", "/sandbox/phones", token, object{"number": owner, "name": "Olga"}, nil)
	g.Do("GET", "/api/instance/connect/sales", token, nil, nil)
	g.Do("POST", "/sandbox/phones/"+owner+"/scan", token, object{"instance": "sales"}, nil)
}

// stream sends for some minutes and returns how many messages.
func stream(t *testing.T, network *proctest.Process, minutes int) int {
	t.Helper()
	total := 0
	for range minutes * 2 {
		var answer struct {
			Sent int `json:"sent"`
		}
		body := object{"from": []string{sender}, "to": []string{owner}, "rate": rate, "seconds": 30, "kind": "text", "size": 200}
		network.Do("POST", "/sandbox/load", "", body, &answer)
		total += answer.Sent
	}
	return total
}

// resident is the RSS of a process in KiB.
func resident(t *testing.T, p *proctest.Process) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

// freeAddress is a loopback address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// receiver counts first deliveries and those among them that came after a later
// event.
type receiver struct {
	mu      sync.Mutex // guards the rest
	seen    map[string]bool
	highest int64
	late    int
}

func newReceiver(t *testing.T, address string) *receiver {
	t.Helper()
	r := &receiver{seen: map[string]bool{}}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() { // ends with the close below
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close() // the test is over
		<-served
	})
	return r
}

// ServeHTTP takes one delivery.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var e struct {
		Meta struct {
			Sequence int64 `json:"sequence"`
		} `json:"meta"`
	}
	body, err := io.ReadAll(req.Body)
	if err != nil || json.Unmarshal(body, &e) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	id := req.Header.Get("webhook-id")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[id] {
		return
	}
	r.seen[id] = true
	if e.Meta.Sequence < r.highest {
		r.late++
	}
	r.highest = max(r.highest, e.Meta.Sequence)
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

func (r *receiver) disorder() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.late
}

// wait returns once n events came; the first attempt may take two minutes, the
// rest is drained at no less than 100 a second.
func (r *receiver) wait(t *testing.T, n int) {
	t.Helper()
	limit := 5*time.Minute + time.Duration(n)*10*time.Millisecond
	for deadline := time.Now().Add(limit); r.count() < n; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d events were delivered in %v", r.count(), n, limit)
		}
		<-time.After(100 * time.Millisecond)
	}
}
