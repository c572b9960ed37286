package instance_test

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
)

var ignoreTimes = cmpopts.IgnoreFields(event.State{}, "Timestamp", "Instance", "ExpiresAt")

// A lost connection is taken up at once, and every further attempt waits at
// most twice as long as the one before, two minutes in the end.
func TestReconnectBacksOff(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		after(2 * time.Minute) // healthy
		w.taken()
		w.engine.script(func(context.Context, *client) error { return syscall.ECONNREFUSED })
		lost := time.Now()
		w.say(instance.Signal{Kind: instance.SignalDisconnected, Reason: "EOF"})
		w.wantStates("disconnected", "connecting", "disconnected")
		after(time.Hour)

		dials := w.engine.dials[1:]
		if !dials[0].Equal(lost) {
			t.Errorf("first attempt after %v", dials[0].Sub(lost))
		}
		for i := 1; i < len(dials); i++ {
			gap, bound := dials[i].Sub(dials[i-1]), min(2*time.Minute, time.Second<<min(i-1, 10))
			if gap > bound {
				t.Errorf("attempt %d after %v, want at most %v", i, gap, bound)
			}
		}
		// On average half the bound: about a minute each.
		if len(dials) < 30 || len(dials) > 150 {
			t.Errorf("%d attempts in an hour", len(dials))
		}

		w.engine.script(nil)
		after(2*time.Minute + healthy)
		if w.state() != instance.Connected {
			t.Fatalf("state = %s", w.state())
		}
		n := w.engine.dialCount()
		w.say(instance.Signal{Kind: instance.SignalDisconnected})
		if w.engine.dialCount() != n+1 {
			t.Error("after health the first attempt is not immediate")
		}
	})
}

// healthy is longer than a login must last to reset the backoff.
const healthy = 61 * time.Second

func TestAFlappingConnectionIsNotRetriedAtOnceForEver(t *testing.T) {
	flap := func(_ context.Context, c *client) error {
		c.say(instance.Signal{Kind: instance.SignalConnected})
		c.say(instance.Signal{Kind: instance.SignalDisconnected})
		return nil
	}
	within(t, linked(), instance.Options{}, func(e *engine) { e.connect = flap }, func(w *world) {
		after(time.Hour)
		if n := w.engine.dialCount(); n > 150 {
			t.Errorf("%d dials in an hour", n)
		}
	})
}

func TestTroubleIsSaidWithItsFields(t *testing.T) {
	tests := map[string]struct {
		signal instance.Signal
		want   []event.State
		retry  time.Duration // the connection is back after at most this; 0: never
	}{
		"disconnected": {
			instance.Signal{Kind: instance.SignalDisconnected, Reason: "EOF"},
			[]event.State{{State: "disconnected", JID: ourJID, Reason: "EOF"}},
			time.Nanosecond,
		},
		"logged_out": {
			instance.Signal{Kind: instance.SignalLoggedOut, Reason: "device removed"},
			[]event.State{{State: "logged_out", Reason: "device removed"}},
			0,
		},
		"stream_replaced": {
			instance.Signal{Kind: instance.SignalStreamReplaced},
			[]event.State{{State: "stream_replaced", JID: ourJID, Reason: "another client took over this session"}},
			0,
		},
		"temp_banned": {
			instance.Signal{Kind: instance.SignalTempBanned, Code: 101, Reason: "spam", Expires: 3 * time.Hour},
			[]event.State{{State: "temp_banned", JID: ourJID, Code: 101, Reason: "spam"}},
			3 * time.Hour,
		},
		"temp_banned without an end": {
			instance.Signal{Kind: instance.SignalTempBanned, Code: 101},
			[]event.State{{State: "temp_banned", JID: ourJID, Code: 101}},
			time.Hour,
		},
		"connect_failure": {
			instance.Signal{Kind: instance.SignalConnectFailure, Code: 415, Reason: "experimental"},
			[]event.State{{State: "connect_failure", JID: ourJID, Code: 415, Reason: "experimental"}},
			time.Minute,
		},
		"stream_error": {
			instance.Signal{Kind: instance.SignalStreamError, Reason: "516"},
			[]event.State{
				{State: "stream_error", JID: ourJID, Reason: "516"},
				{State: "disconnected", JID: ourJID, Reason: "stream error 516"},
			},
			time.Nanosecond,
		},
		"cat_refresh_error": {
			instance.Signal{Kind: instance.SignalCATRefreshError, Reason: "no token"},
			[]event.State{{State: "cat_refresh_error", JID: ourJID, Reason: "no token"}},
			time.Minute,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			within(t, linked(), instance.Options{}, nil, func(w *world) {
				after(healthy)
				w.taken()
				w.say(tt.signal)
				said := w.taken()
				said = said[:min(len(said), len(tt.want))]
				if d := cmp.Diff(tt.want, said, ignoreTimes); d != "" {
					t.Errorf("states (-want +got):\n%s", d)
				}
				if tt.signal.Expires > 0 && !said[0].ExpiresAt.Equal(time.Now().Add(tt.signal.Expires)) {
					t.Errorf("expiresAt = %v", said[0].ExpiresAt)
				}
				wantBack(w, tt.retry)
			})
		})
	}
}

