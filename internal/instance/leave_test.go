package instance_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/lifecycle/lifecycletest"
)

// rest.md: logout unlinks; the record and the token stay; repeating is 200.
func TestLogoutUnlinksAndMayBeRepeated(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.taken()
		for range 2 {
			warning, err := w.svc.Logout(w.Context(), w.in)
			if warning != "" || err != nil {
				t.Errorf("Logout = %q, %v", warning, err)
			}
		}
		got := w.taken()
		if len(got) != 1 || got[0].State != "logged_out" || got[0].JID != "" {
			t.Errorf("states = %+v", got)
		}
		if w.engine.logouts != 1 || w.engine.open() != 0 || w.state() != instance.LoggedOut {
			t.Errorf("%d logouts, %d clients, state %s", w.engine.logouts, w.engine.open(), w.state())
		}
		s := w.stored("id-1")
		if s.Login.Linked() || !s.LoggedOut || s.Token != w.in.Token {
			t.Errorf("stored %+v", s)
		}
	})
}

// rest.md: offline it connects for up to 15 s.
func TestLogoutWhileOfflineConnectsFirst(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.say(instance.Signal{Kind: instance.SignalStreamReplaced})
		w.taken()
		warning, err := w.svc.Logout(w.Context(), w.in)
		if warning != "" || err != nil || w.engine.logouts != 1 {
			t.Errorf("Logout = %q, %v; %d at WhatsApp", warning, err, w.engine.logouts)
		}
		w.wantStates("connecting", "connected", "logged_out")
	})
}

// rest.md: else it wipes locally, with a warning that the phone still lists the device.
func TestLogoutThatCannotReachWhatsAppWipesAndWarns(t *testing.T) {
	scripts := map[string]struct {
		connect func(context.Context, *client) error
		logout  func(context.Context, *client) error
		limit   time.Duration
	}{
		"silence":      {connect: nothing, limit: 15 * time.Second},
		"refused":      {connect: func(context.Context, *client) error { return errors.New("refused") }},
		"dial hangs":   {connect: func(ctx context.Context, _ *client) error { <-ctx.Done(); return ctx.Err() }, limit: 15 * time.Second},
		"logout fails": {logout: func(context.Context, *client) error { return errors.New("500") }},
		"logout hangs": {logout: func(ctx context.Context, _ *client) error { <-ctx.Done(); return ctx.Err() }, limit: 15 * time.Second},
	}
	for name, tt := range scripts {
		t.Run(name, func(t *testing.T) {
			within(t, linked(), instance.Options{}, nil, func(w *world) {
				w.say(instance.Signal{Kind: instance.SignalStreamReplaced})
				w.engine.script(tt.connect)
				w.engine.logout = tt.logout
				start := time.Now()
				warning, err := w.svc.Logout(w.Context(), w.in)
				if warning == "" || err != nil {
					t.Errorf("Logout = %q, %v", warning, err)
				}
				if took := time.Since(start); took != tt.limit {
					t.Errorf("took %v, want %v", took, tt.limit)
				}
				if d := cmp.Diff([]string{ourDevice}, w.engine.forgot); d != "" {
					t.Errorf("forgotten (-want +got):\n%s", d)
				}
				if w.stored("id-1").Login.Linked() || w.state() != instance.LoggedOut {
					t.Error("the login is still there")
				}
				if n := w.engine.dialing.Load(); n != 0 {
					t.Errorf("%d dials still running", n)
				}
				if after(time.Hour); w.state() != instance.LoggedOut {
					t.Error("came back after the logout")
				}
			})
		})
	}
}

func TestLogoutOfALoginThatWhatsAppRefusesNeedsNoWarning(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.say(instance.Signal{Kind: instance.SignalStreamReplaced})
		w.taken()
		w.engine.script(func(_ context.Context, c *client) error {
			c.say(instance.Signal{Kind: instance.SignalLoggedOut, OnConnect: true, Reason: "401"})
			return nil
		})
		warning, err := w.svc.Logout(w.Context(), w.in)
		if warning != "" || err != nil {
			t.Errorf("Logout = %q, %v", warning, err)
		}
		w.wantStates("connecting", "logged_out")
	})
}

