package instance_test

import (
	"context"
	"errors"
	"fmt"
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

// events.md 7.5: qr_ready each time another code becomes valid; when none is
// left: disconnected, qr_timeout. rest.md: six codes, first 60 s, others 20 s.
func TestQRCodesAreShownInTurnAndEndInQRTimeout(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		start := time.Now()
		got := w.connect(instance.ConnectRequest{})
		want := instance.ConnectResult{QRCode: "code1", ExpiresIn: 60}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Connect (-want +got):\n%s", d)
		}
		after(160 * time.Second)

		at := start.UTC()
		states := []event.State{{State: "connecting", Timestamp: at, Instance: "sales"}}
		for i, code := range sixCodes {
			good := 20
			if i == 0 {
				good = 60
			}
			states = append(states, event.State{
				State: "qr_ready", Timestamp: at, Instance: "sales", Codes: []string{code}, ExpiresIn: good,
			})
			at = at.Add(time.Duration(good) * time.Second)
		}
		states = append(states, event.State{State: "disconnected", Timestamp: at, Instance: "sales", Reason: "qr_timeout"})
		if d := cmp.Diff(states, w.taken()); d != "" {
			t.Errorf("states (-want +got):\n%s", d)
		}
		if w.state() != instance.Disconnected || w.engine.open() != 0 {
			t.Errorf("state %s with %d clients after the last code", w.state(), w.engine.open())
		}
		if _, ok := w.svc.QRCode(w.in); ok {
			t.Error("QRCode still offers a code")
		}
	})
}

func TestConnectDuringAQRPhaseReturnsTheCodeValidNow(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		w.connect(instance.ConnectRequest{})
		if w.state() != instance.Connecting {
			t.Errorf("state = %s while a code is on offer", w.state())
		}
		after(65*time.Second + 500*time.Millisecond)
		got := w.connect(instance.ConnectRequest{})
		want := instance.ConnectResult{QRCode: "code2", ExpiresIn: 15}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Connect (-want +got):\n%s", d)
		}
		if code, ok := w.svc.QRCode(w.in); code != "code2" || !ok {
			t.Errorf("QRCode = %q, %v", code, ok)
		}
		if n := w.engine.dialCount(); n != 1 {
			t.Errorf("%d dials", n)
		}
	})
}

// rest.md: after the last code a call begins anew.
func TestConnectAfterAnExpiredQRCodeOffersFreshOnes(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		w.connect(instance.ConnectRequest{})
		after(time.Hour)
		if got := w.connect(instance.ConnectRequest{}); got.QRCode != "code1" || got.ExpiresIn != 60 {
			t.Errorf("Connect = %+v", got)
		}
	})
}

func TestPairingCodeIsNewWithEachCall(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		first := w.connect(instance.ConnectRequest{Number: "+55 (11) 99999-9999"})
		if d := cmp.Diff(instance.ConnectResult{PairingCode: "ABCD-EFG1", ExpiresIn: 160}, first); d != "" {
			t.Errorf("first (-want +got):\n%s", d)
		}
		after(10 * time.Second)
		second := w.connect(instance.ConnectRequest{Number: "5511999999999"})
		if d := cmp.Diff(instance.ConnectResult{PairingCode: "ABCD-EFG2", ExpiresIn: 150}, second); d != "" {
			t.Errorf("second (-want +got):\n%s", d)
		}
	})
}

func TestPairingCodeErrors(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		_, err := w.svc.Connect(w.Context(), w.in, instance.ConnectRequest{Number: "12ab"})
		wantFault(t, err, fault.Invalid, "Invalid number")
		w.engine.phone = func(int, string) (string, error) { return "", fault.WhatsAppThrottled() }
		_, err = w.svc.Connect(w.Context(), w.in, instance.ConnectRequest{Number: "5511999999999"})
		wantFault(t, err, fault.RateLimited, "WhatsApp rate limit reached. Try again later.")
		w.engine.phone = func(int, string) (string, error) { return "", errors.New("secret") }
		_, err = w.svc.Connect(w.Context(), w.in, instance.ConnectRequest{Number: "5511999999999"})
		wantFault(t, err, fault.Internal, "Failed to connect: WhatsApp gave no pairing code for this number")
	})
}