// wantBack checks that the connection comes back within d, or never.
func wantBack(w *world, d time.Duration) {
	w.Helper()
	if d == 0 {
		after(30 * day)
		if n := w.engine.dialCount(); n != 1 {
			w.Errorf("dialed %d times, want no reconnect", n)
		}
		return
	}
	if d > 30*time.Minute {
		after(d - time.Minute)
		if w.state() == instance.Connected {
			w.Error("back too early")
		}
		d = time.Minute
	}
	after(d)
	if w.state() != instance.Connected {
		w.Errorf("state = %s, want connected again", w.state())
	}
}

const day = 24 * time.Hour

// design.md: client_outdated says what to do; it is retried, rarely.
func TestClientOutdatedSaysWhatToDoAndIsRetriedRarely(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.taken()
		w.engine.script(func(_ context.Context, c *client) error {
			c.say(instance.Signal{Kind: instance.SignalClientOutdated})
			return nil
		})
		w.say(instance.Signal{Kind: instance.SignalClientOutdated})
		got := w.taken()
		if len(got) != 1 || got[0].State != "client_outdated" || !contains(got[0].Reason, "whatsapp.version") {
			t.Errorf("states = %+v", got)
		}
		after(day)
		if n := w.engine.dialCount() - 1; n < 3 || n > 4 {
			t.Errorf("%d attempts in a day", n)
		}
	})
}

func contains(s, part string) bool {
	return len(s) >= len(part) && (s[:len(part)] == part || contains(s[1:], part))
}

// What the connection said just before it broke still counts: here the session
// was replaced, and the immediate reconnect would have fought for it.
func TestReplacedReportedAfterDisconnectedStopsTheReconnect(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		after(healthy)
		w.engine.parting = func(c *client) { c.signal(instance.Signal{Kind: instance.SignalStreamReplaced}) }
		w.say(instance.Signal{Kind: instance.SignalDisconnected})
		after(time.Hour)
		if n := w.engine.dialCount(); n != 1 {
			t.Errorf("%d dials", n)
		}
	})
}

// What an old connection says late is not taken for the new one's end, and
// nobody is given a client that is going down.
func TestALateDisconnectedDoesNotEndTheNewConnection(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.taken()
		given := false
		w.engine.parting = func(c *client) {
			_, given = w.svc.Client("id-1")
			c.signal(instance.Signal{Kind: instance.SignalDisconnected})
		}
		if err := w.svc.Reconnect(w.Context(), w.in); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		w.wantStates("manual_reconnect", "connecting", "connected")
		if n := w.engine.dialCount(); n != 2 || given {
			t.Errorf("%d dials; client given while disconnecting: %v", n, given)
		}
	})
}

