package webhook

import (
	"context"
	"errors"
	"time"
)

// ending is how a turn ended.
type ending int

const (
	done     ending = iota // all that was due is done
	more                   // there is more, or it has to be looked at again
	rest                   // nothing to do before the lease is worth a claim again
	unloaded               // the store failed
)

// buryStep is how many deliveries are buried in one transaction.
const buryStep = 500

// errUnread says why an attempt failed that was never sent.
var (
	errUnread  = errors.New("the stored body could not be read")
	errTimeout = errors.New("timeout")
)

// takeTurn runs a line for a batch. It has a slot, which it gives back.
func (w *Worker) takeTurn(l *line) {
	e := w.work(l)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endTurn(l, e)
	w.dispatch()
}

func (w *Worker) work(l *line) ending {
	limit, ok := w.begin(l)
	if !ok {
		return done
	}
	load, err := w.load(l, limit)
	switch {
	case errors.Is(err, errLost):
		return done
	case err != nil:
		w.mind(&w.loads, "deliveries could not be loaded", 0, err)
		return unloaded
	case !load.Webhook.Enabled, load.Webhook.Paused:
		return rest
	}
	w.mind(&w.loads, "deliveries could not be loaded", 0, nil)
	l.next = load.Next
	for i := range load.Jobs {
		if e, stop := w.attempt(l, &load.Jobs[i]); stop {
			return e
		}
	}
	if len(load.Jobs) == limit {
		return more
	}
	return done
}

// begin makes a line forget what is to be loaded now, and makes sure of its
// lease. It returns how many jobs to load: a line in the slow lane has one, as
// a probe.
func (w *Worker) begin(l *line) (limit int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.fresh = l.fresh || l.changed
	l.woken, l.changed, l.backlog, l.holds = false, false, false, time.Time{}
	l.loaded = time.Now()
	limit = batch
	if l.slow {
		limit = 1
	}
	return limit, !l.lost
}

// load asks the store for jobs. After a claim or a change it first buries what
// an older generation of the webhook left.
func (w *Worker) load(l *line, limit int) (Load, error) {
	if err := w.renewShort(l); err != nil {
		return Load{}, err
	}
	load, err := w.queue.Load(w.ctx, l.id, w.clock.now(), nil, limit)
	if err != nil {
		return Load{}, err
	}
	l.hook, l.rev = load.Webhook, load.Revision
	if l.fresh && l.hook.Generation > 0 {
		if err := w.bury(l); err != nil {
			return Load{}, err
		}
		if l.hook.Enabled {
			load, err = w.queue.Load(w.ctx, l.id, w.clock.now(), nil, limit)
			l.hook, l.rev = load.Webhook, load.Revision
		}
	}
	l.fresh = err != nil
	return load, err
}

// renewShort renews the lease of a line if an attempt might outlast it. It
// fails with errLost if it is not ours any more.
func (w *Worker) renewShort(l *line) error {
	w.mu.Lock()
	short := !w.covers(l)
	w.mu.Unlock()
	if !short {
		return nil
	}
	if err := w.renewLines([]string{l.id}); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.lost {
		return errLost
	}
	return nil
}

// covers reports whether the lease lasts for an attempt. Worker.mu is held.
func (w *Worker) covers(l *line) bool { return time.Until(l.lease) > w.opts.Timeout }

func (w *Worker) bury(l *line) error {
	if !l.hook.Enabled {
		w.opts.Disabled(w.ctx, l.hook.InstanceID)
	}
	for {
		if left, err := w.queue.Bury(w.ctx, l.id, buryStep); err != nil || !left {
			return err
		}
	}
}

// attempt makes one attempt and keeps what came of it for the committer. stop
// ends the turn.
func (w *Worker) attempt(l *line, j *Job) (e ending, stop bool) {
	ctx, release := context.WithTimeout(w.ctx, w.opts.Timeout)
	defer release()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if !w.open(l, cancel) {
		return more, true
	}
	r := w.post(ctx, &l.hook, j)
	r.Now = w.clock.now()
	r.SinceFirst, r.SinceFailing = w.clock.since(j.FirstAttempt), w.clock.since(l.hook.FailingSince)
	r.Random = w.opts.Rand()
	o, health := w.policy.Judge(&l.hook, j, r)
	e, stop, counts := w.close(l, &o, health, &r, context.Cause(ctx))
	if counts {
		w.count(j, &o)
		w.tell(&l.hook, j, &o, health)
	}
	return e, stop
}

// open begins an attempt, unless the line has to stop.
func (w *Worker) open(l *line, cancel func(error)) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase != started || w.stalled || l.changed || l.lost || !w.covers(l) {
		return false
	}
	l.cancel = cancel
	if l.lane == &w.fast {
		w.alarm(l, slowAfter)
	}
	return true
}

// close ends an attempt. A failure that we caused ourselves, or that an older
// configuration had, does not count.
func (w *Worker) close(l *line, o *Outcome, health *Health, r *Result, cause error) (e ending, stop, counts bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.cancel = nil
	w.silence(l)
	if r.verdict() != success && (l.changed || cancelledByUs(cause)) {
		w.stats.putBack.Add(1)
		return more, true, false
	}
	l.result.Revision = l.rev
	l.result.Outcomes = append(l.result.Outcomes, *o)
	if health != nil {
		l.result.Health = health
		l.hook.FailingSince = health.FailingSince
	}
	w.save(l)
	e, stop = w.follow(l, o, health, r)
	return e, stop, true
}

func cancelledByUs(cause error) bool {
	return errors.Is(cause, errStopping) || errors.Is(cause, errTooSlow) || errors.Is(cause, errLost)
}

// follow decides what the line does after an outcome. Worker.mu is held.
func (w *Worker) follow(l *line, o *Outcome, health *Health, r *Result) (e ending, stop bool) {
	l.slow = !l.hook.FailingSince.IsZero() || r.Took > slowAfter
	switch {
	case health != nil && health.Disabled:
		l.fresh = true
		return more, true
	case health != nil && health.Paused:
		return rest, true
	case o.State == Pending && !o.Parked: // it holds the line
		l.holds = time.Now().Add(o.NextAttempt.Sub(r.Now))
		return rest, true
	case o.State == Pending && (l.next.IsZero() || o.NextAttempt.Before(l.next)):
		l.next = o.NextAttempt
	}
	return more, l.slow || l.lane == &w.slow
}

func (w *Worker) count(j *Job, o *Outcome) {
	if o.State == Delivered {
		w.stats.succeeded.Add(1)
		w.stats.delivered.Add(1)
		return
	}
	w.stats.failed.Add(1)
	switch {
	case o.State == Dead:
		w.stats.dead.Add(1)
	case o.Parked && !j.Parked: // now, and not at one of its attempts since
		w.stats.parked.Add(1)
	}
}
