package wa

import (
	"context"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

func (c *client) currentSettings() instance.Settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settings
}

// Apply implements instance.Client.
func (c *client) Apply(ctx context.Context, s instance.Settings) {
	c.mu.Lock()
	switched := c.settings.KeepOnlineStatus != s.KeepOnlineStatus
	c.settings = s
	c.mu.Unlock()
	if switched && c.loggedIn() {
		c.announce(ctx)
	}
}

// Presence implements instance.Client.
func (c *client) Presence() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.typists > 0 {
		return string(types.ChatPresenceComposing)
	}
	return c.presence
}

func (c *client) notePresence(p string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.presence = p
}

// announce sends our presence as the settings want it. Offline is announced
// too: it is how WhatsApp learns our push name. Without a push name, as right
// after pairing, it cannot be sent; it is sent when the name arrives.
func (c *client) announce(ctx context.Context) {
	if c.me().pushName == "" {
		return
	}
	presence := types.PresenceUnavailable
	if c.currentSettings().KeepOnlineStatus {
		presence = types.PresenceAvailable
	}
	if err := c.wm.SendPresence(ctx, presence); err != nil {
		if ctx.Err() == nil {
			c.log.Warn("presence could not be sent", "error", err)
		}
		return
	}
	c.notePresence(string(presence))
}

// autoRead queues a read receipt for a message of somebody else.
func (c *client) autoRead(e *events.Message) {
	if !c.currentSettings().AutoReadMessages || e.Info.IsFromMe || e.Info.Chat == types.StatusBroadcastJID {
		return
	}
	info := e.Info
	c.later(func(ctx context.Context) { // the first asks WhatsApp for the privacy settings
		err := c.wm.MarkRead(ctx, []types.MessageID{info.ID}, time.Now(), info.Chat, info.Sender)
		if err != nil && ctx.Err() == nil {
			c.log.Warn("a message could not be marked as read", "message", info.ID, "error", err)
		}
	})
}

// rejectCall refuses a call if the settings say so, tells it as an event, and
// writes to the caller.
func (c *client) rejectCall(offer *events.CallOffer) {
	s := c.currentSettings()
	if !s.AutoRejectCalls {
		return
	}
	if err := c.wm.RejectCall(c.life, offer.CallCreator, offer.CallID); err != nil {
		c.log.Warn("a call could not be rejected", "call", offer.CallID, "error", err)
		return
	}
	c.insistOn([]dispatch.Item{waconv.AutomaticReject(offer, time.Now(), directory{c})})
	if s.CallRejectMessage != "" {
		caller := c.recipient(offer.CallCreator.ToNonAD(), offer.CallCreatorAlt.ToNonAD())
		c.spawn(func(ctx context.Context) { c.answerCaller(ctx, caller, s.CallRejectMessage) })
	}
}

// answerCaller sends the text of the settings. Its event has no source: it was
// not sent through the API.
func (c *client) answerCaller(ctx context.Context, to message.Recipient, text string) {
	_, err := c.Send(ctx, message.Outgoing{ID: c.NewID(), To: to, Text: text})
	if err != nil {
		c.log.Warn("the caller could not be written to", "error", err)
	}
}

// recipient describes a person by both addresses, as far as known.
func (c *client) recipient(jids ...types.JID) message.Recipient {
	var pn, lid types.JID
	for _, j := range jids {
		switch j.Server {
		case types.DefaultUserServer:
			pn = j
		case types.HiddenUserServer:
			lid = j
		}
	}
	d := directory{c}
	if pn.IsEmpty() && !lid.IsEmpty() {
		pn = d.Alternate(lid)
	}
	if lid.IsEmpty() && !pn.IsEmpty() {
		lid = d.Alternate(pn)
	}
	r := message.Recipient{Type: event.ChatPrivate}
	if !lid.IsEmpty() {
		r.JID, r.LID = lid.String(), lid.String()
	}
	if !pn.IsEmpty() {
		r.JID = pn.String()
	}
	return r
}