func TestConnectedIsSaidOnce(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.taken()
		w.say(instance.Signal{Kind: instance.SignalConnected, Login: ourLogin})
		w.wantStates()
	})
}

// A refusal would be repeated by an immediate attempt.
func TestRefusalsAreNotRetriedAtOnce(t *testing.T) {
	for _, kind := range []instance.SignalKind{instance.SignalConnectFailure, instance.SignalCATRefreshError} {
		within(t, linked(), instance.Options{}, nil, func(w *world) {
			after(healthy)
			w.say(instance.Signal{Kind: kind})
			if n := w.engine.dialCount(); n != 1 {
				t.Errorf("kind %d: %d dials at once", kind, n)
			}
			after(time.Second)
			if n := w.engine.dialCount(); n != 2 {
				t.Errorf("kind %d: %d dials after a second", kind, n)
			}
		})
	}
}

// events.md 7.5: keepalive_timeout, keepalive_restored; design.md: a zombie is
// reconnected, and said so.
func TestKeepAlive(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		after(healthy)
		w.taken()
		timeout := func(n int) {
			w.say(instance.Signal{Kind: instance.SignalKeepAliveTimeout, Count: n})
		}
		timeout(1)
		timeout(2)
		w.say(instance.Signal{Kind: instance.SignalKeepAliveRestored})
		w.say(instance.Signal{Kind: instance.SignalKeepAliveRestored})
		w.wantStates("keepalive_timeout", "keepalive_restored")
		timeout(1)
		timeout(2)
		timeout(3)
		got := w.taken()
		want := []string{"keepalive_timeout", "disconnected", "connecting", "connected"}
		if d := cmp.Diff(want, names(got)); d != "" {
			t.Fatalf("states (-want +got):\n%s", d)
		}
		if !contains(got[1].Reason, "zombie") {
			t.Errorf("reason = %q", got[1].Reason)
		}
	})
}

func names(states []event.State) []string {
	var out []string
	for _, s := range states {
		out = append(out, s.State)
	}
	return out
}

func TestUndecryptableBurstReconnectsOnceInTenMinutes(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		after(healthy)
		w.taken()
		w.say(instance.Signal{Kind: instance.SignalUndecryptableBurst, Count: 20})
		w.wantStates("disconnected", "connecting", "connected")
		w.say(instance.Signal{Kind: instance.SignalUndecryptableBurst, Count: 20})
		w.wantStates()
		after(10 * time.Minute)
		w.say(instance.Signal{Kind: instance.SignalUndecryptableBurst, Count: 20})
		w.wantStates("disconnected", "connecting", "connected")
	})
}

// A connection that opens but never logs in is given up and tried again.
func TestASilentConnectionIsGivenUp(t *testing.T) {
	within(t, linked(), instance.Options{}, func(e *engine) { e.connect = nothing }, func(w *world) {
		after(time.Minute)
		w.wantStates("connecting", "disconnected", "connecting")
	})
}

func TestManualReconnect(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.taken()
		if err := w.svc.Reconnect(w.Context(), w.in); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.wantStates("manual_reconnect", "connecting", "connected")
	})
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		err := w.svc.Reconnect(w.Context(), w.in)
		wantFault(t, err, fault.Invalid, "Instance has no saved session — call /connect first")
		w.wantStates()
	})
}

