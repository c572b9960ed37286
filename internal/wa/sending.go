package wa

import (
	"cmp"
	"context"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

var _ message.Transport = (*client)(nil)

// sendTimeout is how long a send may take, WhatsApp's acknowledgement included.
const sendTimeout = 75 * time.Second

// NewID implements message.Transport.
func (c *client) NewID() string { return c.wm.GenerateMessageID() }

// Send implements message.Transport. Once the typing time is over, ctx no
// longer stops it: a caller that hangs up must not leave half a send.
func (c *client) Send(ctx context.Context, m message.Outgoing) (message.Sent, error) {
	if !c.enter() {
		return message.Sent{}, fault.NotConnected()
	}
	defer c.work.Done()
	to, err := types.ParseJID(cmp.Or(m.To.JID, m.To.LID))
	if err != nil || to.User == "" {
		return message.Sent{}, fault.New(fault.Invalid, "Invalid number")
	}
	if err := c.showTyping(ctx, to, m.TypingTime); err != nil {
		return message.Sent{}, err
	}
	ctx, cancel := context.WithTimeout(c.life, sendTimeout)
	defer cancel()
	c.startSend(m.ID)
	defer c.endSend(m.ID)
	content := waconv.FromOutgoing(m)
	sent, err := c.deliver(ctx, to, m, content)
	if err != nil {
		return message.Sent{}, sendFault(err, m)
	}
	c.insistOn([]dispatch.Item{waconv.Outgoing(m, sent, content, directory{c})})
	return sent, nil
}

// deliver hands the message to WhatsApp and waits for its acknowledgement. The
// recipient's hidden identity is fetched first: a session that begins under the
// number and then moves loses messages.
func (c *client) deliver(ctx context.Context, to types.JID, m message.Outgoing, content *waE2E.Message) (message.Sent, error) {
	if err := c.mapRecipient(ctx, to, m.To.LID); err != nil {
		return message.Sent{}, err
	}
	ctx, pass := c.gate.withPass(ctx)
	defer pass.release()
	resp, err := c.wm.SendMessage(ctx, to, content, whatsmeow.SendRequestExtra{ID: m.ID, Timeout: sendTimeout})
	if err != nil {
		return message.Sent{}, err
	}
	pn, lid := directory{c}.Self()
	sent := message.Sent{ID: resp.ID, Timestamp: resp.Timestamp.UTC(), Sender: c.recipient(pn, lid)}
	if resp.Timestamp.Unix() <= 0 {
		sent.Timestamp = time.Now().UTC().Truncate(time.Second)
	}
	return sent, nil
}

// mapRecipient makes sure that the hidden identity behind a number is known.
func (c *client) mapRecipient(ctx context.Context, to types.JID, lid string) error {
	if to.Server != types.DefaultUserServer {
		return nil
	}
	if known, err := types.ParseJID(lid); err == nil && known.Server == types.HiddenUserServer {
		c.wm.StoreLIDPNMapping(ctx, known, to)
		return nil
	}
	if known, err := c.wm.Store.LIDs.GetLIDForPN(ctx, to); err != nil || !known.IsEmpty() {
		return err
	}
	_, err := c.wm.GetUserInfo(ctx, []types.JID{to}) // stores the mapping
	return err
}

// showTyping shows typing for a while, then that it paused.
func (c *client) showTyping(ctx context.Context, to types.JID, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	c.typing(ctx, to, types.ChatPresenceComposing)
	c.countTypists(1)
	defer c.countTypists(-1)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-c.life.Done():
	}
	c.typing(c.life, to, types.ChatPresencePaused)
	if c.life.Err() != nil {
		return fault.NotConnected()
	}
	return ctx.Err()
}

func (c *client) countTypists(change int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.typists += change
}

// typing is decoration: a failure never fails the send.
func (c *client) typing(ctx context.Context, to types.JID, state types.ChatPresence) {
	if err := c.wm.SendChatPresence(ctx, to, state, types.ChatPresenceMediaText); err != nil {
		c.log.Debug("typing could not be shown", "error", err)
	}
}

// startSend makes receipts for the message wait until endSend: they may be
// faster than our own record of it.
func (c *client) startSend(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sends == nil {
		c.sends = make(map[string]chan struct{})
	}
	c.sends[id] = make(chan struct{})
}

func (c *client) endSend(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.sends[id])
	delete(c.sends, id)
}

// receiptWait is the longest that receipts wait for the record of a send.
const receiptWait = 5 * time.Second

// awaitSends returns when none of the messages is being sent any more, or the
// wait is over.
func (c *client) awaitSends(ids []types.MessageID) {
	var timeout <-chan time.Time
	for _, id := range ids {
		c.mu.Lock()
		recorded, sending := c.sends[id]
		c.mu.Unlock()
		if !sending {
			continue
		}
		if timeout == nil {
			timeout = time.After(receiptWait)
		}
		select {
		case <-recorded:
		case <-timeout:
			return
		case <-c.life.Done():
			return
		}
	}
}
