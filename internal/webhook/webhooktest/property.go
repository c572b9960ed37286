package webhooktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/webhook"
)

// Backend is what the property is checked on.
type Backend interface {
	webhook.Store
	webhook.Queue
	// Record leaves a delivery of one event for each hook, as dispatch does.
	Record(ctx context.Context, instanceID string, hooks []webhook.Hook, t event.Type, body []byte) (eventID string, err error)
}

// Property checks on random histories that no delivery is lost, none is
// attempted after its success was settled, no two attempts of a webhook run at
// once, and the order rule of strict webhooks holds: while workers come, go,
// crash and lose the store long enough for their leases to end, and receivers
// refuse, fail, stall and recover.
//
// open returns an empty backend and an instance in it. It is called in the
// bubble of a synctest.
func Property(t *testing.T, open func(t testing.TB) (b Backend, instanceID string)) {
	t.Helper()
	rapid.Check(t, func(rt *rapid.T) {
		history := rapid.SliceOfN(steps(), 1, 40).Draw(rt, "history")
		var broken error
		synctest.Test(t, func(t *testing.T) {
			b, instanceID := open(t)
			broken = play(t, b, instanceID, history)
		})
		if broken != nil {
			rt.Fatal(broken)
		}
	})
}

// step is one thing that happens.
type step struct {
	Do     string
	Target int // the webhook, or the worker
	N      int
	Wait   time.Duration
	How    behaviour
}

const (
	webhooks = 3
	workers  = 2
)

func steps() *rapid.Generator[step] {
	return rapid.Custom(func(t *rapid.T) step {
		s := step{Do: rapid.SampledFrom([]string{
			"record", "record", "record", "pass", "pass", "pass", "receiver", "receiver", "refuse",
			"crash", "stop", "start", "cut", "mend", "change",
		}).Draw(t, "do")}
		switch s.Do {
		case "record":
			s.N = rapid.SampledFrom([]int{1, 1, 2, 5, 40}).Draw(t, "n")
		case "pass":
			s.Wait = rapid.SampledFrom([]time.Duration{
				time.Millisecond, 15 * time.Millisecond, time.Second, 3 * time.Second, 20 * time.Second, 70 * time.Second, 5 * time.Minute,
			}).Draw(t, "wait")
		case "receiver":
			s.How = behaviour(rapid.IntRange(int(accepts), int(isSlow)).Draw(t, "how"))
			s.Target = rapid.IntRange(0, webhooks-1).Draw(t, "webhook")
		case "refuse":
			s.N = rapid.IntRange(1, 5).Draw(t, "times")
			s.Target = rapid.IntRange(0, webhooks-1).Draw(t, "webhook")
		case "change":
			s.Target = rapid.IntRange(0, webhooks-1).Draw(t, "webhook")
		default:
			s.Target = rapid.IntRange(0, workers-1).Draw(t, "worker")
		}
		return s
	})
}

// world is the backend with everything around it.
type world struct {
	Backend
	t          *testing.T
	instanceID string
	receivers  *receivers
	hooks      []webhook.Hook
	nodes      [workers]*node
	started    int
	events     int
}

// node is one worker with its connection to the store.
type node struct {
	*webhook.Worker
	store *connection
	out   *line
}

func play(t *testing.T, b Backend, instanceID string, history []step) error {
	w := &world{Backend: b, t: t, instanceID: instanceID, receivers: newReceivers(b, instanceID)}
	for i := range webhooks {
		hook := webhook.Webhook{
			ID: fmt.Sprintf("0197d0a2-0000-7000-8000-%012d", i), InstanceID: instanceID, Label: fmt.Sprint(i), Enabled: true,
			URL: fmt.Sprint("http://receiver/", i), Ordering: webhook.Strict,
		}
		if err := b.PutWebhook(t.Context(), hook); err != nil {
			return err
		}
		w.hooks = append(w.hooks, hook.Hook())
	}
	err := w.begin(0)
	for i := 0; i < len(history) && err == nil; i++ {
		err = errors.Join(w.do(history[i]), w.receivers.broken())
	}
	return errors.Join(err, w.settleDown(err == nil))
}

