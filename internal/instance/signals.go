package instance

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
)

const (
	// zombieCount is how many keepalives in a row may stay unanswered.
	zombieCount = 3
	// burstPause is the least time between two reconnects because messages do
	// not decrypt: a reconnect cures a broken session once or not at all.
	burstPause = 10 * time.Minute
	// codeRestart is the stream error by which WhatsApp asks a newly paired
	// device to connect again.
	codeRestart = "515"

	reasonOutdated = "WhatsApp refuses this web version: restart to fetch the current one, " +
		"update chasqui, or set whatsapp.version; trying again every few hours"
	reasonPasskey = "this account needs a passkey to link a device"
)

// handle acts on one report. What an earlier connection said late counts only
// where it is still true.
func (v *supervisor) handle(r report) {
	late := r.conn != v.conn
	switch {
	case r.dialEnd:
		if !late && r.err != nil {
			v.dialFailed(r.err)
		}
	case !late || v.stillTrue(r.signal.Kind):
		v.act(r.signal)
	}
}

func (v *supervisor) stillTrue(k SignalKind) bool {
	switch k {
	case SignalPaired, SignalProfile, SignalPhoneSeen, SignalLoggedOut:
		return true
	case SignalStreamReplaced, SignalTempBanned, SignalClientOutdated:
		return v.phase == waiting
	}
	return false
}

func (v *supervisor) act(sig Signal) {
	switch sig.Kind {
	case SignalQR:
		v.offerCodes(sig.Codes)
	case SignalPaired:
		v.onPaired(sig)
	case SignalPairError:
		v.pairFailed(sig.Reason, connectFailed(nil, sig.Reason))
	case SignalPasskeyNeeded:
		v.pairFailed(reasonPasskey, fault.New(fault.Unsupported, "Not supported: "+reasonPasskey))
	case SignalScannedWithoutMD:
		v.emit(event.State{State: "qr_scanned_no_multidevice", Reason: "the phone has no support for linked devices"})
	case SignalConnected:
		v.onConnected(sig)
	case SignalProfile:
		v.onProfile(sig)
	case SignalPhoneSeen:
		v.phoneSeen(sig.At)
	case SignalLoggedOut:
		v.onLoggedOut(sig)
	default:
		v.trouble(sig)
	}
}

// trouble handles the signals by which a connection ends or is in danger.
func (v *supervisor) trouble(sig Signal) {
	switch sig.Kind {
	case SignalDisconnected:
		v.onDisconnected(sig)
	case SignalStreamError:
		v.onStreamError(sig)
	case SignalStreamReplaced:
		v.onReplaced()
	case SignalTempBanned:
		v.onBanned(sig)
	case SignalClientOutdated:
		v.stand(event.State{State: "client_outdated", Reason: reasonOutdated}, reasonOutdated)
		v.pause(outdatedRetry + time.Duration(rand.Int64N(int64(time.Hour))))
	case SignalConnectFailure:
		v.refused(event.State{State: "connect_failure", Code: sig.Code, Reason: sig.Reason})
	case SignalCATRefreshError:
		v.refused(event.State{State: "cat_refresh_error", Reason: sig.Reason})
	case SignalKeepAliveTimeout:
		v.onKeepAliveTimeout(sig)
	case SignalKeepAliveRestored:
		v.onKeepAliveRestored()
	case SignalUndecryptableBurst:
		v.onBurst(sig)
	}
}

func (v *supervisor) onConnected(sig Signal) {
	v.learn(mergeLogin(v.rec.Login, sig.Login))
	if v.phase == online {
		return
	}
	v.phase, v.resumed = online, true
	v.withdrawCodes()
	v.disarm(alarmDial, alarmOpen, alarmCode, alarmRestart)
	v.arm(alarmHealthy, healthyAfter)
	v.setState(Connected)
	v.emit(event.State{State: "connected"})
	v.answerWaiters(outcome{result: ConnectResult{Connected: true}})
	v.watchPhone()
}

// onProfile takes a changed name or picture; the addresses stay if unsaid.
func (v *supervisor) onProfile(sig Signal) {
	l := sig.Login
	l.DeviceJID, l.LID = v.rec.Login.DeviceJID, first(l.LID, v.rec.Login.LID)
	v.learn(l)
}

