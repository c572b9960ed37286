package wa

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

// outlet hands signals to the supervisor one at a time and, once shut, not any
// more.
type outlet struct {
	mu      sync.Mutex // held while a signal is delivered
	up      bool
	deliver func(instance.Signal)
}

func (o *outlet) open() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.up = true
}

// shut returns when no signal is being delivered and none will be.
func (o *outlet) shut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.up = false
}

func (o *outlet) send(s instance.Signal) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.up {
		o.deliver(s)
	}
}

func (c *client) signal(s instance.Signal) {
	if s.At.IsZero() {
		s.At = time.Now()
	}
	c.signals.send(s)
}

// tellConnection reports what an event says about the connection, and does
// what follows from it.
func (c *client) tellConnection(evt any) {
	c.learnSelf(evt)
	switch evt.(type) {
	case *events.ManualLoginReconnect:
		c.spawn(c.relogin)
		return
	case *events.PushNameSetting:
		c.profileChanged()
		return
	case *events.Disconnected:
		if c.replaced() {
			return
		}
		c.setOnline(false)
	case *events.PairError:
		defer c.pairingEnded()
	case *events.PairSuccess:
		defer c.pairingEnded()
		c.mu.Lock()
		c.labels = labelState{paired: time.Now().Truncate(time.Millisecond)} // as fine as label times
		c.mu.Unlock()
	}
	s, ok := waconv.ToSignal(evt)
	if !ok {
		return
	}
	switch s.Kind {
	case instance.SignalConnected:
		c.setOnline(true)
		s.Login = c.login()
	case instance.SignalPaired:
		s.Login = c.login()
	case instance.SignalDisconnected:
		s.Reason = c.takeResetReason(s.Reason)
	}
	c.signal(s)
	if s.Kind == instance.SignalConnected {
		c.connected()
	}
}

// connected does what every login brings with it, beside the event queue.
func (c *client) connected() {
	c.forgetNameless()
	c.spawn(func(ctx context.Context) {
		c.announce(ctx)
		c.refreshPicture(ctx)
		c.refreshLabels(ctx)
	})
}

// reset closes the connection as if it had broken, so that SignalDisconnected
// follows with the reason.
func (c *client) reset(reason string) {
	c.mu.Lock()
	c.trouble.reason = reason
	c.mu.Unlock()
	c.engine.stats.resets.Add(1)
	c.spawn(func(context.Context) { c.wm.ResetConnection() })
}

func (c *client) takeResetReason(otherwise string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	reason := c.trouble.reason
	c.trouble.reason = ""
	if reason == "" {
		return otherwise
	}
	return reason
}

// profileChanged reacts to a new push name: presence could not be sent without
// one. The picture is read before the profile is told, so that it is whole.
func (c *client) profileChanged() {
	c.spawn(func(ctx context.Context) {
		c.announce(ctx)
		c.refreshPicture(ctx)
		c.signal(instance.Signal{Kind: instance.SignalProfile, Login: c.login()})
	})
}

// refreshPicture reads our own profile picture; no picture is an empty URL. The
// first reading is always told: the picture of the stored login may have been
// removed since.
func (c *client) refreshPicture(ctx context.Context) {
	info, err := c.wm.GetProfilePictureInfo(ctx, c.me().device.ToNonAD(), nil)
	if err != nil && !errors.Is(err, whatsmeow.ErrProfilePictureNotSet) {
		c.log.Debug("the profile picture could not be read", "error", err)
		return
	}
	url := ""
	if info != nil {
		url = info.URL
	}
	c.mu.Lock()
	changed := c.self.picture != url || !c.self.pictureRead
	c.self.picture, c.self.pictureRead = url, true
	c.mu.Unlock()
	if changed {
		c.signal(instance.Signal{Kind: instance.SignalProfile, Login: c.login()})
	}
}

// phoneStep is how much newer a sign of life must be to be told.
const phoneStep = time.Minute

// phoneSeen tells that the phone was alive at the given time.
func (c *client) phoneSeen(at time.Time) {
	c.mu.Lock()
	news := at.Sub(c.phone) >= phoneStep
	if news {
		c.phone = at
	}
	c.mu.Unlock()
	if news {
		c.signal(instance.Signal{Kind: instance.SignalPhoneSeen, At: at})
	}
}