func (w *world) do(s step) error {
	switch s.Do {
	case "record":
		return w.record(s.N)
	case "pass":
		<-time.After(s.Wait)
		synctest.Wait()
	case "receiver":
		w.receivers.behave(s.Target, s.How)
	case "refuse":
		w.receivers.refuse(s.Target, w.events+1, s.N)
	case "change":
		for _, n := range w.nodes {
			if n != nil {
				n.Changed(w.hooks[s.Target].ID)
			}
		}
	case "start":
		return w.begin(s.Target)
	case "stop":
		return w.end(s.Target)
	default:
		w.disturb(s)
	}
	return nil
}

// disturb crashes a worker, or its connection to the store.
func (w *world) disturb(s step) {
	n := w.nodes[s.Target]
	if n == nil {
		return
	}
	switch s.Do {
	case "cut":
		n.store.cut.Store(true)
	case "mend":
		n.store.cut.Store(false)
	case "crash": // what it still does reaches nobody
		n.store.cut.Store(true)
		n.out.dead.Store(true)
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Millisecond)
		defer cancel()
		_ = n.Stop(ctx) // only ends its goroutines
		w.nodes[s.Target] = nil
	}
}

func (w *world) begin(i int) error {
	if w.nodes[i] != nil {
		return nil
	}
	w.started++
	n := &node{store: &connection{Queue: w.Backend}, out: &line{receivers: w.receivers}}
	n.Worker = webhook.NewWorker(n.store, n.out, webhook.WorkerOptions{
		Owner: fmt.Sprint("worker-", w.started), Pool: 2, SlowPool: 1, Rand: func() float64 { return 0.5 },
	})
	w.nodes[i] = n
	return n.Start(w.t.Context())
}

func (w *world) end(i int) error {
	n := w.nodes[i]
	if n == nil {
		return nil
	}
	w.nodes[i] = nil
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	if err := n.Stop(ctx); err != nil && !n.store.cut.Load() {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// record records n events for every webhook and wakes the workers.
func (w *world) record(n int) error {
	ids := make([]string, len(w.hooks))
	for i, h := range w.hooks {
		ids[i] = h.ID
	}
	for range n {
		w.events++
		if _, err := w.Record(w.t.Context(), w.instanceID, w.hooks, event.TypeCall, []byte(fmt.Sprint(w.events))); err != nil {
			return err
		}
	}
	for _, n := range w.nodes {
		if n != nil {
			n.Wake(ids)
		}
	}
	return nil
}

// settleDown mends everything, waits until nothing is pending, counts, and ends
// the workers.
func (w *world) settleDown(count bool) error {
	var err error
	if count {
		err = w.waitForAll()
	}
	for i := range w.nodes {
		err = errors.Join(err, w.end(i))
	}
	return err
}

func (w *world) waitForAll() error {
	w.receivers.mend()
	for _, n := range w.nodes {
		if n != nil {
			n.store.cut.Store(false)
		}
	}
	if err := w.begin(0); err != nil {
		return err
	}
	const hours = 48 // a parked delivery may have to wait for the last steps of the schedule
	for range hours * 4 {
		<-time.After(15 * time.Minute)
		synctest.Wait()
		if err := w.receivers.broken(); err != nil {
			return err
		}
		pending, _, err := w.ListDeliveries(w.t.Context(), w.instanceID, webhook.Query{State: webhook.Pending, Limit: 1})
		if err != nil {
			return err
		}
		if len(pending) == 0 {
			return w.counted()
		}
	}
	return fmt.Errorf("deliveries still wait after %d h", hours)
}

// counted checks that every event reached every receiver and is delivered.
func (w *world) counted() error {
	list, _, err := w.ListDeliveries(w.t.Context(), w.instanceID, webhook.Query{State: webhook.Delivered, Limit: 1 << 20})
	if err != nil {
		return err
	}
	if len(list) != w.events*webhooks {
		return fmt.Errorf("%d deliveries are delivered, want %d", len(list), w.events*webhooks)
	}
	for i := range webhooks {
		if missing := w.receivers.missing(i, w.events); len(missing) > 0 {
			return fmt.Errorf("receiver %d never accepted %v", i, slices.Compact(missing))
		}
	}
	return nil
}
