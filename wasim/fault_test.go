package wasim_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

func fail(t *testing.T, server *wasim.Server, f wasim.Fault) {
	t.Helper()
	if err := server.Fault(f); err != nil {
		t.Fatalf("%s: %v", f.Kind, err)
	}
}

func tell(t *testing.T, from, to *wasim.Phone, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := from.Send(t.Context(), to.Number(), wasim.Message{Text: text}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFaultDropConnection(t *testing.T) {
	server, bot, person, c := callParty(t)
	fail(t, server, wasim.Fault{Kind: "drop_connection", Target: bot.Number()})
	await[*events.Disconnected](c)
	tell(t, person, bot, "while you were away")
	await[*events.Connected](c)
	c.text("while you were away")
}

func TestFaultReplaced(t *testing.T) {
	server, bot, _, c := callParty(t)
	fail(t, server, wasim.Fault{Kind: "replaced", Target: bot.Number()})
	await[*events.StreamReplaced](c)
}

func TestFaultLoggedOut(t *testing.T) {
	server, bot, _, c := callParty(t)
	c = c.resumed(server)
	c.connect()
	await[*events.Connected](c)
	fail(t, server, wasim.Fault{Kind: "logged_out", Target: bot.Number()})
	await[*events.LoggedOut](c)
	if len(bot.Devices()) != 0 {
		t.Errorf("devices: %v", bot.Devices())
	}
}

func TestFaultClientOutdated(t *testing.T) {
	server, bot, _, c := callParty(t)
	fail(t, server, wasim.Fault{Kind: "client_outdated", Target: bot.Number()})
	await[*events.ClientOutdated](c)
}

// TestFaultClientOutdatedForEachDevice: target acts on all its linked devices.
func TestFaultClientOutdatedForEachDevice(t *testing.T) {
	server := wasim.Start(t)
	bot := server.Phone("5511999990001")
	first, second := linked(t, server, bot), linked(t, server, bot)
	fail(t, server, wasim.Fault{Kind: "client_outdated", Target: bot.Number()})
	await[*events.ClientOutdated](first)
	await[*events.ClientOutdated](second)
}

func TestFaultStreamError(t *testing.T) {
	server, bot, _, c := callParty(t)
	fail(t, server, wasim.Fault{Kind: "stream_error", Target: bot.Number(), Code: 599})
	if e := await[*events.StreamError](c); e.Code != "599" {
		t.Errorf("code %q", e.Code)
	}
}

func TestFaultTempBan(t *testing.T) {
	server, bot, _, c := callParty(t)
	fail(t, server, wasim.Fault{Kind: "temp_ban", Target: bot.Number(), Code: 102, Seconds: 90})
	if !c.IsConnected() {
		t.Error("the ban acted before the next login")
	}
	fail(t, server, wasim.Fault{Kind: "drop_connection", Target: bot.Number()})
	if e := await[*events.TemporaryBan](c); e.Code != 102 || e.Expire != 90*time.Second {
		t.Errorf("ban: %+v", e)
	}
}

func TestFaultDelay(t *testing.T) {
	server, bot, person, c := callParty(t)
	fail(t, server, wasim.Fault{Kind: "delay", Target: bot.Number(), MS: 150})
	start := time.Now()
	tell(t, person, bot, "late")
	c.text("late")
	if d := time.Since(start); d < 150*time.Millisecond {
		t.Errorf("came after %s", d)
	}
	fail(t, server, wasim.Fault{Kind: "delay", Target: bot.Number(), MS: 0})
}

// TestFaultLoseAck: what was acknowledged in vain comes again after the next login. The client acknowledges by hand:
// the library does so beside its events, so that nobody knows which acknowledgement is the next.
func TestFaultLoseAck(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	r := rawLinked(t, server, bot)
	r.peer(waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION)
	eventually(t, "the greeting is acknowledged", func() bool { return wasim.Waiting(bot) == 0 })
	fail(t, server, wasim.Fault{Kind: "lose_ack", Target: bot.Number(), Count: 1})
	tell(t, person, bot, "one", "two")
	first, _ := r.message()
	r.ack(first, "")
	second, _ := r.message()
	r.ack(second, "")
	eventually(t, "only the second one is acknowledged", func() bool { return wasim.Waiting(bot) == 1 })
	fail(t, server, wasim.Fault{Kind: "drop_connection", Target: bot.Number()})
	r.login()
	r.mustAsk("set", "passive", wasim.Node{Tag: "active"})
	if preview := r.ib("offline_preview"); text(&preview, "message") != "1" {
		t.Errorf("preview: %s", &preview)
	}
	r.send(wasim.Node{Tag: "ib", Content: []wasim.Node{{Tag: "offline_batch", Attrs: wasim.Attrs{"count": "100"}}}})
	if again := r.tagged("message", ""); text(again, "id") != text(first, "id") {
		t.Errorf("%s came again, not %s", text(again, "id"), text(first, "id"))
	}
	r.ack(first, "")
	eventually(t, "the first one is acknowledged too", func() bool { return wasim.Waiting(bot) == 0 })
}

func TestFaultRedeliver(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	r := rawLinked(t, server, bot)
	r.peer(waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION)
	tell(t, person, bot, "one", "two")
	first, _ := r.message()
	r.ack(first, "")
	second, _ := r.message()
	r.ack(second, "")
	eventually(t, "both are acknowledged", func() bool { return wasim.Waiting(bot) == 0 })
	fail(t, server, wasim.Fault{Kind: "redeliver", Target: bot.Number(), Count: 2})
	for _, want := range []*wasim.Node{first, second} {
		if again := r.tagged("message", ""); text(again, "id") != text(want, "id") {
			t.Errorf("%s instead of %s again", text(again, "id"), text(want, "id"))
		}
	}
}

func TestFaultReorder(t *testing.T) {
	server, bot, person, c := callParty(t)
	fail(t, server, wasim.Fault{Kind: "reorder", Target: bot.Number(), Count: 3})
	tell(t, person, bot, "one", "two", "three")
	var got []string
	for range 3 {
		got = append(got, awaitWhere(c, func(m *events.Message) bool { return m.Message.GetConversation() != "" }).Message.GetConversation())
	}
	if !slices.Equal(got, []string{"three", "two", "one"}) {
		t.Errorf("order: %v", got)
	}
}

func TestFaultServerDown(t *testing.T) {
	server, _, _, c := callParty(t)
	fail(t, server, wasim.Fault{Kind: "server_down", Seconds: 1})
	await[*events.Disconnected](c)
	answer, err := server.HTTPClient().Get(server.URL() + "/ws/chat")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("while the server is down: %d", answer.StatusCode)
	}
	await[*events.Connected](c)
}

func TestFaultBadInput(t *testing.T) {
	server := wasim.Start(t)
	person := server.Phone("5511999990001")
	for i, f := range []wasim.Fault{
		{Kind: "earthquake", Target: person.Number()},
		{Kind: "replaced", Target: "5511900000000"},
		{Kind: "stream_error", Target: person.Number()},
		{Kind: "delay", Target: person.Number(), MS: -1},
		{Kind: "media_gone"},
		{Kind: "media_gone", MessageID: "3A00"},
	} {
		if err := server.Fault(f); err == nil {
			t.Errorf("%d: %+v was accepted", i, f)
		}
	}
}

func TestLoad(t *testing.T) {
	server := wasim.Start(t)
	bot, a, b := server.Phone("5511999990001"), server.Phone("5511999990002"), server.Phone("5511999990003")
	c := linked(t, server, bot)
	for _, kind := range []string{"text", "image"} {
		result, err := server.Load(t.Context(), wasim.Load{
			From: []string{a.Number(), b.Number()}, To: []string{bot.Number()}, Rate: 200, Seconds: 0.1, Kind: kind, Size: 300,
		})
		if err != nil || result.Sent != 20 || len(result.Messages) != 20 {
			t.Fatalf("%s: %d sent, %v", kind, result.Sent, err)
		}
		want := map[string]bool{}
		for _, m := range result.Messages {
			want[m.ID] = true
			if m.At.IsZero() || m.To != bot.Number() {
				t.Errorf("message: %+v", m)
			}
		}
		for len(want) > 0 {
			delete(want, await[*events.Message](c).Info.ID)
		}
	}
	for i, l := range []wasim.Load{
		{},
		{From: []string{a.Number()}, To: []string{bot.Number()}, Rate: 1},
		{From: []string{"1"}, To: []string{bot.Number()}, Rate: 1, Seconds: 1},
		{From: []string{a.Number()}, To: []string{"nobody"}, Rate: 1, Seconds: 1},
		{From: []string{a.Number()}, To: []string{bot.Number()}, Rate: 1, Seconds: 1, Kind: "smell"},
	} {
		if _, err := server.Load(t.Context(), l); err == nil {
			t.Errorf("bad load %d was accepted: %+v", i, l)
		}
	}
}
