package wa

import (
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/instance"
)

// identity is who we are. It is kept beside the library's device, whose fields
// change without a lock while other goroutines read them. Guarded by client.mu.
type identity struct {
	device       types.JID // with device part; zero while not linked
	lid          types.JID
	pushName     string
	businessName string
	picture      string // URL
	pictureRead  bool   // else the one in the stored login counts, which may be old
}

func identityOf(d *store.Device) identity {
	return identity{device: d.GetJID(), lid: d.GetLID(), pushName: d.PushName, businessName: d.BusinessName}
}

func (c *client) me() identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.self
}

// learnSelf takes over what an event says about ourselves. It runs in the
// goroutine that changed the library's device.
func (c *client) learnSelf(evt any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e := evt.(type) {
	case *events.PairSuccess:
		c.self = identity{device: e.ID, lid: e.LID, businessName: e.BusinessName}
	case *events.Connected:
		c.self.lid = c.wm.Store.GetLID() // the login may have brought it
	case *events.PushNameSetting:
		c.self.pushName = e.Action.GetName()
	}
}

// login is the linked device as far as known.
func (c *client) login() instance.Login {
	me := c.me()
	l := instance.Login{PushName: me.pushName, BusinessName: me.businessName, PictureURL: me.picture}
	if !me.device.IsEmpty() {
		l.DeviceJID = me.device.String()
	}
	if !me.lid.IsEmpty() {
		l.LID = me.lid.String()
	}
	return l
}
