package wa_test

import (
	"errors"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/wa"
)

// What the simulated network cannot cause is told as well, in order.
func TestLibraryEventsBecomeSignalsInOrder(t *testing.T) {
	r := newRig(t)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	since := time.Now().Add(-time.Minute)
	causes := []struct {
		evt  any
		want instance.Signal
	}{
		{&events.PairPasskeyRequest{}, instance.Signal{Kind: instance.SignalPasskeyNeeded}},
		{&events.QRScannedWithoutMultidevice{}, instance.Signal{Kind: instance.SignalScannedWithoutMD}},
		{&events.KeepAliveTimeout{ErrorCount: 2, LastSuccess: since}, instance.Signal{Kind: instance.SignalKeepAliveTimeout, Count: 2, Since: since}},
		{&events.KeepAliveRestored{}, instance.Signal{Kind: instance.SignalKeepAliveRestored}},
		{&events.ConnectFailure{Reason: 418, Message: "odd"}, instance.Signal{Kind: instance.SignalConnectFailure, Code: 418, Reason: "odd"}},
		{&events.CATRefreshError{Error: errors.New("no")}, instance.Signal{Kind: instance.SignalCATRefreshError, Reason: "the token could not be renewed"}},
	}
	for _, c := range causes {
		wa.Inject(r.client, c.evt)
	}
	for _, c := range causes {
		got := r.signals.wait(t, c.want.Kind)
		if got.At.IsZero() {
			t.Errorf("signal %d has no time", got.Kind)
		}
		if got.Code != c.want.Code || got.Count != c.want.Count || got.Reason != c.want.Reason || !got.Since.Equal(c.want.Since) {
			t.Errorf("%T: %+v, want %+v", c.evt, got, c.want)
		}
	}
}

// A Disconnected that is delivered after the connection was replaced says
// nothing about the new one.
func TestALateDisconnectedIsDropped(t *testing.T) {
	r := newRig(t)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	wa.Inject(r.client, &events.Disconnected{})
	wa.Inject(r.client, &events.KeepAliveRestored{})
	r.signals.wait(t, instance.SignalKeepAliveRestored)
	for _, k := range r.signals.kinds() {
		if k == instance.SignalDisconnected {
			t.Error("told while connected")
		}
	}
}

func TestProxyIsNotChangedWhileConnected(t *testing.T) {
	r := newRig(t)
	r.link(r.net.Phone(ownNumber), instance.Settings{})
	if err := r.client.SetProxy("socks5://127.0.0.1:1"); err == nil {
		t.Error("the transport was swapped under a connection")
	}
	r.client.Disconnect()
	if err := r.client.SetProxy("socks5://127.0.0.1:1"); err != nil {
		t.Errorf("SetProxy while disconnected: %v", err)
	}
	r.connect() // a sandbox stores proxies but never uses them
	r.signals.wait(t, instance.SignalConnected)
}
