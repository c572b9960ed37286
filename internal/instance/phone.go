package instance

import (
	"context"
	"fmt"
	"time"

	"github.com/chasqui/chasqui/internal/event"
)

const (
	day = 24 * time.Hour
	// askAfter days of silence the phone is asked for a sign of life, daily.
	askAfter = 9 * day
	askLimit = 30 * time.Second
	// unlinkAfter is when WhatsApp unlinks devices of a phone that stays away.
	unlinkAfter = 14
	// answerTime is what a phone gets to answer before it counts as offline,
	// since we may have been away ourselves.
	answerTime = 10 * time.Minute
	// seenSaved is how often a sign of life is written down at most.
	seenSaved = time.Hour
)

// offlineDays are the days of silence at which the user is warned.
var offlineDays = [...]int{10, 12, 13}

// phoneWatch remembers what was done about a silent phone.
type phoneWatch struct {
	onlineAt time.Time
	savedAt  time.Time
	askedAt  time.Time
	warned   int // days
}

// watchPhone begins to look after the phone of a connection that came up.
func (v *supervisor) watchPhone() {
	v.phoneAsks.onlineAt = time.Now()
	if v.rec.PhoneSeen.IsZero() {
		v.phoneSeen(v.phoneAsks.onlineAt)
	}
	v.armPhone()
}

// phoneSeen takes a sign of life.
func (v *supervisor) phoneSeen(at time.Time) {
	if !at.After(v.rec.PhoneSeen) {
		return
	}
	v.update(func(in *Instance) { in.PhoneSeen = at.UTC() })
	v.phoneAsks.warned = 0
	if at.Sub(v.phoneAsks.savedAt) >= seenSaved {
		v.phoneAsks.savedAt = at
		if err := v.svc.store.UpdatePhoneSeen(v.svc.base, v.id, at.UTC()); err != nil {
			v.log.Error("save the phone's sign of life", "err", err)
		}
	}
	v.armPhone()
}

// armPhone sets the alarm for the next question or warning.
func (v *supervisor) armPhone() {
	if v.phase != online {
		return
	}
	next := later(v.rec.PhoneSeen.Add(askAfter), v.phoneAsks.askedAt.Add(day))
	if days := v.nextWarning(); days > 0 {
		due := later(v.rec.PhoneSeen.Add(time.Duration(days)*day), v.phoneAsks.onlineAt.Add(answerTime))
		if due.Before(next) {
			next = due
		}
	}
	v.due[alarmPhone] = next
}

// nextWarning is the first number of days not warned about, 0 after the last.
func (v *supervisor) nextWarning() int {
	for _, days := range offlineDays {
		if days > v.phoneAsks.warned {
			return days
		}
	}
	return 0
}

func (v *supervisor) checkPhone() {
	now := time.Now()
	silence := now.Sub(v.rec.PhoneSeen)
	if silence >= askAfter && now.Sub(v.phoneAsks.askedAt) >= day {
		v.phoneAsks.askedAt = now
		v.askPhone()
	}
	if now.Sub(v.phoneAsks.onlineAt) >= answerTime {
		v.warnOffline(silence)
	}
	v.armPhone()
}

func (v *supervisor) askPhone() {
	ctx, cancel := context.WithTimeout(v.svc.base, askLimit)
	defer cancel()
	if err := v.client.AskPhone(ctx); err != nil {
		v.log.Warn("ask the phone for a sign of life", "err", err)
	}
}

// warnOffline says the highest number of days that has passed, once.
func (v *supervisor) warnOffline(silence time.Duration) {
	reached := 0
	for _, days := range offlineDays {
		if silence >= time.Duration(days)*day {
			reached = days
		}
	}
	if reached <= v.phoneAsks.warned {
		return
	}
	v.phoneAsks.warned = reached
	v.emit(event.State{
		State: "phone_offline", Days: reached,
		Reason: fmt.Sprintf("no sign of the phone for %d days; WhatsApp unlinks this device after %d", reached, unlinkAfter),
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
