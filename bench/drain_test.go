package bench_test

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/egress"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/seal"
	"github.com/chasqui/chasqui/internal/store"
	"github.com/chasqui/chasqui/internal/store/storetest"
	"github.com/chasqui/chasqui/internal/webhook"
)

// queue is a store with webhooks and the worker that empties it, without
// WhatsApp: more events than a simulated network can send.
type queue struct {
	b     *testing.B
	db    *store.DB
	hooks map[string][]webhook.Hook // by instance
	ids   []string                  // of the instances
	made  int
}

func newQueue(b *testing.B, url string, webhooks int) *queue {
	b.Helper()
	box, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		b.Fatal(err)
	}
	db, err := store.Open(b.Context(), store.Options{Path: filepath.Join(b.TempDir(), "chasqui.db"), Box: box})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() }) // the file goes with the test
	q := &queue{b: b, db: db, hooks: map[string][]webhook.Hook{}}
	account := storetest.NewAccount(b, db, "bench").ID
	for i := range webhooks {
		if i%webhook.MaxEnabled == 0 {
			in := storetest.NewInstance(b, db, account, fmt.Sprintf("bench%d", i))
			q.ids = append(q.ids, in.ID)
		}
		instance := q.ids[len(q.ids)-1]
		w := webhook.Webhook{
			ID: uuid.NewString(), InstanceID: instance, Label: fmt.Sprint(i), Enabled: true, URL: url,
			Events: []event.Type{}, Ordering: webhook.Strict,
		}
		if err := db.PutWebhook(b.Context(), w); err != nil {
			b.Fatal(err)
		}
		q.hooks[instance] = append(q.hooks[instance], w.Hook())
	}
	return q
}

// record stores an event of about 1 KB in turn for each instance until there
// are n deliveries, and returns how many there are.
func (q *queue) record(n int) int {
	q.b.Helper()
	o := event.Origin{BaseURL: "https://api.example.com", Instance: "sales", Token: "the-instance-token"}
	encode := func(dst []byte, e *event.Event) ([]byte, error) { return event.AppendEnvelope(dst, e, o) }
	deliveries := 0
	for i := 0; deliveries < n; i++ {
		instance := q.ids[i%len(q.ids)]
		item, e := storetest.TextItem(q.made)
		q.made++
		if m, ok := e.Data.(*event.Message); ok {
			m.Body.Content = &event.Content{Text: strings.Repeat("x", 512)}
		}
		out := dispatch.Outbox{Hooks: q.hooks[instance], Encode: encode}
		if err := q.db.Record(q.b.Context(), instance, []dispatch.Item{item}, []*event.Event{e}, out); err != nil {
			q.b.Fatal(err)
		}
		deliveries += len(q.hooks[instance])
	}
	return deliveries
}

func (q *queue) start() *webhook.Worker {
	q.b.Helper()
	client := egress.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	poster := egress.NewPoster(client)
	w := webhook.NewWorker(q.db, poster, webhook.WorkerOptions{})
	if err := w.Start(q.b.Context()); err != nil {
		q.b.Fatal(err)
	}
	q.b.Cleanup(func() {
		if err := w.Stop(q.b.Context()); err != nil && q.b.Context().Err() == nil {
			q.b.Error(err)
		}
		poster.Close()
		client.Close()
	})
	return w
}

// BenchmarkWebhookDrain: deliveries a second from a stored backlog of 1 KB
// bodies to a receiver in this process. Goals: 2,000 over 50 webhooks, 500 with
// one.
func BenchmarkWebhookDrain(b *testing.B) {
	for _, webhooks := range []int{50, 1} {
		b.Run(fmt.Sprintf("webhooks=%d", webhooks), func(b *testing.B) {
			for b.Loop() {
				s := newSink(b)
				q := newQueue(b, s.URL, webhooks)
				n := q.record(200 * 50)
				begin := time.Now()
				q.start()
				s.wait(b, n)
				b.ReportMetric(float64(n)/time.Since(begin).Seconds(), "deliveries/s")
			}
		})
	}
}

// BenchmarkWebhookTargetDown: heap after garbage collection, in MiB, while the
// target refuses connections and as many events come as in an hour at 100 a
// second.
func BenchmarkWebhookTargetDown(b *testing.B) {
	const hour, part = 360_000, 36_000
	for b.Loop() {
		down := httptest.NewServer(nil)
		down.Close()
		q := newQueue(b, down.URL, 1)
		w := q.start()
		var first, last float64
		for n := 0; n < hour; n += part {
			q.record(part)
			w.Wake([]string{q.hooks[q.ids[0]][0].ID})
			if last = heap(); n == 0 {
				first = last
			}
		}
		b.ReportMetric(first, "MiB-after-6min")
		b.ReportMetric(last, "MiB-after-60min")
	}
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}
