package store_test

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/store"
	"github.com/chasqui/chasqui/internal/store/storetest"
	"github.com/chasqui/chasqui/internal/webhook"
	"github.com/chasqui/chasqui/internal/webhook/webhooktest"
)

// backend records events as package webhooktest wants it.
type backend struct {
	*store.DB
	recorded int
}

// Record implements webhooktest.Backend.
func (b *backend) Record(ctx context.Context, instanceID string, hooks []webhook.Hook, _ event.Type, body []byte) (string, error) {
	b.recorded++
	e := &event.Event{ID: fmt.Sprint("evt_", b.recorded), Timestamp: time.Now(), Data: &event.Call{Type: "offer"}}
	out := dispatch.Outbox{Hooks: hooks, Encode: func(dst []byte, _ *event.Event) ([]byte, error) {
		return append(dst, body...), nil
	}}
	return e.ID, b.DB.Record(ctx, instanceID, []dispatch.Item{{Data: e.Data}}, []*event.Event{e}, out)
}

// Section 5, durable: no delivery lost, none after a settled success, and the
// order rule, on the real queue.
func TestWebhookProperty(t *testing.T) {
	histories := flag.Lookup("rapid.checks")
	was := histories.Value.String()
	if was == histories.DefValue {
		must(t, histories.Value.Set("25")) // each opens a file of its own
		defer func() { must(t, histories.Value.Set(was)) }()
	}
	webhooktest.Property(t, func(t testing.TB) (webhooktest.Backend, string) {
		db := open(t, newFile(t))
		acc := storetest.NewAccount(t, db, "acme")
		return &backend{DB: db}, storetest.NewInstance(t, db, acc.ID, "sales").ID
	})
}
