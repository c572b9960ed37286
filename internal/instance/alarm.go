package instance

import (
	"math/rand/v2"
	"time"
)

// alarm names the things that a supervisor does at a time.
type alarm int

const (
	alarmDial    alarm = iota // the next attempt to connect
	alarmOpen                 // a connection without codes or login is given up
	alarmCode                 // the QR code changes
	alarmRestart              // the restart after pairing did not come by itself
	alarmHealthy              // the connection has proven itself
	alarmPhone                // the phone has been silent
	alarms
)

const (
	backoffBase = time.Second
	backoffMax  = 2 * time.Minute
	// healthyAfter is how long a login must last to reset the backoff.
	healthyAfter = time.Minute
	// restartWait is how long the client has to log in after pairing, when
	// WhatsApp asks it to connect again (stream error 515), before we do.
	restartWait = 30 * time.Second
	// outdatedRetry: a newer web version is looked for once a day, and WhatsApp
	// sometimes takes an old one back.
	outdatedRetry = 6 * time.Hour
	// unknownBan is waited for when WhatsApp does not say when a ban ends.
	unknownBan = time.Hour
)

func (v *supervisor) arm(a alarm, in time.Duration) { v.due[a] = time.Now().Add(in) }

func (v *supervisor) disarm(which ...alarm) {
	for _, a := range which {
		v.due[a] = time.Time{}
	}
}

func (v *supervisor) armed() bool {
	_, at := v.nextAlarm()
	return !at.IsZero()
}

// nextAlarm returns the earliest alarm; its time is zero if there is none.
func (v *supervisor) nextAlarm() (which alarm, at time.Time) {
	for a, due := range v.due {
		if !due.IsZero() && (at.IsZero() || due.Before(at)) {
			which, at = alarm(a), due
		}
	}
	return which, at
}

func (v *supervisor) ring(a alarm) {
	switch a {
	case alarmDial:
		v.dial()
	case alarmOpen:
		v.lost("timed out waiting for WhatsApp")
	case alarmCode:
		v.nextCode()
	case alarmRestart:
		v.redial()
	case alarmHealthy:
		v.attempts = 0
	case alarmPhone:
		v.checkPhone()
	}
}

// backoff is the pause before the given attempt, counted from 0: the first is
// immediate, the others wait a random part of a bound that doubles.
func backoff(attempt int) time.Duration {
	if attempt == 0 {
		return 0
	}
	bound := backoffMax
	if attempt < 8 {
		bound = min(backoffMax, backoffBase<<(attempt-1))
	}
	return time.Duration(rand.Int64N(int64(bound) + 1))
}
