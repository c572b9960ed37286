package wa

import (
	"context"
	"maps"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

// directory answers what conversions ask, from memory and the local stores.
// A store that fails is logged and answers nothing: an event without a name is
// better than no event.
type directory struct{ c *client }

var _ waconv.Directory = directory{}

// Self implements waconv.Directory.
func (d directory) Self() (pn, lid types.JID) {
	me := d.c.me()
	return me.device.ToNonAD(), me.lid.ToNonAD()
}

// Alternate implements waconv.Directory.
func (d directory) Alternate(j types.JID) types.JID {
	if d.c.wm.Store.LIDs == nil {
		return types.JID{} // not paired yet
	}
	alternate, err := d.c.wm.Store.GetAltJID(d.c.life, j)
	if err != nil {
		d.c.log.Warn("an address could not be mapped", "error", err)
		return types.JID{}
	}
	return alternate.ToNonAD()
}

// Name implements waconv.Directory: the name saved on the phone, else a
// business's, else what they call themselves, else what was stored earlier.
func (d directory) Name(j types.JID) string {
	if me := d.c.me(); j == me.device.ToNonAD() || j == me.lid.ToNonAD() {
		return me.pushName
	}
	if d.c.wm.Store.Contacts != nil && j.Server != types.NewsletterServer {
		contact, err := d.c.wm.Store.Contacts.GetContact(d.c.life, j)
		if err != nil {
			d.c.log.Warn("a contact could not be read", "error", err)
		}
		for _, name := range []string{contact.FullName, contact.BusinessName, contact.PushName, contact.FirstName} {
			if name != "" {
				return name
			}
		}
	}
	return d.c.storedName(j)
}

// Group implements waconv.Directory.
func (d directory) Group(j types.JID) waconv.Group {
	d.c.mu.Lock()
	entry, ok := d.c.groups[j]
	d.c.mu.Unlock()
	if ok {
		return entry
	}
	return waconv.Group{Name: d.c.storedName(j)}
}

// PollOptions implements waconv.Directory: it reads the poll back from the
// stored messages.
func (d directory) PollOptions(_ types.JID, messageID string) []string {
	if d.c.engine.opts.Messages == nil {
		return nil
	}
	quote, found, err := d.c.engine.opts.Messages.GetQuote(d.c.life, d.c.spec.ID, messageID)
	if err != nil {
		d.c.log.Warn("a poll could not be read", "message", messageID, "error", err)
	}
	var m waE2E.Message
	if !found || proto.Unmarshal(quote.Raw, &m) != nil {
		return nil
	}
	return waconv.PollOptions(&m)
}

// Open implements waconv.Directory.
func (d directory) Open(evt *events.Message) (opened waconv.Opened) {
	ctx, wm := d.c.life, d.c.wm
	var err error
	switch {
	case evt.Message.GetPollUpdateMessage() != nil:
		opened.Vote, err = wm.DecryptPollVote(ctx, evt)
	case evt.Message.GetEncReactionMessage() != nil:
		opened.Reaction, err = wm.DecryptReaction(ctx, evt)
	case evt.Message.GetSecretEncryptedMessage() != nil:
		opened.Edited, err = wm.DecryptSecretEncryptedMessage(ctx, evt)
	}
	if err != nil {
		d.c.log.Warn("the second layer of a message could not be decrypted", "message", evt.Info.ID, "error", err)
		return waconv.Opened{}
	}
	return opened
}

// Now implements waconv.Directory.
func (directory) Now() time.Time { return time.Now() }

// storedName asks the gateway's own store.
func (c *client) storedName(j types.JID) string {
	if c.engine.opts.Names == nil {
		return ""
	}
	name, err := c.engine.opts.Names.Name(c.life, c.spec.ID, j.String())
	if err != nil && c.life.Err() == nil {
		c.log.Warn("a name could not be read", "error", err)
	}
	return name
}

// groupWait bounds how long an event waits for the name of a group that was
// never seen before.
const groupWait = 3 * time.Second

// meetGroup makes a group known before something in it is told. An unknown one
// is asked for at once; of one whose name is stored only the rest is read,
// beside the event.
func (c *client) meetGroup(chat types.JID) {
	if chat.Server != types.GroupServer {
		return
	}
	c.mu.Lock()
	_, known := c.groups[chat]
	c.mu.Unlock()
	if known {
		return
	}
	name := c.storedName(chat)
	c.keepGroup(chat, waconv.Group{Name: name})
	if name != "" {
		c.later(func(ctx context.Context) { c.fetchGroup(ctx, chat) })
		return
	}
	ctx, cancel := context.WithTimeout(c.life, groupWait)
	defer cancel()
	c.fetchGroup(ctx, chat)
}

// fetchGroup asks WhatsApp about a group and remembers the answer.
func (c *client) fetchGroup(ctx context.Context, chat types.JID) {
	info, err := c.wm.GetGroupInfo(ctx, chat)
	if err != nil {
		c.log.Debug("a group could not be read", "group", chat.String(), "error", err)
		return
	}
	c.learnGroup(info)
	name := dispatch.NameRecord{JID: chat.String(), Name: info.Name}
	if err := c.engine.publisher.Publish(ctx, c.spec.ID, dispatch.Item{Names: []dispatch.NameRecord{name}}); err != nil {
		c.log.Warn("the name of a group could not be stored", "group", chat.String(), "error", err)
	}
}

func (c *client) learnGroup(info *types.GroupInfo) {
	c.keepGroup(info.JID, waconv.Group{Name: info.Name, Announcements: info.IsDefaultSubGroup})
}

// forgetNameless lets groups whose name could not be read be asked for again.
func (c *client) forgetNameless() {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.groups, func(_ types.JID, g waconv.Group) bool { return g.Name == "" })
}

func (c *client) keepGroup(chat types.JID, g waconv.Group) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.groups == nil {
		c.groups = make(map[types.JID]waconv.Group)
	}
	c.groups[chat.ToNonAD()] = g
}
