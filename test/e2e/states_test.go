package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/wasim"
)

// This file proves section 7.5, instance.state: every state that the simulated
// network can cause. The others are proven in packages wa and instance.

func fault(t *testing.T, g *apptest.Gateway, f wasim.Fault) {
	t.Helper()
	f.Target = olga
	if err := g.Network.Fault(f); err != nil {
		t.Fatal(err)
	}
}

// states reads frames until the last of the given states came, and compares.
// Other events do not count.
func states(t *testing.T, s *apptest.Socket, want ...string) []apptest.Frame {
	t.Helper()
	var frames []apptest.Frame
	for len(frames) < len(want) {
		f := s.Next()
		if f.Event != "instance.state" {
			continue
		}
		frames = append(frames, f)
		if got := f.Get("state"); got != want[len(frames)-1] {
			t.Fatalf("state %d is %s, want %s: %s", len(frames), got, want[len(frames)-1], f.Raw)
		}
	}
	return frames
}

var linking = []string{"connecting", "qr_ready", "pair_success", "connected"}

// TestStateLinking: connecting, qr_ready with its one code, pair_success and
// connected; jid is absent while no phone is linked.
func TestStateLinking(t *testing.T) {
	g := apptest.Start(t)
	g.Create("sales", nil)
	s := g.Listen("sales", apptest.Token)
	phone := g.Link("sales", olga)
	frames := states(t, s, linking...)
	codes, _ := frames[1].Data["codes"].([]any)
	if len(codes) != 1 || !strings.Contains(codes[0].(string), ",") || frames[1].Data["expiresIn"] != 60.0 {
		t.Errorf("qr_ready: %s", frames[1].Raw)
	}
	for i, f := range frames {
		want(t, f, is{"instance": "sales"})
		if _, there := f.Data["jid"]; there != (i >= 2) {
			t.Errorf("jid in %s", f.Raw)
		}
	}
	want(t, frames[3], is{"jid": phone.JID(), "reason": ""})
}

// TestStateDisconnected: says why, and connects again by itself.
func TestStateDisconnected(t *testing.T) {
	g, s := linked(t)
	states(t, s, linking...)
	fault(t, g, wasim.Fault{Kind: "drop_connection"})
	frames := states(t, s, "disconnected", "connecting", "connected")
	if frames[0].Get("reason") == "" || frames[0].Get("jid") != olga+"@s.whatsapp.net" {
		t.Errorf("disconnected: %s", frames[0].Raw)
	}
}

// TestStateStreamError: with its code in the reason, and connects again.
func TestStateStreamError(t *testing.T) {
	g, s := linked(t)
	states(t, s, linking...)
	fault(t, g, wasim.Fault{Kind: "stream_error", Code: 599})
	frames := states(t, s, "stream_error", "disconnected", "connecting", "connected")
	if !strings.Contains(frames[0].Get("reason"), "599") {
		t.Errorf("stream_error: %s", frames[0].Raw)
	}
}

// TestStateStreamReplaced: another client took over, which is not fought for.
func TestStateStreamReplaced(t *testing.T) {
	g, s := linked(t)
	states(t, s, linking...)
	fault(t, g, wasim.Fault{Kind: "replaced"})
	if f := states(t, s, "stream_replaced")[0]; f.Get("reason") == "" {
		t.Errorf("no reason: %s", f.Raw)
	}
	g.WaitState("sales", "disconnected")
}

// TestStateTempBanned: with code and expiresAt.
func TestStateTempBanned(t *testing.T) {
	g, s := linked(t)
	states(t, s, linking...)
	fault(t, g, wasim.Fault{Kind: "temp_ban", Code: 102, Seconds: 3600})
	fault(t, g, wasim.Fault{Kind: "drop_connection"})
	f := states(t, s, "disconnected", "connecting", "temp_banned")[2]
	expires, err := time.Parse(time.RFC3339, f.Get("expiresAt"))
	if left := time.Until(expires); err != nil || left < 59*time.Minute || left > time.Hour || f.Get("code") != "102" || f.Get("reason") == "" {
		t.Errorf("%v: %s", err, f.Raw)
	}
}

// TestStateClientOutdated: says what to do.
func TestStateClientOutdated(t *testing.T) {
	g, s := linked(t)
	states(t, s, linking...)
	fault(t, g, wasim.Fault{Kind: "client_outdated"})
	if f := states(t, s, "disconnected", "connecting", "client_outdated")[2]; !strings.Contains(f.Get("reason"), "whatsapp.version") {
		t.Errorf("reason: %s", f.Raw)
	}
}

// TestStateLoggedOut: from the phone and through the API; the jid goes.
func TestStateLoggedOut(t *testing.T) {
	g, s := linked(t)
	states(t, s, linking...)
	fault(t, g, wasim.Fault{Kind: "logged_out"})
	f := states(t, s, "logged_out")[0]
	if _, there := f.Data["jid"]; there || f.Get("reason") == "" {
		t.Errorf("logged_out: %s", f.Raw)
	}
	g.WaitState("sales", "loggedout")
	g.Link("sales", olga)
	states(t, s, linking...)
	g.Must("DELETE", "/api/instance/logout/sales", nil)
	states(t, s, "logged_out")
}

// TestStateManualReconnect: then the outcome.
func TestStateManualReconnect(t *testing.T) {
	g, s := linked(t)
	states(t, s, linking...)
	g.Must("POST", "/api/instance/reconnect/sales", nil)
	for f := s.Expect("instance.state", is{"state": "manual_reconnect"}); f.Get("state") != "connected"; {
		f = s.Expect("instance.state", is{"state": "connected"})
	}
}

// TestStateKeepalive: a silent connection is told once, and when it speaks again.
func TestStateKeepalive(t *testing.T) {
	g, s := linked(t)
	states(t, s, linking...)
	fault(t, g, wasim.Fault{Kind: "delay", MS: 5000})
	states(t, s, "keepalive_timeout")
	fault(t, g, wasim.Fault{Kind: "delay", MS: 0})
	states(t, s, "keepalive_restored")
}

// TestStateConnectWhileTheServerIsDown: disconnected says why; it is tried again.
func TestStateConnectWhileTheServerIsDown(t *testing.T) {
	g, s := linked(t)
	states(t, s, linking...)
	fault(t, g, wasim.Fault{Kind: "server_down", Seconds: 1})
	s.Expect("instance.state", is{"state": "disconnected", "reason": "*"})
	s.Expect("instance.state", is{"state": "connected"})
}
