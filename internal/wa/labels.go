package wa

import (
	"context"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
)

// labelState says how the labels we hear of relate to those stored. Guarded by
// client.mu.
type labelState struct {
	// paired is when this client paired, zero if it did not. Labels that a full
	// reading brings from before are recorded without an event.
	paired time.Time
	// stale: some may have been missed; read them whole at the next login.
	stale bool
	// seen collects what a full reading brings while one is in progress.
	seen map[labelKey]bool
}

// labelKey names a label, or one assignment of it.
type labelKey struct{ label, chat, message string }

func keyOf(r *dispatch.LabelRecord) labelKey { return labelKey{r.LabelID, r.ChatJID, r.MessageID} }

// labelCollection is where WhatsApp keeps labels, as whatsmeow's BuildLabelEdit
// has it.
const labelCollection = appstate.WAPatchRegular

// onLabel records a label event. The library acknowledges app state before it
// is read, so a failure is retried, and else mended by a full reading.
func (c *client) onLabel(evt any) {
	c.recording.Lock()
	items := c.convert(evt)
	c.recording.Unlock()
	c.mu.Lock()
	paired := c.labels.paired
	c.mu.Unlock()
	if fromFullSync(evt) {
		c.sawLabels(items)
		silence(items, paired)
	}
	if !c.insistOn(items) {
		c.mu.Lock()
		c.labels.stale = true
		c.mu.Unlock()
	}
}

// silence makes labels from before the given time change the store only.
func silence(items []dispatch.Item, before time.Time) {
	for i := range items {
		if l, ok := items[i].Data.(*event.Label); ok && l.Timestamp.Before(before) {
			items[i].Data = nil
		}
	}
}

func fromFullSync(evt any) bool {
	switch e := evt.(type) {
	case *events.LabelEdit:
		return e.FromFullSync
	case *events.LabelAssociationChat:
		return e.FromFullSync
	case *events.LabelAssociationMessage:
		return e.FromFullSync
	}
	return false
}

// sawLabels notes what a full reading brought.
func (c *client) sawLabels(items []dispatch.Item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, item := range items {
		if item.Label != nil && c.labels.seen != nil {
			c.labels.seen[keyOf(item.Label)] = true
		}
	}
}

// refreshLabels reads all labels again after an unclean stop or a failure to
// record. The store drops what it has already, so that differences become
// events; what is stored but did not come again is gone.
func (c *client) refreshLabels(ctx context.Context) {
	c.mu.Lock()
	stale := c.labels.stale
	if stale {
		c.labels.stale, c.labels.seen = false, make(map[labelKey]bool)
	}
	c.mu.Unlock()
	if !stale {
		return
	}
	err := c.wm.FetchAppState(ctx, labelCollection, true, false)
	c.mu.Lock()
	seen := c.labels.seen
	c.labels.seen = nil
	c.labels.stale = c.labels.stale || err != nil
	c.mu.Unlock()
	if err == nil {
		err = c.dropUnseen(ctx, seen)
	}
	if err != nil && ctx.Err() == nil {
		c.log.Warn("the labels could not be read whole", "error", err)
	}
}

// dropUnseen tells the end of stored labels and assignments that a full reading
// did not bring.
func (c *client) dropUnseen(ctx context.Context, seen map[labelKey]bool) error {
	if c.engine.opts.Labels == nil {
		return nil
	}
	stored, err := c.engine.opts.Labels.Labels(ctx, c.spec.ID)
	if err != nil {
		return err
	}
	for _, r := range stored {
		if active := r.ChatJID == "" && !r.Deleted || r.ChatJID != "" && r.Labeled; active && !seen[keyOf(&r)] {
			c.insistOn([]dispatch.Item{ended(r, time.Now().UTC().Truncate(time.Millisecond))})
		}
	}
	return nil
}

// ended is the item of a label that was deleted, or taken off, unnoticed.
func ended(r dispatch.LabelRecord, at time.Time) dispatch.Item {
	data := &event.Label{Type: "edit", LabelID: r.LabelID, Action: "deleted", Timestamp: at}
	if r.ChatJID == "" {
		r.Deleted = true
		data.Name, data.Color, data.Deleted = &r.Name, &r.Color, &r.Deleted
		return dispatch.Item{Data: data, Label: &r}
	}
	r.Labeled = false
	data.Type, data.Action = "chat", "remove"
	data.ChatJID, data.MessageID, data.Labeled = r.ChatJID, r.MessageID, &r.Labeled
	if r.MessageID != "" {
		data.Type = "message"
	}
	return dispatch.Item{Data: data, Label: &r}
}
