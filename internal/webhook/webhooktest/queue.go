package webhooktest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/chasqui/chasqui/internal/webhook"
)

// ahead returns what a line has to do: its parked rows by time, and those in
// line by sequence. mu is held.
func (m *Memory) ahead(h *hook) (parked, line []*row) {
	for _, r := range m.of(h.ID, func(r *row) bool { return r.State == webhook.Pending && r.generation == h.Generation }) {
		if r.job.Parked {
			parked = append(parked, r)
		} else {
			line = append(line, r)
		}
	}
	slices.SortStableFunc(parked, func(a, b *row) int { return a.next.Compare(b.next) })
	return parked, line
}

// old reports whether there is something to bury. mu is held.
func (m *Memory) old(h *hook) []*row {
	return m.of(h.ID, func(r *row) bool {
		return r.State == webhook.Pending && (r.generation < h.Generation || !h.Enabled)
	})
}

// due returns when a line is due; ok is false if it is not before another
// event. mu is held.
func (m *Memory) due(h *hook) (at time.Time, ok bool) {
	if old := m.old(h); len(old) > 0 {
		return old[0].CreatedAt, true
	}
	if !h.Enabled || h.Paused {
		return time.Time{}, false
	}
	parked, line := m.ahead(h)
	switch {
	case len(parked) > 0 && (len(line) == 0 || parked[0].next.Before(line[0].next)):
		return parked[0].next, true
	case len(line) > 0:
		return line[0].next, true
	}
	return time.Time{}, false
}

func (h *hook) leased(now time.Time) bool { return h.owner != "" && now.Before(h.until) }

// Claim implements webhook.Queue.
func (m *Memory) Claim(_ context.Context, owner string, slow bool, now, until time.Time, limit int) ([]webhook.Line, error) {
	err := m.enter("Claim")
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var due []*hook
	for _, h := range m.hooks {
		at, ok := m.due(h)
		if ok && !at.After(now) && !h.leased(now) && h.FailingSince.IsZero() != slow {
			due = append(due, h)
		}
	}
	slices.SortFunc(due, func(a, b *hook) int {
		ta, _ := m.due(a)
		tb, _ := m.due(b)
		return cmp.Or(ta.Compare(tb), cmp.Compare(a.ID, b.ID))
	})
	due = due[:min(len(due), limit)]
	lines := make([]webhook.Line, len(due))
	for i, h := range due {
		h.owner, h.until = owner, until
		lines[i].Webhook = h.Webhook
	}
	return lines, nil
}

// Renew implements webhook.Queue.
func (m *Memory) Renew(_ context.Context, owner string, webhookIDs []string, until time.Time) (lost []string, err error) {
	err = m.enter("Renew")
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, id := range webhookIDs {
		if h := m.hooks[id]; h == nil || h.owner != owner {
			lost = append(lost, id)
		} else {
			h.until = until
		}
	}
	return lost, nil
}

// NextDue implements webhook.Queue.
func (m *Memory) NextDue(context.Context) (next time.Time, err error) {
	err = m.enter("NextDue")
	defer m.mu.Unlock()
	for _, h := range m.hooks {
		at, ok := m.due(h)
		if !ok {
			continue
		}
		if h.owner != "" && h.until.After(at) {
			at = h.until
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next, err
}

// Load implements webhook.Queue.
func (m *Memory) Load(_ context.Context, webhookID string, now time.Time, skip []string, limit int) (webhook.Load, error) {
	err := m.enter("Load")
	defer m.mu.Unlock()
	h := m.hooks[webhookID]
	if err != nil || h == nil {
		return webhook.Load{}, err
	}
	load := webhook.Load{Webhook: h.Webhook, Revision: h.revision}
	parked, line := m.ahead(h)
	for _, list := range [][]*row{parked, line} {
		for _, r := range list {
			if slices.Contains(skip, r.ID) {
				continue
			}
			if r.next.After(now) {
				if load.Next.IsZero() || r.next.Before(load.Next) {
					load.Next = r.next
				}
				break
			}
			if len(load.Jobs) < limit {
				load.Jobs = append(load.Jobs, r.job)
			}
		}
	}
	return load, nil
}

// Bury implements webhook.Queue.
func (m *Memory) Bury(_ context.Context, webhookID string, limit int) (more bool, err error) {
	err = m.enter("Bury")
	defer m.mu.Unlock()
	if err != nil {
		return false, err
	}
	old := m.old(m.hooks[webhookID])
	for _, r := range old[:min(len(old), limit)] {
		r.State, r.Reason = webhook.Dead, webhook.ReasonDisabled
	}
	return len(old) > limit, nil
}

// Settle implements webhook.Queue.
func (m *Memory) Settle(_ context.Context, owner string, _ time.Time, list []webhook.Settlement) error {
	err := m.enter("Settle")
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	for _, s := range list {
		h := m.hooks[s.WebhookID]
		if h == nil || h.owner != owner {
			continue
		}
		stale := s.Revision != h.revision
		for _, o := range s.Outcomes {
			if !stale || o.State == webhook.Delivered {
				m.rows[o.ID].apply(o)
			}
		}
		if !stale {
			h.apply(s.Health)
		}
		if s.Release {
			h.owner = ""
		}
	}
	return nil
}

func (r *row) apply(o webhook.Outcome) {
	r.State, r.Reason, r.next = o.State, o.Reason, o.NextAttempt
	r.job.Parked, r.job.Failures, r.job.EventFailures, r.job.FirstAttempt = o.Parked, o.Failures, o.EventFailures, o.FirstAttempt
	r.Attempts = append(slices.Clip(r.Attempts), o.Attempt)
	r.Attempts = r.Attempts[max(0, len(r.Attempts)-webhook.KeptAttempts):]
}

func (h *hook) apply(health *webhook.Health) {
	if health == nil {
		return
	}
	h.FailingSince, h.Paused, h.Reason = health.FailingSince, health.Paused, health.Reason
	if health.Disabled {
		h.Enabled = false
		h.Generation++
	}
}

// ReleaseAll implements webhook.Queue.
func (m *Memory) ReleaseAll(_ context.Context, owner string) error {
	err := m.enter("ReleaseAll")
	defer m.mu.Unlock()
	for _, h := range m.hooks {
		if h.owner == owner && err == nil {
			h.owner = ""
		}
	}
	return err
}