// rest.md: Ev connecting, qr_ready, pair_success, connected. The restart that
// WhatsApp asks for in between is not shown, however the client reports it.
func TestPairingLeadsToConnectedByItself(t *testing.T) {
	restarts := map[string]func(w *world){
		"disconnected": func(w *world) { w.say(instance.Signal{Kind: instance.SignalDisconnected}) },
		"515":          func(w *world) { w.say(instance.Signal{Kind: instance.SignalStreamError, Reason: "515"}) },
		"nothing":      func(*world) { after(30 * time.Second) },
		"client did it": func(w *world) {
			w.say(instance.Signal{Kind: instance.SignalConnected, Login: ourLogin})
		},
	}
	for name, restart := range restarts {
		t.Run(name, func(t *testing.T) {
			within(t, unlinked(), instance.Options{}, nil, func(w *world) {
				w.connect(instance.ConnectRequest{})
				c := w.engine.last()
				c.mu.Lock()
				c.device = ourDevice
				c.mu.Unlock()
				w.say(instance.Signal{Kind: instance.SignalPaired, Login: ourLogin})
				restart(w)
				got := w.taken()
				want := []event.State{
					{State: "connecting"},
					{State: "qr_ready", Codes: []string{"code1"}, ExpiresIn: 60},
					{State: "pair_success", JID: ourJID},
					{State: "connected", JID: ourJID},
				}
				ignore := cmpopts.IgnoreFields(event.State{}, "Timestamp", "Instance")
				if d := cmp.Diff(want, got, ignore); d != "" {
					t.Errorf("states (-want +got):\n%s", d)
				}
				if s := w.stored("id-1"); s.Login.DeviceJID != ourDevice || s.LoggedOut || s.PhoneSeen.IsZero() {
					t.Errorf("stored %+v", s)
				}
				status := instance.Status{State: instance.Connected, NumberJID: ourJID, Presence: "available"}
				if d := cmp.Diff(status, w.svc.Status(w.in)); d != "" {
					t.Errorf("Status (-want +got):\n%s", d)
				}
			})
		})
	}
}

// The code that was scanned runs out while the connection restarts.
func TestPairingEndsTheQRPhase(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		w.connect(instance.ConnectRequest{})
		after(55 * time.Second)
		w.taken()
		c := w.engine.last()
		c.mu.Lock()
		c.device = ourDevice
		c.mu.Unlock()
		w.say(instance.Signal{Kind: instance.SignalPaired, Login: ourLogin})
		if _, ok := w.svc.QRCode(w.in); ok {
			t.Error("the code is still on offer")
		}
		after(10 * time.Second)
		w.wantStates("pair_success")
		after(20 * time.Second)
		w.wantStates("connected")
	})
}

func TestPairingThatCouldNotBeSavedIsSavedAtTheNextConnection(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		w.connect(instance.ConnectRequest{})
		w.failing(errors.New("disk full"))
		c := w.engine.last()
		c.mu.Lock()
		c.device = ourDevice
		c.mu.Unlock()
		w.say(instance.Signal{Kind: instance.SignalPaired, Login: ourLogin})
		w.failing(nil)
		w.say(instance.Signal{Kind: instance.SignalDisconnected})
		if got := w.stored("id-1").Login.DeviceJID; got != ourDevice {
			t.Errorf("stored device %q", got)
		}
	})
}

func TestPairErrorEndsTheQRPhase(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		w.connect(instance.ConnectRequest{})
		w.taken()
		w.say(instance.Signal{Kind: instance.SignalPairError, Reason: "bad signature"})
		w.wantStates("pair_error")
		if w.state() != instance.Disconnected {
			t.Errorf("state = %s", w.state())
		}
	})
}

