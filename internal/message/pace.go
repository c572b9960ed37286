package message

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/chasqui/chasqui/internal/fault"
)

const (
	maxWait    = 60 * time.Second // that a call may wait for its turn
	maxWaiting = 50               // calls of one instance
	maxJitter  = 0.2              // of the interval between two paced messages
	// maxIdle is how many instances may be remembered before those that sent
	// nothing for a while are forgotten.
	maxIdle = 1024
)

// pacers spaces the messages of each instance: burst at once, then one an
// interval, in the order of the calls. It is the generic cell rate algorithm
// rather than a token bucket because the jitter must stretch the schedule
// itself: added to each wait alone it would let messages overtake each other.
type pacers struct {
	interval time.Duration // 0: not paced
	burst    int

	mu        sync.Mutex // guards what follows
	instances map[string]*pacer
}

// pacer is one instance's schedule. next is when the message after all those
// let through would be due without any burst.
type pacer struct {
	next    time.Time
	waiting int
}

func newPacers(rate, burst int) *pacers {
	p := &pacers{burst: max(burst, 1), instances: make(map[string]*pacer)}
	if rate > 0 {
		p.interval = time.Minute / time.Duration(rate)
	}
	return p
}

// wait returns when it is this call's turn. It returns a fault at once if too
// many wait, and the cause if the context or the service ends first.
func (p *pacers) wait(ctx context.Context, instanceID string, stopping <-chan struct{}) error {
	if p.interval == 0 {
		return nil
	}
	pause, err := p.reserve(instanceID)
	if err != nil || pause == 0 {
		return err
	}
	defer p.leave(instanceID)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-stopping:
		return fault.ShuttingDown()
	}
}

// reserve takes the next place in the schedule and returns how long it is
// until then. A call that waits must leave afterwards.
func (p *pacers) reserve(instanceID string) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	i := p.instance(instanceID, now)
	if i.next.Before(now) {
		i.next = now
	}
	pause := i.next.Sub(now) - time.Duration(p.burst-1)*p.interval
	if pause <= 0 {
		i.next = i.next.Add(p.interval)
		return 0, nil
	}
	if pause > maxWait || i.waiting >= maxWaiting {
		return 0, tooManyWaiting(pause)
	}
	i.waiting++
	i.next = i.next.Add(stretch(p.interval))
	return pause, nil
}

// leave is called once a call waits no longer. A place given up stays in the
// schedule: those behind it were told when their turn is.
func (p *pacers) leave(instanceID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.instances[instanceID].waiting--
}

// instance returns the schedule, forgetting idle ones when there are many.
func (p *pacers) instance(id string, now time.Time) *pacer {
	if i, ok := p.instances[id]; ok {
		return i
	}
	if len(p.instances) >= maxIdle {
		for id, i := range p.instances {
			if i.waiting == 0 && i.next.Before(now) {
				delete(p.instances, id)
			}
		}
	}
	i := &pacer{}
	p.instances[id] = i
	return i
}

func stretch(interval time.Duration) time.Duration {
	return interval + time.Duration(rand.Float64()*maxJitter*float64(interval))
}

// tooManyWaiting says when it is worth trying again: when the wait would be
// short enough, in whole seconds and at least one.
func tooManyWaiting(pause time.Duration) *fault.Error {
	return &fault.Error{
		Kind:       fault.RateLimited,
		Message:    "Too many messages are waiting for this instance",
		RetryAfter: max(pause-maxWait, 0).Truncate(time.Second) + time.Second,
	}
}
