//go:build chasqui_inject

package dispatch

import (
	"context"
	"fmt"

	"github.com/chasqui/chasqui/internal/event"
)

// Inject hands an event to the WebSocket clients of an instance as Publish does
// after recording, with the given sequence and without recording it. It exists
// in builds with the tag chasqui_inject only, so that a benchmark can ask more
// of the live side than the store gives.
func (d *Dispatcher) Inject(ctx context.Context, instanceID string, sequence int64, data event.Payload) error {
	ch := d.channel(instanceID)
	if ch == nil {
		return fmt.Errorf("%w: %s", errUnknownInstance, instanceID)
	}
	ch.order.Lock()
	defer ch.order.Unlock()
	item := Item{Data: data}
	ch.hand(ctx, ch.unrecorded(sequence, item), &item)
	return nil
}

// EnvelopeSize is the length in bytes of what a client of the instance gets of
// such an event.
func (d *Dispatcher) EnvelopeSize(instanceID string, sequence int64, data event.Payload) (int, error) {
	ch := d.channel(instanceID)
	if ch == nil {
		return 0, fmt.Errorf("%w: %s", errUnknownInstance, instanceID)
	}
	_, encode := ch.frame(ch.unrecorded(sequence, Item{Data: data}))
	p, err := encode(nil)
	return len(p), err
}

func (ch *channel) unrecorded(sequence int64, item Item) *event.Event {
	events, _ := ch.number([]Item{item})
	events[0].Sequence = sequence
	return events[0]
}