// events.md 7.5: phone_offline after 10, 12 and 13 days; after 9 silent days
// the phone is asked once a day.
func TestPhoneOffline(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		seen := time.Now()
		w.say(instance.Signal{Kind: instance.SignalPhoneSeen, At: seen})
		w.taken()
		after(14*day - time.Minute)
		var got []int
		for _, s := range w.taken() {
			if s.State != "phone_offline" || !s.Timestamp.Equal(seen.Add(time.Duration(s.Days)*day)) {
				t.Errorf("said %+v", s)
			}
			got = append(got, s.Days)
		}
		if d := cmp.Diff([]int{10, 12, 13}, got); d != "" {
			t.Errorf("warned at days (-want +got):\n%s", d)
		}
		asked := w.engine.last().asked
		for i, at := range asked {
			if want := seen.Add(time.Duration(9+i) * day); !at.Equal(want) {
				t.Errorf("question %d at %v, want %v", i, at, want)
			}
		}
		if len(asked) != 5 {
			t.Errorf("%d questions", len(asked))
		}
		w.say(instance.Signal{Kind: instance.SignalPhoneSeen, At: time.Now()})
		after(9*day - time.Minute)
		w.wantStates()
		after(day + time.Minute)
		w.wantStates("phone_offline")
	})
}

// A gateway that was away asks before it warns, and then says only the highest
// number of days.
func TestPhoneIsAskedBeforeTheWarningAfterALongStop(t *testing.T) {
	in := linked()
	in.PhoneSeen = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(-12*day - time.Hour)
	within(t, in, instance.Options{}, nil, func(w *world) {
		w.taken()
		if n := len(w.engine.last().asked); n != 1 {
			t.Errorf("asked %d times", n)
		}
		after(9 * time.Minute)
		w.wantStates()
		after(time.Minute)
		if got := w.taken(); len(got) != 1 || got[0].Days != 12 {
			t.Errorf("said %+v", got)
		}
	})
}

func TestPhoneSignsOfLifeAreStoredAtMostHourly(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		first := w.stored("id-1").PhoneSeen
		after(time.Minute)
		w.say(instance.Signal{Kind: instance.SignalPhoneSeen, At: time.Now()})
		if got := w.stored("id-1").PhoneSeen; !got.Equal(first) {
			t.Error("stored a minute after the last one")
		}
		after(time.Hour)
		w.say(instance.Signal{Kind: instance.SignalPhoneSeen, At: time.Now()})
		if got := w.stored("id-1").PhoneSeen; !got.Equal(time.Now()) {
			t.Error("not stored after an hour")
		}
	})
}

func TestProfileIsKept(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.say(instance.Signal{Kind: instance.SignalProfile, Login: instance.Login{PushName: "New", PictureURL: "u"}})
		want := instance.Login{DeviceJID: ourDevice, LID: ourLogin.LID, PushName: "New", PictureURL: "u"}
		if d := cmp.Diff(want, w.stored("id-1").Login); d != "" {
			t.Errorf("login (-want +got):\n%s", d)
		}
		w.say(instance.Signal{Kind: instance.SignalDisconnected})
		if d := cmp.Diff(want, w.stored("id-1").Login); d != "" {
			t.Errorf("after a reconnect (-want +got):\n%s", d)
		}
	})
}

// cli.md: a sandbox with a network of its own explains why its logins are gone.
func TestRefusedLoginReasonAtTheFirstConnectAfterStart(t *testing.T) {
	refuse := func(_ context.Context, c *client) error {
		c.say(instance.Signal{Kind: instance.SignalLoggedOut, OnConnect: true, Reason: "401"})
		return nil
	}
	opts := instance.Options{RefusedLoginReason: "the sandbox forgets"}
	within(t, linked(), opts, func(e *engine) { e.connect = refuse }, func(w *world) {
		got := w.taken()
		if len(got) != 2 || got[1].State != "logged_out" || got[1].Reason != "the sandbox forgets" {
			t.Errorf("states = %+v", got)
		}
		if w.state() != instance.LoggedOut {
			t.Errorf("state = %s", w.state())
		}
	})
	within(t, linked(), opts, nil, func(w *world) {
		w.taken()
		w.say(instance.Signal{Kind: instance.SignalLoggedOut, OnConnect: true, Reason: "401"})
		if got := w.taken(); len(got) != 1 || got[0].Reason != "401" {
			t.Errorf("later: states = %+v", got)
		}
	})
}

