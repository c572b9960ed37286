package webhook

import (
	"slices"
	"time"
)

const (
	claimGap   = 10 * time.Millisecond // between two claims, however many events come
	claimPoll  = 10 * time.Second      // at least that often, for what nobody told
	claimFull  = 250 * time.Millisecond
	claimLimit = 128  // lines in one claim
	maxWaiting = 1024 // lines that wait for a slot; beyond it none is claimed
	renewLimit = 500  // leases in one renewal

	// missRest is how long events of a line cause no claim after one found
	// that the line is not due: it is paused, or its first delivery waits.
	missRest = 5 * time.Second
)

// claimLoop claims what is due and keeps the leases, until the worker stops.
func (w *Worker) claimLoop() {
	renew := time.NewTicker(w.opts.Lease / 3)
	defer renew.Stop()
	var claims, renewals trouble
	for w.ctx.Err() == nil {
		began := time.Now()
		wait, err := w.claimDue()
		wait = w.mind(&claims, "lines could not be claimed", wait, err)
		again := time.NewTimer(wait)
		select {
		case <-w.ctx.Done():
		case <-w.poked:
		case <-again.C:
		case <-renew.C:
			w.mind(&renewals, "leases could not be renewed", 0, w.renewAll())
		}
		again.Stop()
		sleep(w.ctx, claimGap-time.Since(began))
	}
}

// mind returns how long to wait after a try that ended with err.
func (w *Worker) mind(t *trouble, what string, wait time.Duration, err error) time.Duration {
	switch {
	case err == nil:
		t.over(w.log, what)
		return wait
	case w.ctx.Err() != nil:
		return 0
	}
	return t.failed(w.log, what, err)
}

// claimDue claims what is due, as far as the lanes have room, and returns when
// to look again.
func (w *Worker) claimDue() (time.Duration, error) {
	fast, slow, woken := w.room()
	full := false
	for _, c := range []struct {
		slow bool
		room int
	}{{false, fast}, {true, slow}} {
		if c.room == 0 {
			continue
		}
		n, err := w.claim(c.slow, c.room)
		if err != nil {
			return 0, err
		}
		full = full || n == c.room
	}
	switch {
	case full:
		return 0, nil
	case fast > 0 && slow > 0:
		w.restMissed(woken)
	}
	next, err := w.queue.NextDue(w.ctx)
	if err != nil {
		return 0, err
	}
	if next.IsZero() {
		return claimPoll, nil
	}
	if wait := next.Sub(w.clock.now()); wait > 0 {
		return min(wait, claimPoll), nil
	}
	return claimFull, nil
}

// room returns how many lines each lane has room for, and which webhooks had
// events since it was last asked.
func (w *Worker) room() (fast, slow int, woken map[string]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	woken = w.woken
	w.woken = map[string]bool{}
	if w.stalled {
		return 0, 0, woken
	}
	fast = max(0, min(claimLimit, maxWaiting-len(w.fast.queue)))
	slow = max(0, min(claimLimit, w.slow.slots-w.slow.running-len(w.slow.queue)))
	w.fast.short, w.slow.short = fast == 0, slow == 0
	return fast, slow, woken
}

func (w *Worker) claim(slow bool, limit int) (int, error) {
	lease := time.Now().Add(w.opts.Lease)
	now := w.clock.now()
	list, err := w.queue.Claim(w.ctx, w.opts.Owner, slow, now, now.Add(w.opts.Lease), limit)
	if err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range list {
		w.claimed(&list[i].Webhook, slow, lease)
	}
	w.dispatch()
	return len(list), nil
}

// claimed takes in a line. It may be held already: while its release was on
// its way, or when a clock that jumped made its lease look over. Worker.mu is
// held.
func (w *Worker) claimed(hook *Webhook, slow bool, lease time.Time) {
	l := w.lines[hook.ID]
	if l == nil {
		w.hold(&line{id: hook.ID, slow: slow, lease: lease})
		return
	}
	l.lease = lease
	l.claimed = l.lost || l.result.Release || l.releasing
}

// restMissed notes the webhooks that had events and are not due all the same.
func (w *Worker) restMissed(woken map[string]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	until := time.Now().Add(missRest)
	for id := range woken {
		if w.lines[id] == nil {
			w.rests[id] = until
		}
	}
}

// renewAll renews the leases of all lines that are held.
func (w *Worker) renewAll() error {
	w.mu.Lock()
	ids := make([]string, 0, len(w.lines))
	for id, l := range w.lines {
		if !l.lost && !l.releasing {
			ids = append(ids, id)
		}
	}
	now := time.Now()
	for id, until := range w.rests {
		if now.After(until) {
			delete(w.rests, id)
		}
	}
	w.mu.Unlock()
	for some := range slices.Chunk(ids, renewLimit) {
		if err := w.renewLines(some); err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) renewLines(ids []string) error {
	lease := time.Now().Add(w.opts.Lease)
	lost, err := w.queue.Renew(w.ctx, w.opts.Owner, ids, w.clock.now().Add(w.opts.Lease))
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		l := w.lines[id]
		switch {
		case l == nil:
		case slices.Contains(lost, id):
			w.lose(l)
		default:
			l.lease = lease
		}
	}
	return nil
}
