package webhook

import (
	"context"
	"time"
)

// gather is how long results are collected before they are settled, unless a
// line waits for it.
const gather = 10 * time.Millisecond

// settleLoop is the committer: it alone settles. It ends when it is told to
// drain and has nothing left, or with ctx.
func (w *Worker) settleLoop(ctx context.Context) {
	for {
		last := false
		select {
		case <-w.filled:
			w.gather()
		case <-w.drain:
			last = true
		}
		for lines, list := w.unsettled(); len(list) > 0; lines, list = w.unsettled() {
			if !w.settle(ctx, list) {
				return
			}
			w.settled(lines, list)
		}
		if last {
			return
		}
	}
}

// gather waits for more to settle.
func (w *Worker) gather() {
	enough := time.NewTimer(gather)
	defer enough.Stop()
	select {
	case <-w.urgent:
	case <-w.drain:
	case <-enough.C:
	}
}

// unsettled takes what is queued.
func (w *Worker) unsettled() ([]*line, []Settlement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.unsaved
	w.unsaved = nil
	list := make([]Settlement, len(lines))
	for i, l := range lines {
		l.result.WebhookID = l.id
		list[i] = l.result
		l.result, l.unsaved, l.inFlight = Settlement{}, false, true
		l.releasing = l.releasing || list[i].Release
	}
	return lines, list
}

// settle stores the list, however often that has to be tried. Meanwhile lines
// do not run on. It gives up only with ctx.
func (w *Worker) settle(ctx context.Context, list []Settlement) bool {
	var t trouble
	for {
		err := w.queue.Settle(ctx, w.opts.Owner, w.clock.now(), list)
		if err == nil {
			t.over(w.log, "deliveries could not be settled")
			return true
		}
		w.stats.settleFailures.Add(1)
		w.mu.Lock()
		w.stalled = true
		w.mu.Unlock()
		if ctx.Err() != nil {
			return false
		}
		if !sleep(ctx, t.failed(w.log, "deliveries could not be settled", err)) {
			return false
		}
	}
}

// settled lets the lines go on that waited for it.
func (w *Worker) settled(lines []*line, list []Settlement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stalled = false
	for i, l := range lines {
		l.inFlight = false
		switch {
		case list[i].Release:
			w.drop(l)
		case l.state == settling && !l.unsaved:
			w.next(l)
		}
	}
	w.dispatch()
}
