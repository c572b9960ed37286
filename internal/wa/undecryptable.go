package wa

import (
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

// onUndecryptable reports a message without content, at once if it never comes
// (view once), else when neither a retry nor the phone has brought it in time.
func (c *client) onUndecryptable(e *events.UndecryptableMessage) {
	c.engine.stats.undecryptable.Add(1)
	c.countBurst(e)
	if c.ignored(e.Info.Chat) {
		return
	}
	c.meetGroup(e.Info.Chat)
	switch {
	case e.UnavailableType == events.UnavailableTypeViewOnce:
		c.tellMissing(e.Info, "view_once")
	case e.IsUnavailable:
		c.await(e.Info, "unavailable")
	default:
		c.await(e.Info, "undecryptable")
	}
}

// await reports the message as missing unless settle comes first. A repeated
// failure of the same message does not start the wait anew.
func (c *client) await(info types.MessageInfo, rawType string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.waiting[info.ID]; known || c.closed {
		return
	}
	if c.waiting == nil {
		c.waiting = make(map[types.MessageID]*missing)
	}
	m := &missing{info: info, rawType: rawType}
	m.timer = time.AfterFunc(c.engine.opts.PlaceholderWait, func() { c.overdue(m) })
	c.waiting[info.ID] = m
}

// missing is a message whose content may still come.
type missing struct {
	info    types.MessageInfo
	rawType string
	timer   *time.Timer
}

// settle ends the wait for a message that came after all.
func (c *client) settle(id types.MessageID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m, ok := c.waiting[id]; ok {
		m.timer.Stop()
		delete(c.waiting, id)
	}
}

func (c *client) overdue(m *missing) {
	if !c.enter() {
		return
	}
	defer c.work.Done()
	c.mu.Lock()
	current := c.waiting[m.info.ID] == m
	if current {
		delete(c.waiting, m.info.ID)
	}
	c.mu.Unlock()
	if current {
		c.tellMissing(m.info, m.rawType)
	}
}

// flushWaiting reports all waits now: nobody would after the end. It tries each
// only once, so that a store that fails does not hold up the end.
func (c *client) flushWaiting() {
	c.mu.Lock()
	waiting := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	for _, m := range waiting {
		m.timer.Stop()
		if err := c.engine.publisher.Publish(c.life, c.spec.ID, c.placeholder(m.info, m.rawType)); err != nil {
			c.engine.stats.lost.Add(1)
			c.log.Error("an undecryptable message could not be recorded", "message", m.info.ID, "error", err)
		}
	}
}

func (c *client) tellMissing(info types.MessageInfo, rawType string) {
	c.insistOn([]dispatch.Item{c.placeholder(info, rawType)})
}

func (c *client) placeholder(info types.MessageInfo, rawType string) dispatch.Item {
	c.engine.stats.placeholders.Add(1)
	return waconv.Placeholder(info, rawType, directory{c})
}

// A connection on which this many messages fail to decrypt within the window
// is told to the supervisor as a zombie.
const (
	burstSize   = 20
	burstWindow = time.Minute
)

// burst counts decryption failures. Guarded by client.mu.
type burst struct {
	began time.Time
	count int
}

// countBurst leaves out messages that were never encrypted for this device.
func (c *client) countBurst(e *events.UndecryptableMessage) {
	if e.IsUnavailable {
		return
	}
	now := time.Now()
	c.mu.Lock()
	if now.Sub(c.burst.began) > burstWindow {
		c.burst = burst{began: now}
	}
	c.burst.count++
	full := c.burst.count == burstSize
	c.mu.Unlock()
	if full {
		c.signal(instance.Signal{Kind: instance.SignalUndecryptableBurst, Count: burstSize})
	}
}
