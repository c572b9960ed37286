package bench_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// sink is a webhook receiver that notes how long after its commit each event
// came. It counts only while on.
type sink struct {
	URL string

	mu    sync.Mutex // guards the rest
	on    bool
	count int
	late  []time.Duration
}

func newSink(b *testing.B) *sink {
	s := &sink{}
	server := httptest.NewServer(s)
	b.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// ServeHTTP takes one delivery.
func (s *sink) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	at := time.Now()
	var e struct {
		Meta struct {
			Timestamp time.Time `json:"timestamp"`
		} `json:"meta"`
	}
	if err != nil || json.Unmarshal(body, &e) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	if s.on {
		s.late = append(s.late, at.Sub(e.Meta.Timestamp))
	}
}

// measure lets the latencies count, or not.
func (s *sink) measure(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = on
}

func (s *sink) received() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

func (s *sink) sorted() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.late)
	slices.Sort(list)
	return list
}

// wait returns once n deliveries came.
func (s *sink) wait(b *testing.B, n int) {
	b.Helper()
	for deadline := time.Now().Add(30 * time.Second); s.received() < n; {
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d deliveries came", s.received(), n)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (w *world) hook(name, label, url string, enabled bool) {
	w.gateway.Do("POST", "/api/events/webhook/"+name, token,
		object{"label": label, "enabled": enabled, "url": url, "events": []string{"message.exchange"}}, nil)
}

// cpu is the processor time that the gateway has used.
func (w *world) cpu() time.Duration {
	w.b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.gateway.PID()))
	if err != nil {
		w.b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name may hold blanks
	const user, system = 11, 12                   // proc(5): fields 14 and 15
	const tick = 10 * time.Millisecond            // USER_HZ is 100 everywhere that Go runs
	var used time.Duration
	for _, i := range []int{user, system} {
		n, err := strconv.Atoi(strings.Fields(rest)[i])
		if err != nil {
			w.b.Fatal(err)
		}
		used += time.Duration(n) * tick
	}
	return used
}

// BenchmarkWebhookCPU: processor time of the gateway per event at 500 messages/s
// into one instance, with one webhook and with none, in alternating rounds. Goal:
// 1.2 times.
func BenchmarkWebhookCPU(b *testing.B) {
	const rate, seconds, rounds = 500, 10, 3
	for b.Loop() {
		w, s := start(b), newSink(b)
		w.addPhone(0)
		w.addPhone(1)
		name := w.create(0)
		w.link(name, 0)
		from, to := []string{number(1)}, []string{number(0)}
		w.load(from, to, rate, 2)
		var without, with []time.Duration
		for range rounds {
			w.hook(name, "default", "", false)
			before := w.cpu()
			n := len(w.load(from, to, rate, seconds))
			without = append(without, (w.cpu()-before)/time.Duration(n))

			w.hook(name, "default", s.URL, true)
			had := s.received()
			before = w.cpu()
			n = len(w.load(from, to, rate, seconds))
			s.wait(b, had+n)
			with = append(with, (w.cpu()-before)/time.Duration(n))
		}
		slices.Sort(without)
		slices.Sort(with)
		b.ReportMetric(float64(without[rounds/2].Microseconds()), "us-cpu/event-none")
		b.ReportMetric(float64(with[rounds/2].Microseconds()), "us-cpu/event-webhook")
		b.ReportMetric(float64(with[rounds/2])/float64(without[rounds/2]), "ratio")
	}
}

// BenchmarkWebhookDeadNeighbours: 1,000 webhooks on 400 instances, 200
// messages/s in all, once with 300 of them accepting and never answering, once
// without those. From commit to receipt at the living ones, p99 of the minutes 2
// to 4. Goal: with the dead at most twice that without.
func BenchmarkWebhookDeadNeighbours(b *testing.B) {
	for b.Loop() {
		alone := neighbours(b, false)
		beside := neighbours(b, true)
		b.ReportMetric(percentile(alone, 0.5), "ms-p50-alone")
		b.ReportMetric(percentile(alone, 0.99), "ms-p99-alone")
		b.ReportMetric(percentile(beside, 0.5), "ms-p50-beside")
		b.ReportMetric(percentile(beside, 0.99), "ms-p99-beside")
		b.ReportMetric(percentile(beside, 0.99)/percentile(alone, 0.99), "ratio")
	}
}

func neighbours(b *testing.B, dead bool) []time.Duration {
	const instances, hooks, deaf, rate, halfMinute = 400, 1000, 300, 200, 30
	w, s := start(b), newSink(b)
	hole := newHole(b)
	var to []string
	for i := range instances {
		w.addPhone(i)
		w.link(w.create(i), i)
		to = append(to, number(i))
	}
	for i := range hooks {
		name, label := fmt.Sprintf("bench%d", i%instances), strconv.Itoa(i/instances)
		switch isDeaf := i*deaf/hooks != (i+1)*deaf/hooks; {
		case !isDeaf:
			w.hook(name, label, s.URL, true)
		case dead:
			w.hook(name, label, hole, true)
		}
	}
	w.addPhone(9999)
	from := []string{number(9999)}
	for half := range 8 {
		s.measure(half >= 2) // the minutes 2 to 4
		w.load(from, to, rate, halfMinute)
	}
	s.measure(false)
	w.gateway.Kill()
	w.network.Kill()
	return s.sorted()
}

// newHole listens where everything is accepted and nothing ever answered.
func newHole(b *testing.B) (url string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var open sync.WaitGroup
	b.Cleanup(func() {
		_ = listener.Close() // ends the accepting below
		open.Wait()
	})
	open.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				_, _ = io.Copy(io.Discard, conn) // until the gateway has had enough
				_ = conn.Close()
			})
		}
	})
	return "http://" + listener.Addr().String()
}
