package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/store"
	"github.com/chasqui/chasqui/internal/webhook"
)

// fillLog puts n deliveries of messages into the log, the oldest of which is of
// a call; their IDs begin with prefix. Recording so many would take long.
func fillLog(t *testing.T, db *store.DB, q *queue, w webhook.Webhook, prefix string, n int, state webhook.State) {
	t.Helper()
	_, err := db.WhatsApp().ExecContext(t.Context(), `
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < $1)
INSERT INTO webhook_deliveries (
    instance_id, id, webhook_id, generation, body_id, event, event_id, sequence,
    chat_key, waiting, parked, state, created_at, queued_at
)
SELECT $2, $3 || printf('%08d', n), $4, 0, '', CASE n WHEN 1 THEN $5 ELSE $6 END, '', n, '', FALSE, FALSE, $7, 1, 1
FROM c`, n, q.instanceID, prefix, w.ID, string(event.TypeCall), string(event.TypeMessage), string(state))
	must(t, err)
}

// events.md 5, deliveries: what is rare in a long log is found, though no page
// reads all of it.
func TestRareDeliveriesAreFound(t *testing.T) {
	const many = 45_000
	db := open(t, newFile(t))
	q := newQueue(t, db)
	w, other := q.add("a"), q.add("b")
	fillLog(t, db, q, other, "a", 1, webhook.Pending)
	fillLog(t, db, q, w, "b", many, webhook.Delivered)
	fillLog(t, db, q, w, "c", many, webhook.Dead)
	for name, tc := range map[string]struct {
		query webhook.Query
		pages int
		want  []string
	}{
		"few pending ones":   {webhook.Query{State: webhook.Pending}, 1, []string{"a00000001"}},
		"rare events":        {webhook.Query{Event: event.TypeCall, Label: "a"}, 5, []string{"c00000001", "b00000001"}},
		"rare dead ones":     {webhook.Query{Event: event.TypeCall, State: webhook.Dead}, 3, []string{"c00000001"}},
		"dead ones of other": {webhook.Query{Label: "b", State: webhook.Dead}, 3, nil},
		"other label":        {webhook.Query{Label: "b"}, 5, []string{"a00000001"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			query, pages := tc.query, 0
			query.Limit = 10
			for {
				list, further, err := db.ListDeliveries(t.Context(), q.instanceID, query)
				must(t, err)
				for _, d := range list {
					got = append(got, d.ID)
				}
				if pages++; further == "" || pages > 10 {
					break
				}
				query.Before = further
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || pages != tc.pages {
				t.Errorf("%d pages, want %d (-want +got):\n%s", pages, tc.pages, diff)
			}
		})
	}
}
