package wa

import "context"

// chores are small requests to WhatsApp that follow from events and must not
// hold up the event queue. One at a time is under way, so that a flood of
// events does not become a flood of requests. Guarded by client.mu.
type chores struct {
	waiting []func(context.Context)
	running bool
}

// later runs the chore after those that wait already. The worker ends with its
// work: an idle client has none.
func (c *client) later(chore func(context.Context)) {
	c.mu.Lock()
	c.chores.waiting = append(c.chores.waiting, chore)
	start := !c.chores.running
	c.chores.running = true
	c.mu.Unlock()
	if start {
		c.spawn(c.doChores)
	}
}

func (c *client) doChores(ctx context.Context) {
	for {
		c.mu.Lock()
		if len(c.chores.waiting) == 0 || ctx.Err() != nil {
			c.chores = chores{}
			c.mu.Unlock()
			return
		}
		next := c.chores.waiting[0]
		c.chores.waiting = c.chores.waiting[1:]
		c.mu.Unlock()
		next(ctx)
	}
}
