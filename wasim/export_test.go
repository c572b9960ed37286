package wasim

import (
	"time"

	"go.mau.fi/whatsmeow/types"
)

// What tests of the core reach beneath the API. Faults are scripted with Server.Fault; these are the points below it.

// SetQRTimes changes how long QR codes are valid, for clients that connect from now on.
func SetQRTimes(s *Server, first, next time.Duration) {
	s.refTimes = refTimes{first: first, next: next}
}

// FailNextLogin makes the next login of a companion of p fail.
func FailNextLogin(p *Phone, reason int, more Attrs) {
	p.account.faults.failNextLogin(loginFailure(reason, more))
}

// Drop cuts the connections of all companions of p.
func Drop(p *Phone) {
	for _, d := range p.account.linkedDevices() {
		d.dropConnection()
	}
}

// EndStream ends the connections of all companions of p with a stream:error.
func EndStream(p *Phone, code string) {
	for _, d := range p.account.linkedDevices() {
		d.endConnection(streamError(code))
	}
}

// LoseAcks makes the server ignore the next acknowledgements of p's companions.
func LoseAcks(p *Phone, count int) { p.account.faults.setLoseAcks(count) }

// Delay holds every stanza for p's companions back.
func Delay(p *Phone, d time.Duration) { p.account.faults.delay.Store(int64(d)) }

// Redeliver sends the last messages to p's first companion again.
func Redeliver(p *Phone, count int) int { return p.account.linkedDevices()[0].outbox.redeliver(count) }

// Reorder sends the next messages to p's first companion in reverse.
func Reorder(p *Phone, count int) { p.account.linkedDevices()[0].outbox.reorder(count) }

// Waiting is how many stanzas p's companions have not acknowledged.
func Waiting(p *Phone) int {
	n := 0
	for _, d := range p.account.linkedDevices() {
		d.outbox.mu.Lock()
		n += d.outbox.pending.Len()
		d.outbox.mu.Unlock()
	}
	return n
}

// PreKeysLeft is how many one-time prekeys p's first companion has on the server.
func PreKeysLeft(p *Phone) int { return p.account.linkedDevices()[0].shelf.count() }

// TakeBundle uses up a one-time prekey as another user would, and returns the bundle.
func TakeBundle(s *Server, jid types.JID) Node { return s.bundle(jid) }

// ForgetSessions makes p unable to read what is encrypted for it in existing sessions.
func ForgetSessions(p *Phone) {
	p.signal.mu.Lock()
	defer p.signal.mu.Unlock()
	p.signal.sessions = map[string][]byte{}
}

// ForgetSenderKeys makes p unable to read what is encrypted with senders' group keys.
func ForgetSenderKeys(p *Phone) {
	p.signal.mu.Lock()
	defer p.signal.mu.Unlock()
	p.signal.senderKeys = map[string][]byte{}
}

// Deliver hands a stanza to all companions of p.
func Deliver(p *Phone, n Node) { p.account.deliverCompanions(n, noDevice) }

// Arrive notes a message as received by the server at that time.
func Arrive(s *Server, id string, at time.Time) { s.arrivals.record(id, at) }
