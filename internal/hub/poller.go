package hub

import "net"

// startPoller starts the poller where there is one. Without it every client is
// served in the portable form. Hub.mu is held.
func (h *Hub) startPoller() {
	if h.opts.Portable {
		return
	}
	p, err := newPoller(h)
	if err != nil {
		h.log.Warn("WebSocket clients are served by goroutines", "error", err)
		return
	}
	h.poller = p
	if p != nil {
		h.wg.Go(p.run)
	}
}

// stopPoller ends it after the last client.
func (h *Hub) stopPoller() {
	h.mu.Lock()
	p := h.poller
	h.mu.Unlock()
	if p != nil {
		p.stop()
	}
}

// poll gives an admitted client to the poller, which becomes its reader. It
// reports false, with nothing done, when the client has to be served in the
// portable form.
func (h *Hub) poll(c *client, conn net.Conn) bool {
	tcp, ok := plainTCP(conn)
	if !ok || h.poller == nil {
		return false
	}
	if err := h.poller.adopt(c, tcp); err != nil {
		h.log.Warn("WebSocket client is served by a goroutine", "client_id", c.id, "error", err)
		return false
	}
	return true
}

// polledNow is how many clients the poller has.
func (h *Hub) polledNow() int {
	h.mu.Lock()
	p := h.poller
	h.mu.Unlock()
	if p == nil {
		return 0
	}
	return int(p.count.Load())
}
