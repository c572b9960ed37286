package webhook

import (
	"cmp"
	"strconv"
)

// tell logs what an attempt changed for the operator: not each failure, but
// that they begin and end. No line holds a URL, a secret or a body.
func (w *Worker) tell(hook *Webhook, j *Job, o *Outcome, health *Health) {
	if health == nil && o.State != Dead {
		return
	}
	log := w.log.With("instance_id", hook.InstanceID, "label", hook.Label, "delivery_id", j.ID, "event_id", j.EventID)
	if o.State == Dead {
		log.Warn("a delivery is dead", "reason", o.Reason)
	}
	switch why := cmp.Or(o.Attempt.Error, strconv.Itoa(o.Attempt.Status)); {
	case health == nil:
	case health.Disabled:
		log.Warn("a webhook is disabled", "reason", health.Reason)
	case health.Paused:
		log.Warn("a webhook is paused", "reason", health.Reason)
	case health.FailingSince.IsZero():
		log.Info("a webhook works again")
	default:
		log.Info("a webhook fails", "answer", why)
	}
}