func TestLogoutDuringAQRPhaseEndsIt(t *testing.T) {
	within(t, unlinked(), instance.Options{}, nil, func(w *world) {
		w.connect(instance.ConnectRequest{})
		w.taken()
		if warning, err := w.svc.Logout(w.Context(), w.in); warning != "" || err != nil {
			t.Errorf("Logout = %q, %v", warning, err)
		}
		w.wantStates("logged_out")
		if _, ok := w.svc.QRCode(w.in); ok || w.engine.open() != 0 {
			t.Error("the code is still on offer")
		}
	})
}

func TestLogoutEndsAConnectThatWaits(t *testing.T) {
	within(t, unlinked(), instance.Options{}, func(e *engine) { e.connect = nothing }, func(w *world) {
		done := make(chan error, 1)
		go func() {
			_, err := w.svc.Connect(w.Context(), w.in, instance.ConnectRequest{})
			done <- err
		}()
		synctest.Wait()
		if _, err := w.svc.Logout(w.Context(), w.in); err != nil {
			t.Error(err)
		}
		wantFault(t, <-done, fault.Internal, "Failed to connect: the instance was logged out")
	})
}

func TestLogoutThatCannotBeStored(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.failing(errors.New("disk full"))
		_, err := w.svc.Logout(w.Context(), w.in)
		wantFault(t, err, fault.Internal, "Failed to logout instance")
		w.failing(nil)
		if _, err := w.svc.Logout(w.Context(), w.in); err != nil || w.stored("id-1").Login.Linked() {
			t.Errorf("repeated: %v", err)
		}
	})
}

// rest.md: delete logs out, then removes the record; nothing comes after that.
func TestDelete(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		if err := w.svc.Delete(w.Context(), w.in); err != nil {
			t.Fatal(err)
		}
		want := []string{"opened sales", "connecting", "connected", "logged_out", "deleted sales"}
		if d := cmp.Diff(want, w.history()); d != "" {
			t.Errorf("history (-want +got):\n%s", d)
		}
		if w.engine.logouts != 1 || w.engine.open() != 0 {
			t.Errorf("%d logouts, %d clients", w.engine.logouts, w.engine.open())
		}
		wantFault(t, w.svc.Delete(w.Context(), w.in), fault.NotFound, "Instance not found")
		_, err := w.svc.Connect(w.Context(), w.in, instance.ConnectRequest{})
		wantFault(t, err, fault.NotFound, "Instance not found")
	})
}

func TestDeleteThatFailsMayBeRepeated(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.failing(errors.New("disk: secret"))
		wantFault(t, w.svc.Delete(w.Context(), w.in), fault.Internal, "Failed to delete instance: internal error")
		w.failing(nil)
		if err := w.svc.Delete(w.Context(), w.in); err != nil {
			t.Error(err)
		}
	})
}

func TestDeleteAllAndAnyLinked(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		if _, err := w.svc.Create(w.Context(), "acme", nil, instance.New{Name: "other"}); err != nil {
			t.Fatal(err)
		}
		if yes, err := w.svc.AnyLinked(w.Context(), "acme"); !yes || err != nil {
			t.Errorf("AnyLinked = %v, %v", yes, err)
		}
		if err := w.svc.DeleteAll(w.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
		if left, _ := w.svc.List(w.Context(), "acme", nil); len(left) != 0 {
			t.Errorf("left: %+v", left)
		}
		if yes, err := w.svc.AnyLinked(w.Context(), "acme"); yes || err != nil {
			t.Errorf("AnyLinked = %v, %v", yes, err)
		}
	})
}

// rest.md 10: without a running server an account's instances are wiped locally.
func TestDeleteAllWithoutAStart(t *testing.T) {
	m, e := newMemory(linked()), &engine{}
	svc := instance.NewService(m, e, m, m, instance.Options{})
	if err := svc.DeleteAll(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if len(m.byID) != 0 || !slices.Equal(e.forgot, []string{ourDevice}) || len(e.clients) != 0 {
		t.Errorf("left %v, forgot %v, opened %d", m.byID, e.forgot, len(e.clients))
	}
}

func TestStopEndsAWaitingConnectAndKeepsTheLogin(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		w.engine.script(nothing)
		w.say(instance.Signal{Kind: instance.SignalDisconnected})
		done := make(chan error, 1)
		go func() {
			_, err := w.svc.Connect(w.Context(), w.in, instance.ConnectRequest{})
			done <- err
		}()
		synctest.Wait()
		if err := w.svc.Stop(w.Context()); err != nil {
			t.Error(err)
		}
		wantFault(t, <-done, fault.Unavailable, "Server is shutting down")
		_, err := w.svc.Connect(w.Context(), w.in, instance.ConnectRequest{})
		wantFault(t, err, fault.Unavailable, "Server is shutting down")
		if !w.stored("id-1").Login.Linked() {
			t.Error("the login is gone")
		}
	})
}