func TestALoginThatCannotBeWipedIsForgottenAllTheSame(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.failing(errors.New("disk full"))
		w.say(instance.Signal{Kind: instance.SignalLoggedOut, Reason: "gone"})
		w.failing(nil)
		if w.state() != instance.LoggedOut {
			t.Errorf("state = %s", w.state())
		}
		if err := w.svc.Reconnect(w.Context(), w.in); fault.KindOf(err) != fault.Invalid {
			t.Errorf("Reconnect = %v", err)
		}
	})
}

func TestClientIsGivenOnlyWhileConnected(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		if _, ok := w.svc.Client("id-1"); !ok {
			t.Error("no client while connected")
		}
		w.engine.script(nothing)
		w.say(instance.Signal{Kind: instance.SignalDisconnected})
		if _, ok := w.svc.Client("id-1"); ok {
			t.Error("a client while connecting")
		}
		if _, ok := w.svc.Client("unknown"); ok {
			t.Error("a client of an unknown instance")
		}
	})
}

func TestStartFailsWhenAnInstanceCannotBeOpened(t *testing.T) {
	m, e := newMemory(linked()), &engine{}
	svc := instance.NewService(m, e, m, refusing{m}, instance.Options{})
	if err := svc.Start(t.Context()); err == nil {
		t.Error("Start succeeded")
	}
	if err := svc.Start(t.Context()); err == nil {
		t.Error("started twice")
	}
	_, err := svc.Connect(t.Context(), linked(), instance.ConnectRequest{})
	wantFault(t, err, fault.Unavailable, "Server is shutting down")
	if err := svc.Stop(t.Context()); err != nil || e.dialCount() != 0 {
		t.Errorf("Stop = %v after %d dials", err, e.dialCount())
	}
	_, err = instance.NewService(m, e, m, m, instance.Options{}).Logout(t.Context(), linked())
	wantFault(t, err, fault.Unavailable, "Server is shutting down")
}

// refusing is an observer that cannot open an instance.
type refusing struct{ *memory }

func (refusing) InstanceOpened(context.Context, instance.Instance) error {
	return errors.New("no stream")
}

// An instance that the observer cannot open is not created.
func TestCreateIsUndoneWhenTheObserverRefuses(t *testing.T) {
	m := newMemory()
	svc := instance.NewService(m, &engine{}, m, refusing{m}, instance.Options{})
	_, err := svc.Create(t.Context(), "acme", nil, instance.New{Name: "a"})
	wantFault(t, err, fault.Internal, "Failed to create instance: internal error")
	if len(m.byID) != 0 {
		t.Error("the record is still there")
	}
}

func TestStartBringsTheLinkedInstancesBackOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, e := newMemory(), &engine{}
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			in := linked()
			in.ID, in.Name = name, name
			m.byID[name] = in
		}
		resting := unlinked()
		m.byID[resting.ID] = resting
		svc := instance.NewService(m, e, m, m, instance.Options{StartStagger: time.Second})
		if err := svc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := e.dialCount(); n != 1 {
			t.Errorf("%d dials at once", n)
		}
		if n := len(m.history()); n < 9 {
			t.Errorf("Start returned before the observer knew all: %v", m.history())
		}
		after(16 * time.Second)
		if n := e.dialCount(); n != 8 {
			t.Errorf("%d dials in the end", n)
		}
		gaps := map[time.Duration]bool{}
		for i := range e.dials[1:] {
			gaps[e.dials[i+1].Sub(e.dials[i])] = true
		}
		if len(gaps) < 3 {
			t.Errorf("no jitter: %v", gaps)
		}
		if err := svc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if e.open() != 0 || e.logouts != 0 || slices.Contains(m.history(), "logged_out") {
			t.Errorf("Stop left %d clients open, logged out %d", e.open(), e.logouts)
		}
	})
}
