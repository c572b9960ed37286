package e2e_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/wasim"
)

// This file proves section 6, the envelope.

// TestEnvelopeByteByByte: keys and their order, nothing more and nothing less.
func TestEnvelopeByteByByte(t *testing.T) {
	g := apptest.Start(t, "--base-url", "https://api.example.com")
	own := g.Create("sales", nil)
	s := g.Listen("sales", apptest.Token)
	if _, err := g.Network.AddPhone(ana, "Ana"); err != nil {
		t.Fatal(err)
	}
	phone := g.Link("sales", olga)
	id := say(t, g, ana, "byte by byte")
	f := s.Expect("message.exchange", is{"message.id": id})
	person := `{"jid":"` + ana + `@s.whatsapp.net","lid":"` + g.Network.Phone(ana).LID() + `","name":"Ana"`
	const moment, seconds = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z`, `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`
	q := regexp.QuoteMeta
	want := "^" + q(`{"event":"message.exchange","data":{"id":"`+id+`","message":{"id":"`+id+`","direction":"incoming","timestamp":"`) + seconds +
		q(`","type":"text","chat":`+person+`,"type":"private"},"sender":`+person+`},"content":{"text":"byte by byte"},"source":""}}`+
			`,"instanceData":{"baseUrl":"https://api.example.com","instance":"sales","token":"`+own+`"},"meta":{"id":"`) +
		`[A-Za-z0-9_]{1,64}` + q(`","sequence":`) + `[1-9]\d*` + q(`,"timestamp":"`) + moment + q(`"}}`) + "$"
	if !regexp.MustCompile(want).Match(f.Raw) {
		t.Errorf("got\n%s\nwant\n%s", f.Raw, want)
	}
	if age := time.Since(f.Meta.Timestamp); age < 0 || age > apptest.Patience {
		t.Errorf("meta.timestamp is %s old", age)
	}
	f = s.Expect("instance.state", is{"state": "connected"})
	want = "^" + q(`{"event":"instance.state","data":{"state":"connected","timestamp":"`) + moment +
		q(`","instance":"sales","jid":"`+phone.JID()+`"},"instanceData":{`)
	if !regexp.MustCompile(want).Match(f.Raw) {
		t.Errorf("got\n%s\nwant\n%s", f.Raw, want)
	}
}

// TestEnvelopeWithoutToken: events.include_token=false omits it.
func TestEnvelopeWithoutToken(t *testing.T) {
	g, s := linked(t, "--no-events-include-token")
	id := say(t, g, ana, "no token")
	f := s.Expect("message.exchange", is{"message.id": id})
	if !strings.Contains(string(f.Raw), `"instance":"sales"},"meta":`) || f.InstanceData["baseUrl"] != g.URL("") {
		t.Errorf("instanceData: %s", f.Raw)
	}
}

// TestSequenceCountsUnwantedEvents: a filter shows as jumps.
func TestSequenceCountsUnwantedEvents(t *testing.T) {
	g, s := linked(t)
	say(t, g, ana, "one")
	before := s.Expect("message.exchange", is{"message.content.text": "one"})
	set(g, only("call.update"))
	say(t, g, ana, "unwanted")
	say(t, g, ana, "unwanted too")
	call := ring(t, g, wasim.CallAction{Action: "offer"})
	after := s.Expect("call.update", is{"callId": call})
	if after.Meta.Sequence != before.Meta.Sequence+3 {
		t.Errorf("sequence %d after %d and two unwanted events", after.Meta.Sequence, before.Meta.Sequence)
	}
	if after.Meta.ID == before.Meta.ID {
		t.Error("two events have one id")
	}
}