// cli.md: SIGTERM stops cleanly within 15 s: nobody waits a minute for a code.
func TestDrainEndsAWaitingConnectAndKeepsConnections(t *testing.T) {
	within(t, linked(), instance.Options{}, nil, func(w *world) {
		other, err := w.svc.Create(w.Context(), "acme", nil, instance.New{Name: "other"})
		if err != nil {
			t.Fatal(err)
		}
		w.engine.script(nothing)
		done := make(chan error, 1)
		go func() {
			_, err := w.svc.Connect(w.Context(), other, instance.ConnectRequest{})
			done <- err
		}()
		synctest.Wait()
		w.svc.Drain()
		w.svc.Drain()
		wantFault(t, <-done, fault.Unavailable, "Server is shutting down")
		if _, ok := w.svc.Client("id-1"); !ok {
			t.Error("Drain disconnected a client")
		}
	})
}

func TestStopOrDrainDuringALogoutKeepsTheLogin(t *testing.T) {
	ends := map[string]func(w *world) error{
		"stop":  func(w *world) error { return w.svc.Stop(w.Context()) },
		"drain": func(w *world) error { w.svc.Drain(); return nil },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			within(t, linked(), instance.Options{}, nil, func(w *world) {
				w.say(instance.Signal{Kind: instance.SignalStreamReplaced})
				w.engine.script(nothing)
				done := make(chan error, 1)
				go func() {
					_, err := w.svc.Logout(w.Context(), w.in)
					done <- err
				}()
				synctest.Wait()
				start := time.Now()
				if err := end(w); err != nil {
					t.Error(err)
				}
				wantFault(t, <-done, fault.Unavailable, "Server is shutting down")
				if !w.stored("id-1").Login.Linked() || time.Since(start) != 0 {
					t.Errorf("login %+v after %v", w.stored("id-1").Login, time.Since(start))
				}
			})
		})
	}
}

// Connect, logout, reconnect and delete of one instance at once, in real time:
// after the delete nothing of it is left, whatever the order was.
func TestOperationsOnOneInstanceAtOnce(t *testing.T) {
	for round := range 100 {
		m, e := newMemory(linked()), &engine{}
		svc := instance.NewService(m, e, m, m, instance.Options{})
		if err := svc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		in := linked()
		var wg sync.WaitGroup
		both := func(f func()) { wg.Go(f); wg.Go(f) }
		both(func() { _, _ = svc.Connect(t.Context(), in, instance.ConnectRequest{}) })
		both(func() { _, _ = svc.Logout(t.Context(), in) })
		both(func() { _ = svc.Reconnect(t.Context(), in) })
		both(func() { svc.Status(in); svc.QRCode(in); svc.Client(in.ID) })
		deleted := make(chan error, 2)
		both(func() { deleted <- svc.Delete(t.Context(), in) })
		wg.Wait()
		first, second := <-deleted, <-deleted
		if (first == nil) == (second == nil) {
			t.Errorf("round %d: deletes = %v, %v; want one to succeed", round, first, second)
		}
		if h := m.history(); h[len(h)-1] != "deleted sales" {
			t.Errorf("round %d: something came after the delete: %v", round, h)
		}
		if n := e.open(); n != 0 {
			t.Errorf("round %d: %d clients open", round, n)
		}
		if err := svc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestLifecycle(t *testing.T) {
	lifecycletest.Stress(t, func(t *testing.T) lifecycle.Service {
		m := newMemory()
		for i := range 5 {
			in := linked()
			in.ID, in.Name = fmt.Sprint(i), fmt.Sprint(i)
			m.byID[in.ID] = in
		}
		return instance.NewService(m, &engine{}, m, m, instance.Options{StartStagger: time.Millisecond})
	})
}
