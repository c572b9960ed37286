package instance_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chasqui/chasqui/internal/instance"
)

// Whatever WhatsApp reports and users ask for, in whatever order: what is shown
// agrees with itself, nobody waits for ever, and nothing is left behind.
func TestRandomLives(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			in := unlinked()
			if r.IntN(2) == 0 {
				in = linked()
			}
			var mu sync.Mutex // guards moods, which dials share
			moods := rand.New(rand.NewPCG(seed, 2))
			moody := func(e *engine) {
				e.connect = func(ctx context.Context, c *client) error {
					mu.Lock()
					mood := moods.IntN(4)
					mu.Unlock()
					switch mood {
					case 0:
						return errors.New("refused")
					case 1:
						return nil
					}
					return welcome(ctx, c)
				}
			}
			within(t, in, instance.Options{}, moody, func(w *world) {
				for range 40 {
					step(w, r)
					checkConsistent(w)
				}
				after(time.Hour)
				checkConsistent(w)
				if err := w.svc.Delete(w.Context(), w.in); err != nil {
					w.Errorf("Delete: %v", err)
				}
				after(day)
				if h := w.history(); h[len(h)-1] != "deleted sales" || w.engine.open() != 0 {
					w.Errorf("after the delete: %s, %d clients", h[len(h)-1], w.engine.open())
				}
			})
		})
	}
}

// step does one thing that may happen, and lets some time pass.
func step(w *world, r *rand.Rand) {
	switch r.IntN(8) {
	case 0:
		go func() { _, _ = w.svc.Connect(w.Context(), w.in, instance.ConnectRequest{}) }()
	case 1:
		go func() { _ = w.svc.Reconnect(w.Context(), w.in) }()
	case 2:
		go func() { _, _ = w.svc.Logout(w.Context(), w.in) }()
	default:
		report(w, r)
	}
	synctest.Wait()
	after(time.Duration(r.Int64N(int64([]time.Duration{
		time.Nanosecond, time.Second, time.Minute, day,
	}[r.IntN(4)]))))
}

// report makes a client, if there is one, say something.
func report(w *world, r *rand.Rand) {
	w.engine.mu.Lock()
	n := len(w.engine.clients)
	w.engine.mu.Unlock()
	if n == 0 {
		return
	}
	c := w.engine.last()
	kind := instance.SignalQR + instance.SignalKind(r.IntN(int(instance.SignalUndecryptableBurst)))
	s := instance.Signal{Kind: kind, At: time.Now(), Codes: sixCodes, Count: r.IntN(5), Reason: "515"}
	if kind == instance.SignalPaired || kind == instance.SignalConnected {
		s.Login = ourLogin
		c.mu.Lock()
		c.device = ourDevice
		c.mu.Unlock()
	}
	c.say(s)
}

func checkConsistent(w *world) {
	w.Helper()
	status := w.svc.Status(w.in)
	_, live := w.svc.Client(w.in.ID)
	_, offered := w.svc.QRCode(w.in)
	stored := w.stored(w.in.ID)
	switch {
	case live != (status.State == instance.Connected):
		w.Errorf("state %s, but a client is given: %v", status.State, live)
	case offered && status.State != instance.Connecting:
		w.Errorf("state %s, but a code is on offer", status.State)
	case stored.Login.Linked() != (status.NumberJID != ""):
		w.Errorf("stored login %q, but shown %q", stored.Login.DeviceJID, status.NumberJID)
	case status.State == instance.LoggedOut && stored.Login.Linked():
		w.Error("logged out, but the login is stored")
	case w.engine.open() > 1:
		w.Errorf("%d clients open at once", w.engine.open())
	}
}