func TestScanWithoutMultideviceKeepsTheCode(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		w.connect(instance.ConnectRequest{})
		w.taken()
		w.say(instance.Signal{Kind: instance.SignalScannedWithoutMD})
		w.wantStates("qr_scanned_no_multidevice")
		if _, ok := w.svc.QRCode(w.in); !ok {
			t.Error("the code is gone")
		}
	})
}

// rest.md: 501 Not supported: this account needs a passkey to link a device.
func TestPasskeyIsNotSupported(t *testing.T) {
	passkey := func(_ context.Context, c *client) error {
		c.say(instance.Signal{Kind: instance.SignalPasskeyNeeded})
		return nil
	}
	within(t, unlinked(), instance.Options{}, func(e *engine) { e.connect = passkey }, func(w *world) {
		_, err := w.svc.Connect(w.Context(), w.in, instance.ConnectRequest{})
		wantFault(t, err, fault.Unsupported, "Not supported: this account needs a passkey to link a device")
		w.wantStates("connecting", "pair_error")
	})
}

func TestConnectWhileConnected(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		if got := w.connect(instance.ConnectRequest{}); !got.Connected {
			t.Errorf("Connect = %+v", got)
		}
	})
}

// rest.md: a stored login is resumed first.
func TestConnectResumesTheStoredLogin(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.say(instance.Signal{Kind: instance.SignalStreamReplaced})
		w.taken()
		if got := w.connect(instance.ConnectRequest{}); !got.Connected {
			t.Errorf("Connect = %+v", got)
		}
		w.wantStates("connecting", "connected")
	})
}

// rest.md: if WhatsApp refuses it, it is wiped and a QR follows in the same call.
func TestConnectWipesARefusedLoginAndOffersACode(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.say(instance.Signal{Kind: instance.SignalStreamReplaced})
		w.taken()
		w.engine.script(func(ctx context.Context, c *client) error {
			if c.spec.DeviceJID == "" {
				return welcome(ctx, c)
			}
			c.say(instance.Signal{Kind: instance.SignalLoggedOut, OnConnect: true, Reason: "401"})
			return nil
		})
		if got := w.connect(instance.ConnectRequest{}); got.QRCode != "code1" {
			t.Errorf("Connect = %+v", got)
		}
		w.wantStates("connecting", "logged_out", "connecting", "qr_ready")
		if s := w.stored("id-1"); s.Login.Linked() {
			t.Errorf("still stored: %+v", s.Login)
		}
		if d := cmp.Diff([]string{ourDevice}, w.engine.forgot); d != "" {
			t.Errorf("forgotten devices (-want +got):\n%s", d)
		}
	})
}

// WhatsApp refused the login and the process died before it could note that.
func TestAStoredLoginThatTheEngineLostIsWiped(t *testing.T) {
	lost := func(e *engine) {
		e.openErr = fmt.Errorf("engine: %w", instance.ErrLoginGone)
	}
	within(t, linked(), instance.Options{}, lost, func(w *world) {
		w.wantStates("connecting", "logged_out")
		if w.state() != instance.LoggedOut || w.stored("id-1").Login.Linked() {
			t.Errorf("state %s, stored %+v", w.state(), w.stored("id-1").Login)
		}
		w.engine.openErr = nil
		if got := w.connect(instance.ConnectRequest{}); got.QRCode != "code1" {
			t.Errorf("Connect = %+v", got)
		}
	})
}

// rest.md: 500 Failed to connect: <reason>, timed out waiting for WhatsApp.
func TestConnectTimesOutWithoutACode(t *testing.T) {
	within(t, unlinked(), instance.Options{}, func(e *engine) { e.connect = nothing }, func(w *world) {
		start := time.Now()
		_, err := w.svc.Connect(w.Context(), w.in, instance.ConnectRequest{})
		wantFault(t, err, fault.Internal, "Failed to connect: timed out waiting for WhatsApp")
		if took := time.Since(start); took != time.Minute {
			t.Errorf("waited %v", took)
		}
		synctest.Wait()
		w.wantStates("connecting", "disconnected")
	})
}

