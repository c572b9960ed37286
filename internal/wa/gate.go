package wa

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// gate keeps sending and decrypting of one device apart. whatsmeow reads the
// Signal sessions of all recipients, encrypts, and writes them back, without a
// lock against the decryption that changes the same sessions meanwhile; then
// one side's step of the ratchet is lost, and with it messages.
//
// Decryption holds the gate for its transaction. A send holds it from reading
// the sessions to writing them back: not while it waits for WhatsApp's
// acknowledgement, but while it fetches keys for devices without a session.
// The gate comes before the database: it is never taken inside a transaction.
type gate struct {
	mu    sync.Mutex
	swept atomic.Int64 // Unix nanoseconds: when sent messages were swept
}

// pass lets one send through the gate. It belongs to one goroutine.
type pass struct {
	gate *gate
	held bool
}

type passKey struct{}

// withPass returns a context for one send, and the pass to release after it.
func (g *gate) withPass(ctx context.Context) (context.Context, *pass) {
	p := &pass{gate: g}
	return context.WithValue(ctx, passKey{}, p), p
}

func passOf(ctx context.Context) *pass {
	p, _ := ctx.Value(passKey{}).(*pass)
	return p
}

func (p *pass) acquire() {
	if p != nil && !p.held {
		p.gate.mu.Lock()
		p.held = true
	}
}

func (p *pass) release() {
	if p != nil && p.held {
		p.held = false
		p.gate.mu.Unlock()
	}
}

// gatedSessions holds the gate between the reading and the writing of a send,
// and mends what a decryption writes.
type gatedSessions struct {
	store.SessionStore
	gate *gate
}

func (s gatedSessions) GetManySessions(ctx context.Context, addresses []string) (map[string][]byte, error) {
	passOf(ctx).acquire()
	return s.SessionStore.GetManySessions(ctx, addresses)
}

func (s gatedSessions) PutManySessions(ctx context.Context, sessions map[string][]byte) error {
	defer passOf(ctx).release()
	return s.SessionStore.PutManySessions(ctx, sessions)
}

func (s gatedSessions) MigratePNToLID(ctx context.Context, pn, lid types.JID) error {
	if p := passOf(ctx); p == nil || !p.held {
		s.gate.mu.Lock()
		defer s.gate.mu.Unlock()
	}
	return s.SessionStore.MigratePNToLID(ctx, pn, lid)
}

// gatedBuffer holds the gate while a message is decrypted.
type gatedBuffer struct {
	store.EventBuffer
	gate *gate
}

// sweepPause is how often old copies of sent messages are deleted.
const sweepPause = 12 * time.Hour

// DeleteOldOutgoingEvents runs at the pause that the library means to keep: it
// forgets to note the time, and would sweep the table at every send.
func (b gatedBuffer) DeleteOldOutgoingEvents(ctx context.Context) error {
	now, last := time.Now().UnixNano(), b.gate.swept.Load()
	if now-last < int64(sweepPause) || !b.gate.swept.CompareAndSwap(last, now) {
		return nil
	}
	return b.EventBuffer.DeleteOldOutgoingEvents(ctx)
}

func (b gatedBuffer) DoDecryptionTxn(ctx context.Context, decrypt func(context.Context) error) error {
	b.gate.mu.Lock()
	defer b.gate.mu.Unlock()
	return b.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
		return decrypt(withReadSessions(ctx))
	})
}

// gatedContainer puts the gate around the stores of a device that is saved for
// the first time, when whatsmeow gives it its stores, and wipes a login without
// touching the device in use.
type gatedContainer struct {
	store.DeviceContainer
	gate *gate
}

func (c gatedContainer) PutDevice(ctx context.Context, device *store.Device) error {
	err := c.DeviceContainer.PutDevice(ctx, device)
	c.gate.guard(device)
	return err
}

// errWiped keeps the library from emptying a device that its own goroutines
// still read: Device.Delete changes fields without a lock, and only after the
// container has agreed. The stored login is gone all the same.
var errWiped = errors.New("wa: the stored login is wiped; the client goes on until it is closed")

// DeleteDevice wipes the stored login, even when the connection's context has
// ended, and returns errWiped when that is done.
func (c gatedContainer) DeleteDevice(ctx context.Context, device *store.Device) error {
	if err := c.DeviceContainer.DeleteDevice(context.WithoutCancel(ctx), device); err != nil {
		return err
	}
	return errWiped
}

// guard puts the gate around the device's stores. It may be repeated.
func (g *gate) guard(device *store.Device) {
	if _, done := device.Container.(gatedContainer); !done {
		device.Container = gatedContainer{device.Container, g}
	}
	if device.Sessions == nil {
		return
	}
	if _, done := device.Sessions.(gatedSessions); !done {
		device.Sessions = gatedSessions{device.Sessions, g}
		device.EventBuffer = gatedBuffer{device.EventBuffer, g}
	}
}
