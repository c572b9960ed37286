package wa

import (
	"runtime/debug"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

// handle is the library's event handler. False leaves a message, receipt or
// group change unacknowledged, so that WhatsApp sends it again after the next
// connect. A panic must count as false: the library takes it for success.
func (c *client) handle(evt any) (done bool) {
	if !c.enter() {
		return false
	}
	defer c.work.Done()
	defer func() {
		if cause := recover(); cause != nil {
			done = c.panicked(evt, cause)
		}
	}()
	c.tellConnection(evt)
	switch e := evt.(type) {
	case *events.Message:
		return c.onMessage(e)
	case *events.UndecryptableMessage:
		c.onUndecryptable(e)
	case *events.Receipt:
		return c.onReceipt(e)
	case *events.GroupInfo:
		return c.onGroupInfo(e)
	case *events.JoinedGroup:
		c.learnGroup(&e.GroupInfo)
		return c.record(evt)
	case *events.Picture:
		c.onPicture(e)
	case *events.CallOffer:
		c.insist(evt)
		c.rejectCall(e)
	case *events.MediaRetry:
		c.uploads.answered(e)
	case *events.LabelEdit, *events.LabelAssociationChat, *events.LabelAssociationMessage:
		c.onLabel(evt)
	default:
		c.insist(evt)
	}
	return true
}

func (c *client) onMessage(e *events.Message) bool {
	if e.Info.IsFromMe && e.Info.Sender.Device == 0 {
		c.phoneSeen(e.Info.Timestamp)
	}
	if notice := e.Message.GetProtocolMessage().GetHistorySyncNotification(); notice != nil && e.Info.IsFromMe {
		c.readHistory(notice)
		return true
	}
	if c.ignored(e.Info.Chat) {
		return true
	}
	c.meetGroup(e.Info.Chat)
	if e.UnavailableRequestID != "" {
		c.insist(e) // the library acknowledges the phone's answer in any case
	} else if !c.record(e) {
		return false
	}
	c.settle(e.Info.ID)
	c.autoRead(e)
	return true
}

func (c *client) onReceipt(e *events.Receipt) bool {
	if e.IsFromMe && e.Sender.Device == 0 {
		c.phoneSeen(e.Timestamp)
	}
	if e.Chat == types.StatusBroadcastJID && c.ignored(e.Chat) {
		return true
	}
	c.awaitSends(e.MessageIDs)
	return c.record(e)
}

func (c *client) onPicture(e *events.Picture) {
	if e.JID.ToNonAD() == c.me().device.ToNonAD() {
		c.spawn(c.refreshPicture)
	}
	c.insist(e)
}

// convert turns an event into items; the caller holds recording, so that
// events are numbered in the order in which they were converted.
func (c *client) convert(evt any) []dispatch.Item { return waconv.Convert(evt, directory{c}) }

// record publishes what an event means. After a failure everything that
// WhatsApp will repeat is refused until the next connect, to keep its order.
func (c *client) record(evt any) bool {
	c.recording.Lock()
	defer c.recording.Unlock()
	items := c.convert(evt)
	if len(items) == 0 {
		return true
	}
	if c.refusing() {
		return false
	}
	if err := c.engine.publisher.Publish(c.life, c.spec.ID, items...); err != nil {
		c.troubled(err)
		return false
	}
	c.untroubled()
	return true
}

// insist publishes what WhatsApp will not repeat, trying again for a while.
func (c *client) insist(evt any) {
	c.recording.Lock()
	items := c.convert(evt)
	c.recording.Unlock()
	c.insistOn(items)
}

// insistPauses are the waits between the tries of insist. Their sum stays below
// the five minutes after which the library goes on with the next event.
var insistPauses = []time.Duration{
	50 * time.Millisecond, 200 * time.Millisecond, time.Second, 4 * time.Second, 15 * time.Second, 30 * time.Second,
}

// insistOn reports whether the items were recorded in the end.
func (c *client) insistOn(items []dispatch.Item) bool {
	if len(items) == 0 {
		return true
	}
	for try := 0; ; try++ {
		c.recording.Lock()
		err := c.engine.publisher.Publish(c.life, c.spec.ID, items...)
		c.recording.Unlock()
		if err == nil {
			return true
		}
		c.engine.stats.recordFailures.Add(1)
		if try == len(insistPauses) || !c.pause(insistPauses[try]) {
			c.engine.stats.lost.Add(1)
			c.log.Error("an event could not be recorded and is lost", "error", err)
			return false
		}
	}
}

// pause waits, and reports false when the client is closed meanwhile.
func (c *client) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.life.Done():
		return false
	}
}

// ignored reports whether the settings drop what happens in the chat.
func (c *client) ignored(chat types.JID) bool {
	s := c.currentSettings()
	return s.IgnoreGroupMessages && chat.Server == types.GroupServer ||
		s.IgnoreStatus && chat == types.StatusBroadcastJID
}

// panicked handles a panic in a handler; what it returns is the handler's
// answer to the library.
func (c *client) panicked(evt any, cause any) bool {
	c.engine.stats.handlerPanics.Add(1)
	c.log.Error("an event handler panicked", "cause", cause, "stack", string(debug.Stack()))
	message, ok := evt.(*events.Message)
	if ok && c.poisonous(message.Info.ID) {
		return c.insistOn([]dispatch.Item{c.placeholder(message.Info, "unreadable")})
	}
	c.troubled(errPanicked)
	return false
}