func TestConnectSaysWhyTheDialFailed(t *testing.T) {
	refuse := func(context.Context, *client) error {
		return fmt.Errorf("dial socks5://user:secret@proxy: %w", syscall.ECONNREFUSED)
	}
	within(t, unlinked(), instance.Options{}, func(e *engine) { e.connect = refuse }, func(w *world) {
		_, err := w.svc.Connect(w.Context(), w.in, instance.ConnectRequest{})
		wantFault(t, err, fault.Internal, "Failed to connect: connection refused")
		synctest.Wait()
		w.wantStates("connecting", "disconnected")
		if after(time.Hour); w.engine.dialCount() != 1 {
			t.Error("an instance without a phone was dialed again")
		}
	})
}

func TestConnectFailsWhenTheClientCannotBeOpened(t *testing.T) {
	within(t, unlinked(), instance.Options{}, func(e *engine) { e.openErr = errors.New("disk: secret") }, func(w *world) {
		_, err := w.svc.Connect(w.Context(), w.in, instance.ConnectRequest{})
		wantFault(t, err, fault.Internal, "Failed to connect: WhatsApp could not be reached")
	})
}

// rest.md: ?history= 1-365 days, overrides disableHistorySync.
func TestHistoryDays(t *testing.T) {
	tests := map[string]struct {
		disabled bool
		asked    int
		want     int
	}{
		"off":            {disabled: true, want: 0},
		"on":             {want: 90},
		"asked for":      {asked: 30, want: 30},
		"overrides":      {disabled: true, asked: 365, want: 365},
		"the least":      {disabled: true, asked: 1, want: 1},
		"over the limit": {asked: 366, want: -1},
		"negative":       {asked: -1, want: -1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := unlinked()
			in.Settings.DisableHistorySync = tt.disabled
			within(t, in, instance.Options{}, nil, func(w *world) {
				_, err := w.svc.Connect(w.Context(), w.in, instance.ConnectRequest{HistoryDays: tt.asked})
				if tt.want < 0 {
					wantFault(t, err, fault.Invalid, "Invalid request body")
					return
				}
				if got := w.engine.last().spec.HistoryDays; err != nil || got != tt.want {
					t.Errorf("HistoryDays = %d, %v; want %d", got, err, tt.want)
				}
			})
		})
	}
}

// A caller that hangs up leaves the QR phase running for the next one.
func TestConnectCallerHangsUp(t *testing.T) {
	within(t, unlinked(), instance.Options{}, func(e *engine) { e.connect = nothing }, func(w *world) {
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		if _, err := w.svc.Connect(ctx, w.in, instance.ConnectRequest{}); err == nil {
			t.Error("no error")
		}
		w.say(instance.Signal{Kind: instance.SignalQR, Codes: sixCodes})
		if got := w.connect(instance.ConnectRequest{}); got.QRCode != "code1" {
			t.Errorf("Connect = %+v", got)
		}
	})
}

// A phone that accepts in the moment in which the last code ends is linked.
func TestPairingReportedLateIsKept(t *testing.T) {
	late := func(c *client) {
		c.mu.Lock()
		first := c.device == ""
		c.device = ourDevice
		c.mu.Unlock()
		if first {
			c.signal(instance.Signal{Kind: instance.SignalPaired, Login: ourLogin})
		}
	}
	within(t, unlinked(), instance.Options{}, func(e *engine) { e.parting = late }, func(w *world) {
		w.connect(instance.ConnectRequest{})
		after(160 * time.Second)
		if w.state() != instance.Connected || w.stored("id-1").Login.DeviceJID != ourDevice {
			t.Errorf("state %s, stored %+v", w.state(), w.stored("id-1").Login)
		}
	})
}
