package e2e_test

import (
	"slices"
	"testing"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/wasim"
)

// This file proves section 7.3, call.update.

// TestCallTypes: each type that a caller can cause, with its fields; preaccept
// and transport cause no event.
func TestCallTypes(t *testing.T) {
	g, s := linked(t)
	for _, video := range []bool{false, true} {
		id := ring(t, g, wasim.CallAction{Action: "offer", Video: video, LID: video})
		flag := map[bool]string{false: "false", true: "true"}[video]
		f := s.Expect("call.update", is{"callId": id})
		want(t, f, is{
			"type": "offer", "isVideo": flag, "isGroup": "false", "from.jid": ana + "@s.whatsapp.net", "creator.jid": ana + "@s.whatsapp.net",
			"remotePlatform": "android", "remoteVersion": "2.25.1", "automatic": "", "latencyMs": "", "reason": "",
		})
		ring(t, g, wasim.CallAction{Action: "preaccept", CallID: id})
		ring(t, g, wasim.CallAction{Action: "transport", CallID: id})
		for _, step := range []struct{ action, kind string }{{"relaylatency", "latency"}, {"accept", "accepted"}, {"reject", "rejected"}, {"terminate", "terminated"}} {
			ring(t, g, wasim.CallAction{Action: step.action, CallID: id, Reason: "timeout"})
			f := s.Expect("call.update", is{"callId": id})
			want(t, f, is{"type": step.kind, "creator.jid": ana + "@s.whatsapp.net", "reason": map[bool]string{true: "timeout"}[step.kind == "terminated"]})
			if (f.Get("latencyMs") != "") != (step.kind == "latency") {
				t.Errorf("latencyMs: %s", f.Raw)
			}
		}
	}
	settle(t, g, s, func(f apptest.Frame) bool { return f.Event == "call.update" })
}

// TestCallInAGroup is a notification.
func TestCallInAGroup(t *testing.T) {
	g, s := linked(t)
	group := aGroup(t, g, "Friends")
	id, err := g.Network.Phone(ana).Call(background(t), group.JID(), wasim.CallAction{Action: "offer"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, s.Expect("call.update", is{"callId": id}), is{"type": "notification", "isGroup": "true", "from.jid": ana + "@s.whatsapp.net"})
}

// TestCallAutoReject: the rejection is an event, reaches the caller, and the
// text of the settings follows.
func TestCallAutoReject(t *testing.T) {
	g := apptest.Start(t)
	g.Create("sales", object{"autoRejectCalls": true, "callRejectMessage": "Please write to us."})
	s := g.Listen("sales", apptest.Token)
	g.Link("sales", olga)
	id := ring(t, g, wasim.CallAction{Action: "offer"})
	offer := s.Expect("call.update", is{"callId": id, "type": "offer"})
	rejected := s.Expect("call.update", is{"callId": id, "type": "rejected", "automatic": "true"})
	if rejected.Meta.Sequence <= offer.Meta.Sequence {
		t.Errorf("rejected before it was offered: %s", rejected.Raw)
	}
	if _, err := g.Network.Phone(ana).Wait(background(t), func(r wasim.Received) bool { return r.Text == "Please write to us." }); err != nil {
		t.Error(err)
	}
	apptest.Eventually(t, func() bool {
		return slices.ContainsFunc(g.Network.Phone(ana).Calls(), func(c wasim.CallAction) bool { return c.CallID == id && c.Action == "reject" })
	}, func() string { return "the caller is not told" })
	want(t, s.Expect("message.exchange", is{"message.content.text": "Please write to us."}), is{"message.direction": "outgoing", "message.source": ""})
}
