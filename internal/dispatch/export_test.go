package dispatch

import (
	"context"
	"time"

	"github.com/chasqui/chasqui/internal/event"
)

// Hand is the live half of Publish: what happens after an event was recorded.
func (d *Dispatcher) Hand(ctx context.Context, instanceID string, e *event.Event, item *Item) {
	d.channel(instanceID).hand(ctx, e, item)
}

// EventIDs returns the IDs that a fresh generator gives at the given moments.
func EventIDs(moments ...time.Time) []string {
	var g eventIDs
	ids := make([]string, len(moments))
	for i, m := range moments {
		ids[i] = g.next(m)
	}
	return ids
}