// learn stores the login if it differs from what was stored last.
func (v *supervisor) learn(l Login) {
	if (l == v.rec.Login && !v.unsaved) || !l.Linked() {
		return
	}
	v.saveLogin(l)
}

// saveLogin changes the login in memory and in the store. When the store fails,
// the next connection saves it again.
func (v *supervisor) saveLogin(l Login) {
	now := time.Now().UTC()
	err := v.svc.store.UpdateLogin(v.svc.base, v.id, l, false, now)
	if err != nil {
		v.log.Error("save the login", "err", err)
	}
	v.unsaved = err != nil
	v.update(func(in *Instance) { in.Login, in.LoggedOut, in.UpdatedAt = l, false, now })
}

func mergeLogin(old, l Login) Login {
	return Login{
		DeviceJID:    first(l.DeviceJID, old.DeviceJID),
		LID:          first(l.LID, old.LID),
		PushName:     first(l.PushName, old.PushName),
		BusinessName: first(l.BusinessName, old.BusinessName),
		PictureURL:   first(l.PictureURL, old.PictureURL),
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// onLoggedOut wipes a login that WhatsApp no longer takes. A connect call that
// waits for it gets a code of a fresh device instead.
func (v *supervisor) onLoggedOut(sig Signal) {
	if !v.linked() {
		return
	}
	reason := sig.Reason
	if sig.OnConnect && !v.resumed && v.svc.opts.RefusedLoginReason != "" {
		reason = v.svc.opts.RefusedLoginReason
	}
	v.resumed = true
	v.closeClient()
	if err := v.wipe(); err != nil {
		// The next start tries this login again, is refused and comes back here.
		v.log.Error("wipe a refused login", "err", err)
		v.clearLogin()
	}
	v.rest()
	v.emit(event.State{State: "logged_out", Reason: reason})
	if len(v.waiters) > 0 {
		v.dial()
	}
}

func (v *supervisor) onDisconnected(sig Signal) {
	switch v.phase {
	case paired:
		v.redial()
	case opening, linking, online:
		v.lost(first(sig.Reason, "the connection was closed"))
	}
}

func (v *supervisor) onStreamError(sig Signal) {
	if v.phase == paired && sig.Reason == codeRestart {
		v.redial()
		return
	}
	v.emit(event.State{State: "stream_error", Reason: sig.Reason})
	v.lost("stream error " + sig.Reason)
}

// onReplaced leaves the session to the other client: taking it back would make
// both fight for it.
func (v *supervisor) onReplaced() {
	const reason = "another client took over this session"
	v.stand(event.State{State: "stream_replaced", Reason: reason}, reason)
	v.closeClient()
}

func (v *supervisor) onBanned(sig Signal) {
	s := event.State{State: "temp_banned", Code: sig.Code, Reason: sig.Reason}
	wait := unknownBan
	if sig.Expires > 0 {
		wait = sig.Expires
		at := time.Now().Add(wait).UTC().Truncate(time.Millisecond)
		s.ExpiresAt = &at
	}
	v.stand(s, "WhatsApp has banned this number for a time")
	v.pause(wait)
}

// refused handles answers that an immediate repetition would not change.
func (v *supervisor) refused(s event.State) {
	v.attempts = max(v.attempts, 1)
	reason := first(s.Reason, s.State)
	if s.Code != 0 {
		reason = fmt.Sprintf("%s (%d)", reason, s.Code)
	}
	v.stand(s, reason)
	v.retry()
}

// onKeepAliveTimeout says once that WhatsApp fell silent, and reconnects a
// connection that stays so.
func (v *supervisor) onKeepAliveTimeout(sig Signal) {
	if v.phase != online {
		return
	}
	if !v.silent {
		v.silent = true
		v.emit(event.State{State: "keepalive_timeout", Reason: "WhatsApp does not answer keepalives"})
	}
	if sig.Count >= zombieCount {
		v.lost(fmt.Sprintf("zombie connection: %d keepalives unanswered", sig.Count))
	}
}

func (v *supervisor) onKeepAliveRestored() {
	if v.silent {
		v.silent = false
		v.emit(event.State{State: "keepalive_restored"})
	}
}

func (v *supervisor) onBurst(sig Signal) {
	now := time.Now()
	if v.phase != online || now.Sub(v.burstAt) < burstPause {
		return
	}
	v.burstAt = now
	v.lost(fmt.Sprintf("zombie connection: %d messages failed to decrypt", sig.Count))
}
