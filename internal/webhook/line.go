package webhook

import "time"

// line is a webhook whose lease this worker has. Its fields are guarded by
// Worker.mu, but for hook, rev, fresh and next, which belong to whoever has the
// line's turn.
type line struct {
	id    string
	hook  Webhook
	rev   int64     // of hook
	fresh bool      // not loaded since it was claimed or changed
	next  time.Time // when something is due without another event; clock reading

	state  state
	lane   *lane     // while it runs
	slow   bool      // belongs to the slow lane
	lease  time.Time // its end, by the monotonic clock
	loaded time.Time // when the last load began
	cancel func(cause error)

	woken   bool      // events were recorded since the last load
	changed bool      // the configuration changed since the last load
	backlog bool      // there is more than was loaded
	holds   time.Time // until when its first delivery holds it; monotonic
	lost    bool      // somebody else may have the lease
	claimed bool      // claimed again while it was lost or being released

	result    Settlement
	unsaved   bool // result is queued for the committer
	inFlight  bool // the committer has an earlier result
	releasing bool // with which it gives the lease back

	timer *time.Timer
	rings time.Time // when the alarm is meant to go off; zero: not
}

// state is what a line waits for.
type state int

const (
	idle     state = iota // an event, or its alarm
	waiting               // a slot of its lane
	busy                  // its turn to end
	settling              // the committer
)

// lane is a pool of slots, and the lines that wait for one, first come first
// served.
type lane struct {
	slots   int
	running int
	queue   []*line
	short   bool // lines were left unclaimed for want of room
}

const (
	// slowAfter is how long an attempt may stay in the fast lane.
	slowAfter = 2 * time.Second
	// batch is how many jobs a line has in one turn.
	batch = 32
	// retryLoad is how long a line waits after its jobs could not be loaded.
	retryLoad = time.Second
)

// In the rest of this file Worker.mu is held.

// wake notes that events were recorded.
func (w *Worker) wake(l *line) {
	if l.woken {
		return
	}
	l.woken = true
	if l.state == idle {
		w.next(l)
	}
}

// ready queues a line for a slot.
func (w *Worker) ready(l *line) {
	w.silence(l)
	l.state = waiting
	ln := &w.fast
	if l.slow {
		ln = &w.slow
	}
	ln.queue = append(ln.queue, l)
}

// dispatch gives free slots to waiting lines.
func (w *Worker) dispatch() {
	if w.stalled || w.phase != started {
		return
	}
	for _, ln := range []*lane{&w.fast, &w.slow} {
		for ln.running < ln.slots && len(ln.queue) > 0 {
			l := ln.queue[0]
			ln.queue[0] = nil
			ln.queue = ln.queue[1:]
			ln.running++
			l.state, l.lane = busy, ln
			w.running.Go(func() { w.takeTurn(l) })
		}
	}
}

// next decides how a line goes on that has neither a turn nor anything to
// settle.
func (w *Worker) next(l *line) {
	l.state = idle
	switch {
	case w.phase != started:
	case l.lost:
		w.drop(l)
	case l.backlog, l.changed:
		w.ready(l)
	case l.woken:
		if pause := w.opts.Pace - time.Since(l.loaded); pause > 0 {
			w.alarm(l, pause)
		} else {
			w.ready(l)
		}
	default:
		stay := w.opts.Linger
		if !l.next.IsZero() {
			stay = min(stay, l.next.Sub(w.clock.now()))
		}
		w.alarm(l, stay)
	}
}

// endTurn takes the slot back and decides how the line goes on.
func (w *Worker) endTurn(l *line, e ending) {
	if l.lane.running--; l.lane.short {
		l.lane.short = false
		signal(w.poked)
	}
	l.lane = nil
	l.state, l.backlog = settling, e == more
	switch {
	case w.phase != started:
		l.state = idle
	case e == rest && !l.changed && !l.lost:
		w.release(l)
	case e == unloaded:
		l.state, l.woken = idle, true
		l.lease = time.Time{} // the webhook may be deleted: first see if the line is still ours
		w.alarm(l, retryLoad)
	case !l.unsaved && !l.inFlight:
		w.next(l)
	case l.backlog:
		signal(w.urgent)
	}
}

// release gives the lease back, together with what is to be settled.
func (w *Worker) release(l *line) {
	w.silence(l)
	l.state = settling
	l.result.Release = true
	w.save(l)
}

// save queues the result of a line for the committer.
func (w *Worker) save(l *line) {
	if !l.unsaved {
		l.unsaved = true
		w.unsaved = append(w.unsaved, l)
	}
	signal(w.filled)
}

// drop forgets a line whose lease is gone.
func (w *Worker) drop(l *line) {
	w.silence(l)
	delete(w.lines, l.id)
	switch {
	case l.claimed:
		w.hold(&line{id: l.id, slow: l.slow, lease: l.lease})
		return
	case !l.holds.IsZero() && !l.changed:
		w.rests[l.id] = l.holds
	case !l.woken && !l.changed && l.next.IsZero():
		return
	}
	signal(w.poked)
}

// hold takes a claimed line in.
func (w *Worker) hold(l *line) {
	l.fresh = true
	w.lines[l.id] = l
	delete(w.rests, l.id)
	if w.phase != started {
		w.release(l)
		return
	}
	w.ready(l)
}

// lose notes that the lease is lost.
func (w *Worker) lose(l *line) {
	l.lost = true
	if l.cancel != nil {
		l.cancel(errLost)
	}
	if l.state == idle {
		w.drop(l)
	}
}

// alarm has ring called for a line after d, instead of earlier plans.
func (w *Worker) alarm(l *line, d time.Duration) {
	if w.phase != started {
		return
	}
	l.rings = time.Now().Add(d)
	switch {
	case l.timer == nil:
		w.running.Add(1)
		l.timer = time.AfterFunc(d, func() {
			defer w.running.Done()
			w.ring(l)
		})
	case !l.timer.Reset(d): // it had gone off, or was stopped
		w.running.Add(1)
	}
}

// silence stops the alarm of a line.
func (w *Worker) silence(l *line) {
	l.rings = time.Time{}
	if l.timer != nil && l.timer.Stop() {
		w.running.Done()
	}
}

// ring is the alarm of a line; it takes Worker.mu itself.
func (w *Worker) ring(l *line) {
	now := w.clock.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.rings.IsZero() || time.Now().Before(l.rings) || w.phase != started {
		return // it was changed while it went off
	}
	l.rings = time.Time{}
	switch {
	case l.state == busy:
		w.tooSlow(l)
	case l.state != idle:
	case l.woken || !l.next.IsZero() && !now.Before(l.next):
		w.ready(l)
	default:
		w.release(l)
	}
	w.dispatch()
}

// tooSlow moves a running attempt to the slow lane, or puts it back.
func (w *Worker) tooSlow(l *line) {
	if l.cancel == nil || l.lane != &w.fast {
		return
	}
	if w.slow.running >= w.slow.slots {
		l.slow = true
		l.cancel(errTooSlow)
		return
	}
	w.fast.running--
	w.slow.running++
	l.lane = &w.slow
}
