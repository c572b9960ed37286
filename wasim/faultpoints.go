package wasim

import (
	"sync"
	"sync/atomic"
	"time"
)

// faults is what is to go wrong for one account. Each field is consulted at one place of the core:
//
//	delay        conn.due: when a stanza for the account's clients may leave
//	loseAcks     outbox.acknowledged: the next acknowledgements of something pending are ignored (a receipt is still forwarded)
//	nextLogin    conn.login: the answer to the next login, instead of success; logins: to that of one device
//
// and besides them
//
//	outbox.redeliver   sends the last delivered messages again
//	outbox.reorder     holds the next messages and sends them in reverse
//	device.endConnection, device.dropConnection, account.unlink    at once
//	Server.downUntil   connections are refused
type faults struct {
	delay atomic.Int64 // time.Duration

	mu        sync.Mutex // guards the fields below
	loseAcks  int
	nextLogin *Node            // of any device
	logins    map[uint16]*Node // of one device
}

func (f *faults) due(now time.Time) time.Time {
	d := time.Duration(f.delay.Load())
	if d == 0 {
		return time.Time{}
	}
	return now.Add(d)
}

// loseAck reports whether this acknowledgement is to be lost.
func (f *faults) loseAck() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loseAcks == 0 {
		return false
	}
	f.loseAcks--
	return true
}

func (f *faults) setLoseAcks(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loseAcks = n
}

// takeLoginFailure returns the answer to this login of a device, if it is not to succeed.
func (f *faults) takeLoginFailure(dev uint16) *Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.logins[dev]; n != nil {
		delete(f.logins, dev)
		return n
	}
	n := f.nextLogin
	f.nextLogin = nil
	return n
}

// failNextLogin makes the next login of any of the account's devices end with n.
func (f *faults) failNextLogin(n Node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nextLogin = &n
}

// failLoginOf makes the next login of one device end with n.
func (f *faults) failLoginOf(dev uint16, n Node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.logins == nil {
		f.logins = map[uint16]*Node{}
	}
	f.logins[dev] = &n
}

// redeliver sends the last count delivered messages again, oldest first, as a server does that missed their
// acknowledgements. It returns how many that were.
func (o *outbox) redeliver(count int) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conn == nil || !o.active {
		return 0
	}
	again := o.recent[max(0, len(o.recent)-count):]
	o.pushAll(again, nil)
	return len(again)
}

// reorder holds the next count messages back and sends them in reverse when all are there.
func (o *outbox) reorder(count int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hold = count
}
