package wasim

import (
	"time"

	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/types"
)

// device is a companion as the server sees it.
type device struct {
	account      *account
	id           uint16 // 1 to 255; the phone is 0 and not a device in this sense
	keyIndex     uint32
	identity     [32]byte // Signal identity key
	noiseKey     [32]byte // the key it logs in with
	registration []byte   // Signal registration id, 4 bytes big-endian
	props        *waCompanionReg.DeviceProps
	linkedAt     time.Time
	shelf        *preKeyShelf
	outbox       *outbox
}

func (d *device) jid() types.JID { return d.account.jid(d.id) }
func (d *device) lid() types.JID { return d.account.lidJID(d.id) }

// endConnection ends the device's connection, if it has one, with a last stanza.
func (d *device) endConnection(n Node) {
	if c := d.outbox.connection(); c != nil {
		c.end(n)
	}
}

// dropConnection cuts the device's connection, if it has one.
func (d *device) dropConnection() {
	if c := d.outbox.connection(); c != nil {
		c.drop()
	}
}

// streamError is the stanza that ends a stream (whatsmeow: connectionevents.go/handleStreamError).
func streamError(code string, children ...Node) Node {
	n := Node{Tag: "stream:error", Attrs: Attrs{}}
	if code != "" {
		n.Attrs["code"] = code
	}
	if len(children) > 0 {
		n.Content = children
	}
	return n
}

// conflict is the reason inside a stream:error: "replaced" or "device_removed".
func conflict(kind string) Node { return Node{Tag: "conflict", Attrs: Attrs{"type": kind}} }

// unlink removes a device from the phone's side: its connection ends, its login fails from now on, and whoever keeps
// the account's device list learns it. It reports false when the device was removed before.
func (a *account) unlink(d *device) bool {
	if !a.forget(d) {
		return false
	}
	d.endConnection(streamError("401", conflict("device_removed")))
	return true
}

// forget removes a device and leaves its connection alone.
func (a *account) forget(d *device) bool {
	if !a.remove(d) {
		return false
	}
	a.devicesChanged("remove", d)
	return true
}
