package wasim

import (
	"strconv"

	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/types"
)

// location is the data centre that answers name.
const location = "sim"

// login answers the payload of a client that says it is linked.
func (c *conn) login(payload *waWa6.ClientPayload) {
	s := c.server
	d := s.linkedDevice(payload)
	if d == nil || d.noiseKey != c.clientKey {
		c.end(loginFailure(401, nil))
		return
	}
	if n := d.account.faults.takeLoginFailure(d.id); n != nil {
		c.end(*n)
		return
	}
	c.device = d
	if old := d.outbox.attach(c); old != nil {
		old.end(streamError("", conflict("replaced")))
	}
	c.send(Node{Tag: "success", Attrs: Attrs{
		"t": timestamp(s.now()), "lid": d.lid(), "props": "1", "location": location,
		"creation": timestamp(d.linkedAt), "display_name": d.account.pushName(),
	}})
	if !payload.GetPassive() {
		c.activate()
	}
}

// linkedDevice is the device a login payload names, or nil.
func (s *Server) linkedDevice(payload *waWa6.ClientPayload) *device {
	a := s.accounts.number(strconv.FormatUint(payload.GetUsername(), 10))
	if a == nil || payload.GetDevice() > 255 {
		return nil
	}
	return a.companion(uint16(payload.GetDevice()))
}

// loginFailure refuses a login. Reasons (whatsmeow: types/events/events.go, connectionevents.go): 401 logged out, 402
// temporary ban with code and expire (seconds), 403 banned, 405 client outdated, 406 unknown logout, 409 bad user
// agent, 500 and 503 try again.
func loginFailure(reason int, more Attrs) Node {
	return Node{Tag: "failure", Attrs: withAttrs(Attrs{"reason": strconv.Itoa(reason), "location": location}, more)}
}

// handleKeepAlive answers the ping.
func handleKeepAlive(c *conn, iq *Node) { c.send(result(iq)) }

// handlePassive starts or stops deliveries to the client.
func handlePassive(c *conn, iq *Node) {
	switch firstChild(iq).Tag {
	case "active":
		c.send(result(iq))
		c.activate()
	case "passive":
		c.device.outbox.deactivate(c)
		c.send(result(iq))
	default:
		c.unanswerable(iq)
	}
}

// activate sends what waits for the client and, the first time in the device's life, lets its phone greet it.
func (c *conn) activate() {
	d := c.device
	if !d.outbox.activate(c) {
		return
	}
	for _, greet := range c.server.router.linked {
		d.account.phone.do(func() { greet(d.account.phone, d) })
	}
}

// handleAck forgets what the client has acknowledged. An ack with an error is an ack: the client did not want it.
func handleAck(c *conn, n *Node) {
	c.device.outbox.acknowledged(stringAttr(n, "class"), n)
}

// devicesChanged tells every client that keeps the account's device list that a device came or went, once for the
// number and once for the hidden identity. The hash is over the new list (whatsmeow:
// notification.go/handleDeviceNotification, send.go/participantListHashV2). An unrelated client also wants the device's
// key index and the key-index-list.
func (a *account) devicesChanged(action string, d *device) {
	keyIndexes := a.phone.keyIndexList()
	for _, jidOf := range []func(uint16) types.JID{a.jid, a.lidJID} {
		list := make([]types.JID, 0, maxCompanions+1)
		for _, id := range a.deviceNumbers() {
			list = append(list, jidOf(id))
		}
		change := Node{Tag: action, Attrs: Attrs{"device_hash": deviceHash(list)}, Content: []Node{
			{Tag: "device", Attrs: Attrs{"jid": jidOf(d.id), "key-index": strconv.FormatUint(uint64(d.keyIndex), 10)}},
			keyIndexes,
		}}
		for _, watcher := range a.watching() {
			except := noDevice
			if watcher == a {
				except = d.id
			}
			watcher.deliverCompanions(a.server.notification("devices", jidOf(0), nil, change), except)
		}
	}
}
