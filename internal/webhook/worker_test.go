package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/lifecycle/lifecycletest"
	"github.com/chasqui/chasqui/internal/webhook"
	"github.com/chasqui/chasqui/internal/webhook/webhooktest"
)

const sales = "instance-1"

// receivers is a Sender whose receivers answer as the test says.
type receivers struct {
	mu      sync.Mutex // guards the rest
	answer  map[string]func(ctx context.Context, r webhook.Request) (webhook.Response, error)
	got     []post
	running map[string]int
	most    int // attempts at once
	overlap bool
}

// post is an attempt that a receiver saw.
type post struct {
	url, id, attempt, body string
	at                     time.Time
}

func newReceivers() *receivers {
	return &receivers{answer: map[string]func(context.Context, webhook.Request) (webhook.Response, error){}, running: map[string]int{}}
}

func (*receivers) CheckURL(string) error { return nil }

// Post implements webhook.Sender; a receiver that was told nothing answers 200.
func (s *receivers) Post(ctx context.Context, r webhook.Request) (webhook.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return webhook.Response{}, err
	}
	s.mu.Lock()
	s.got = append(s.got, post{url: r.URL, id: r.Header["webhook-id"], attempt: r.Header["webhook-attempt"], body: string(body), at: time.Now()})
	s.running[r.URL]++
	s.overlap = s.overlap || s.running[r.URL] > 1
	all := 0
	for _, n := range s.running {
		all += n
	}
	s.most = max(s.most, all)
	answer := s.answer[r.URL]
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.running[r.URL]--
		s.mu.Unlock()
	}()
	if answer == nil {
		return webhook.Response{Status: 200}, nil
	}
	return answer(ctx, r)
}

// tell makes a receiver answer with a status, always.
func (s *receivers) tell(url string, status int) {
	s.say(url, func(context.Context, webhook.Request) (webhook.Response, error) {
		return webhook.Response{Status: status}, nil
	})
}

func (s *receivers) say(url string, answer func(context.Context, webhook.Request) (webhook.Response, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer[url] = answer
}

// stall makes a receiver accept and never answer.
func (s *receivers) stall(url string) {
	s.say(url, func(ctx context.Context, _ webhook.Request) (webhook.Response, error) {
		<-ctx.Done()
		return webhook.Response{}, ctx.Err()
	})
}

// slow makes a receiver answer 200 after d.
func (s *receivers) slow(url string, d time.Duration) {
	s.say(url, func(ctx context.Context, _ webhook.Request) (webhook.Response, error) {
		select {
		case <-time.After(d):
			return webhook.Response{Status: 200}, nil
		case <-ctx.Done():
			return webhook.Response{}, ctx.Err()
		}
	})
}

// bodies returns what one receiver got, in order.
func (s *receivers) bodies(url string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, p := range s.got {
		if p.url == url {
			list = append(list, p.body)
		}
	}
	return list
}

func (s *receivers) posts(url string) []post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.got), func(p post) bool { return p.url != url })
}

// bench is a worker over a store in memory.
type bench struct {
	*webhooktest.Memory
	t      *testing.T
	out    *receivers
	worker *webhook.Worker
	hooks  []webhook.Hook
	urls   []string
	events int
}

// open starts a worker with n webhooks, whose URLs are in urls.
func open(t *testing.T, n int, opts webhook.WorkerOptions) *bench {
	t.Helper()
	b := &bench{Memory: &webhooktest.Memory{}, t: t, out: newReceivers()}
	for i := range n {
		b.put(webhook.Webhook{ID: fmt.Sprintf("hook-%04d", i), Label: fmt.Sprint(i), URL: fmt.Sprintf("http://receiver/%d", i)})
	}
	if opts.Rand == nil {
		opts.Rand = func() float64 { return 0.5 } // no jitter
	}
	b.worker = webhook.NewWorker(b, b.out, opts)
	must(t, b.worker.Start(t.Context()))
	t.Cleanup(b.stop)
	return b
}

func (b *bench) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	must(b.t, b.worker.Stop(ctx))
}

func (b *bench) put(w webhook.Webhook) {
	b.t.Helper()
	w.InstanceID, w.Enabled = sales, true
	if w.Ordering == "" {
		w.Ordering = webhook.Strict
	}
	must(b.t, b.PutWebhook(b.t.Context(), w))
	b.hooks = append(b.hooks, w.Hook())
	b.urls = append(b.urls, w.URL)
}

// record records n events for all webhooks and wakes the worker. The bodies
// are "1", "2" and so on.
func (b *bench) record(n int) {
	b.t.Helper()
	for range n {
		b.events++
		_, err := b.Record(b.t.Context(), sales, b.hooks, event.TypeMessage, []byte(fmt.Sprint(b.events)))
		must(b.t, err)
	}
	ids := make([]string, len(b.hooks))
	for i, h := range b.hooks {
		ids[i] = h.ID
	}
	b.worker.Wake(ids)
}

// states counts the deliveries in each state.
func (b *bench) states() map[webhook.State]int {
	b.t.Helper()
	list, _, err := b.ListDeliveries(b.t.Context(), sales, webhook.Query{Limit: 1 << 20})
	must(b.t, err)
	states := map[webhook.State]int{}
	for _, d := range list {
		states[d.State]++
	}
	return states
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pass lets time go by, and everything happen that does.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// numbers are the bodies from first to last.
func numbers(first, last int) []string {
	var list []string
	for i := first; i <= last; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

func (b *bench) want(url string, bodies ...string) {
	b.t.Helper()
	if got := b.out.bodies(url); !slices.Equal(got, bodies) {
		b.t.Errorf("%s got %v, want %v", url, got, bodies)
	}
}

func TestWorkerLifecycle(t *testing.T) {
	lifecycletest.Stress(t, func(*testing.T) lifecycle.Service {
		return webhook.NewWorker(&webhooktest.Memory{}, newReceivers(), webhook.WorkerOptions{})
	})
}

// Section 5: order is kept per webhook; the log says what was delivered.
func TestDeliversInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, 2, webhook.WorkerOptions{})
		b.record(100)
		pass(time.Second)
		b.record(3)
		pass(time.Second)
		for _, url := range b.urls {
			b.want(url, numbers(1, 103)...)
		}
		if got := b.states(); got[webhook.Delivered] != 206 {
			t.Errorf("states %v", got)
		}
		if s := b.worker.Stats(); s.Delivered != 206 || s.Succeeded != 206 || s.Held != 2 {
			t.Errorf("stats %+v", s)
		}
		if b.out.overlap {
			t.Error("two attempts of one webhook at once")
		}
	})
}
