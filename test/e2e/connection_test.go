package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/internal/control"
	"github.com/chasqui/chasqui/wasim"
)

// This file proves the table of section 4, the connection, through real sockets.

const byAccount = "token: " + apptest.Token

// ready is a gateway with the instance sales, its channel open, not linked.
func ready(t *testing.T, flags ...string) (*apptest.Gateway, string) {
	t.Helper()
	g := apptest.Start(t, flags...)
	return g, g.Create("sales", nil)
}

// refused checks that an upgrade is answered as an ordinary request.
func refused(t *testing.T, g *apptest.Gateway, path string, status int, message string, headers ...string) {
	t.Helper()
	res, body := knock(t, g, path, headers...)
	var answer struct {
		Success *bool
		Error   struct{ Message string }
	}
	err := json.Unmarshal([]byte(body), &answer)
	if err != nil || res.StatusCode != status || answer.Success == nil || *answer.Success || answer.Error.Message != message {
		t.Errorf("%s %q: %d %s, want %d %s", path, headers, res.StatusCode, body, status, message)
	}
}

// accepted checks that the socket opens.
func accepted(t *testing.T, g *apptest.Gateway, path string, headers ...string) {
	t.Helper()
	if res, body := knock(t, g, path, headers...); res.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("%s %q: %d %s", path, headers, res.StatusCode, body)
	}
}

func ticket(t *testing.T, g *apptest.Gateway, token string) string {
	t.Helper()
	a := g.Do("POST", "/api/events/ticket/sales", token, nil)
	if a.Status != 200 || a.Body["expiresIn"] != 30.0 {
		t.Fatalf("ticket: %d %s", a.Status, a.Raw)
	}
	return a.Body["ticket"].(string)
}

// TestTokenPlacesAtTheUpgrade: header, Bearer or query; nothing else counts.
func TestTokenPlacesAtTheUpgrade(t *testing.T) {
	g, own := ready(t)
	other := g.Create("other", nil)
	for _, token := range []string{own, apptest.Token} {
		accepted(t, g, "/ws/sales", "token: "+token)
		accepted(t, g, "/ws/sales", "Authorization: Bearer "+token)
		accepted(t, g, "/ws/sales?token="+token)
	}
	for _, wrong := range [][]string{
		{"/ws/sales"},
		{"/ws/sales?token=wrong-token-0000001"},
		{"/ws/sales", "token: wrong-token-0000001"},
		{"/ws/sales", "token: " + other},
		{"/ws/sales?token=" + other},
		{"/ws/sales?apikey=" + own},
		{"/ws/sales", "Cookie: token=" + own},
	} {
		refused(t, g, wrong[0], 401, "Invalid token", wrong[1:]...)
	}
}

// TestTicket opens one socket, which belongs to the token that made it; after
// header, Bearer and query.
func TestTicket(t *testing.T) {
	g, own := ready(t)
	one := ticket(t, g, own)
	c, res := open(t, g, "/ws/sales?ticket="+one, net.Dialer{})
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the ticket: %d", res.StatusCode)
	}
	refused(t, g, "/ws/sales?ticket="+one, 401, "Invalid token")
	refused(t, g, "/ws/sales?ticket=b1946ac92492d2347c6235b4d2611184", 401, "Invalid token")
	unused := ticket(t, g, apptest.Token)
	accepted(t, g, "/ws/sales?ticket="+unused+"&token="+own)
	accepted(t, g, "/ws/sales?ticket="+unused) // the token came first: the ticket was not used
	stale := ticket(t, g, own)
	g.Must("POST", "/api/instance/rotateToken/sales", object{})
	if code := c.closed(); code != 4401 {
		t.Errorf("after the rotation of the token that made the ticket: %d, want 4401", code)
	}
	refused(t, g, "/ws/sales?ticket="+stale, 401, "Invalid token")
}

// TestRefusedBeforeTheUpgradeInThisOrder: all is wrong at first, and mending one
// thing uncovers the next.
func TestRefusedBeforeTheUpgradeInThisOrder(t *testing.T) {
	g := apptest.Start(t, "--websocket-max-clients", "1", "--rate-limit", "20")
	g.Must("POST", "/api/instance/new", object{"name": "sales"})
	const evil, noUpgrade, version = "Origin: https://evil.example", "Upgrade: ", "Sec-WebSocket-Version: 8"
	const notEnabled = "WebSocket is not enabled for this instance. Configure it first using POST /api/events/websocket/sales"
	refused(t, g, "/ws/nobody", 401, "Invalid token", evil, noUpgrade, "token: wrong-token-0000001")
	refused(t, g, "/ws/nobody", 404, "Instance not found", evil, noUpgrade, byAccount)
	refused(t, g, "/ws/sales", 403, "Origin not allowed", evil, noUpgrade, byAccount)
	refused(t, g, "/ws/sales", 400, "Expected a WebSocket upgrade", noUpgrade, byAccount)
	res, _ := knock(t, g, "/ws/sales", version, byAccount)
	if res.StatusCode != http.StatusUpgradeRequired || res.Header.Get("Sec-WebSocket-Version") != "13" {
		t.Errorf("version 8: %d %v", res.StatusCode, res.Header)
	}
	refused(t, g, "/ws/sales", 426, "Expected a WebSocket upgrade", version, byAccount)
	refused(t, g, "/ws/sales", 400, notEnabled, byAccount)
	set(g, object{"enabled": false})
	refused(t, g, "/ws/sales", 400, notEnabled, byAccount)
	set(g, object{"enabled": true})
	connect(t, g)
	refused(t, g, "/ws/sales", 429, "WebSocket client limit reached", byAccount)
	for range 20 {
		knock(t, g, "/ws/sales", byAccount)
	}
	refused(t, g, "/ws/nobody", 429, "Rate limit exceeded. Try again later.", evil, noUpgrade, byAccount)
	refused(t, g, "/ws/nobody", 401, "Invalid token", evil, noUpgrade, "token: wrong-token-0000001")
}

// TestReplayIsNotEnabled: Resume needs a journal, which there is none of.
func TestReplayIsNotEnabled(t *testing.T) {
	g, _ := ready(t)
	refused(t, g, "/ws/sales?after=1", 400, "Replay is not enabled", byAccount)
	refused(t, g, "/ws/sales?after=", 400, "Replay is not enabled", byAccount)
}

// TestOrigin: none is always accepted, else the own host or one of the list.
func TestOrigin(t *testing.T) {
	g, _ := ready(t)
	accepted(t, g, "/ws/sales", byAccount)
	accepted(t, g, "/ws/sales", byAccount, "Origin: "+g.URL(""))
	for _, origin := range []string{"https://app.example", "null", "http://127.0.0.1", "http://127.0.0.1.evil.example"} {
		refused(t, g, "/ws/sales", 403, "Origin not allowed", byAccount, "Origin: "+origin)
	}
	listed, _ := ready(t, "--allowed-origins", "https://app.example")
	accepted(t, listed, "/ws/sales", byAccount, "Origin: https://app.example")
	for _, origin := range []string{"http://app.example", "https://app.example:8443"} {
		refused(t, listed, "/ws/sales", 403, "Origin not allowed", byAccount, "Origin: "+origin)
	}
	all, _ := ready(t, "--allowed-origins", "*")
	accepted(t, all, "/ws/sales", byAccount, "Origin: https://evil.example")
}

// TestFramesAreJSONTextOneEventEach: text, whole, unmasked, no extension bits.
func TestFramesAreJSONTextOneEventEach(t *testing.T) {
	g, s := settled(t)
	c := connect(t, g)
	id := say(t, g, ana, "Grüße 😀 \u2028 <b>&")
	f := c.until(ws.OpText)
	want := ws.Header{Fin: true, OpCode: ws.OpText, Length: int64(len(f.Payload))}
	if diff := cmp.Diff(want, f.Header); diff != "" {
		t.Error(diff)
	}
	var one apptest.Frame
	if err := json.Unmarshal(f.Payload, &one); err != nil || one.Get("message.content.text") != "Grüße 😀 \u2028 <b>&" {
		t.Errorf("%v: %s", err, f.Payload)
	}
	if got := s.Expect("message.exchange", is{"message.id": id}); string(got.Raw) != string(f.Payload) {
		t.Errorf("two clients see different bytes:\n%s\n%s", got.Raw, f.Payload)
	}
}

// TestWhatClientsSendIsIgnored: text, binary and fragments up to 4 KiB.
func TestWhatClientsSendIsIgnored(t *testing.T) {
	g, s := settled(t)
	c := connect(t, g)
	c.send(ws.NewTextFrame([]byte(`{"event":"message.exchange"}`)), ws.NewBinaryFrame(make([]byte, 4096)),
		ws.NewFrame(ws.OpText, false, []byte("half ")), ws.NewFrame(ws.OpContinuation, true, []byte("and half")),
		ws.NewPingFrame([]byte("are you there")))
	if f := c.until(ws.OpPong); string(f.Payload) != "are you there" {
		t.Errorf("pong %q", f.Payload)
	}
	id := say(t, g, ana, "on we go")
	s.Expect("message.exchange", is{"message.id": id})
	if f := c.until(ws.OpText); !strings.Contains(string(f.Payload), id) {
		t.Errorf("got %s", f.Payload)
	}
}

// TestCloseCodesForWhatClientsSend: 1000, 1002, 1007 and 1009; a client that
// errs harms nobody else.
func TestCloseCodesForWhatClientsSend(t *testing.T) {
	g, s := linked(t)
	masked := func(f ws.Frame) []byte { return ws.MustCompileFrame(ws.MaskFrame(f)) }
	for name, row := range map[string]struct {
		input []byte
		code  int
	}{
		"its own close":        {masked(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "bye"))), 1000},
		"a close with no code": {masked(ws.NewCloseFrame(nil)), 1000},
		"a code of its own":    {masked(ws.NewCloseFrame(ws.NewCloseFrameBody(4000, ""))), 4000},
		"unmasked":             {ws.MustCompileFrame(ws.NewTextFrame([]byte("x"))), 1002},
		"a reserved opcode":    {masked(ws.NewFrame(0x3, true, nil)), 1002},
		"a reserved bit":       {[]byte{0xc1, 0x80, 0, 0, 0, 0}, 1002},
		"a lost continuation":  {masked(ws.NewFrame(ws.OpContinuation, true, nil)), 1002},
		"a fragmented ping":    {masked(ws.NewFrame(ws.OpPing, false, nil)), 1002},
		"garbage":              {[]byte("GET /ws/sales HTTP/1.1\r\n\r\n"), 1002},
		"no UTF-8":             {masked(ws.NewTextFrame([]byte("a\xffb"))), 1007},
		"over 4 KiB":           {masked(ws.NewTextFrame(make([]byte, 4097))), 1009},
		"announced only":       {[]byte{0x82, 0xff, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, 1009},
		"fragments added": {
			append(masked(ws.NewFrame(ws.OpText, false, make([]byte, 4000))), masked(ws.NewFrame(ws.OpContinuation, false, make([]byte, 97)))...), 1009,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, g)
			c.t = t
			c.write(row.input)
			if code := c.closed(); code != row.code {
				t.Errorf("closed with %d, want %d", code, row.code)
			}
		})
	}
	id := say(t, g, ana, "unharmed")
	s.Expect("message.exchange", is{"message.id": id})
}

// TestHeartbeat: the server pings; a client silent for the timeout is dropped
// without a close frame, one that answers stays.
func TestHeartbeat(t *testing.T) {
	g, _ := ready(t, "--websocket-ping", "50ms", "--websocket-timeout", "2s")
	answering := connect(t, g)
	silent := connect(t, g)
	ended := make(chan int)
	go func() { ended <- silent.closed() }()
	for {
		f := answering.until(ws.OpPing)
		answering.send(ws.NewPongFrame(f.Payload))
		select {
		case code := <-ended:
			if code != 1006 {
				t.Errorf("a dropped client sees %d, want 1006", code)
			}
			f := answering.until(ws.OpPing)
			answering.send(ws.NewPongFrame(f.Payload))
			waitClients(t, g, 1)
			return
		default:
		}
	}
}

// TestHeartbeatStall: a client that is not silent but takes not one byte while
// data wait is dropped without a close frame.
func TestHeartbeatStall(t *testing.T) {
	g, s := linked(t, "--websocket-stall", "300ms")
	set(g, object{"enabled": true, "mediaBase64": true})
	stalled := connectBy(t, g, narrow())
	huge := aPicture
	huge.Media = &wasim.Media{Type: "image", Mimetype: "image/png", Data: make([]byte, 4<<20)}
	id := send(t, g, ana, huge)
	s.Expect("message.exchange", is{"message.id": id})
	pulse := ws.MustCompileFrame(ws.MaskFrame(ws.NewPongFrame(nil)))
	apptest.Eventually(t, func() bool {
		_, err := stalled.conn.Write(pulse)
		return err != nil
	}, func() string { return "a stalled client is not dropped" })
	waitClients(t, g, 1)
}

// waitClients waits until the instance has n clients.
func waitClients(t *testing.T, g *apptest.Gateway, n int) {
	t.Helper()
	var got any
	apptest.Eventually(t, func() bool {
		got = g.Must("GET", "/api/events/clients/sales", nil)["meta"].(object)["total"]
		return got == float64(n)
	}, func() string { return fmt.Sprintf("%v clients, want %d", got, n) })
}

// load makes a person write n texts of the given size to the instance.
func load(t *testing.T, g *apptest.Gateway, n, size int) []wasim.LoadMessage {
	t.Helper()
	g.Network.Phone(ana)
	res, err := g.Network.Load(background(t), wasim.Load{
		From: []string{ana}, To: []string{olga}, Rate: 1000, Seconds: float64(n) / 1000, Size: size,
	})
	if err != nil {
		t.Fatal(err)
	}
	return res.Messages
}

// TestBufferASlowClientIsCutAlone: at the 257th waiting message with 4408; the
// others get everything in order, and the sender is not held up.
func TestBufferASlowClientIsCutAlone(t *testing.T) {
	g, s := linked(t)
	set(g, object{"enabled": true, "mediaBase64": true})
	slow := connectBy(t, g, narrow())
	huge := aPicture
	huge.Media = &wasim.Media{Type: "image", Mimetype: "image/png", Data: make([]byte, 4<<20)} // more than the kernel takes
	id := send(t, g, ana, huge)
	s.Expect("message.exchange", is{"message.id": id, "message.media.base64": "*"})
	sent := load(t, g, 300, 100)
	code := 0
	for _, m := range sent {
		s.Expect("message.exchange", is{"message.id": m.ID})
		if code == 0 && cutOne(t, g) {
			code = slow.closed() // at once: the close frame waits 5 s for its reader
		}
	}
	if code != 4408 {
		t.Errorf("closed with %d, want 4408", code)
	}
	waitClients(t, g, 1)
	if n := metric(t, g, "chasqui_websocket_slow_disconnects_total"); n != 1 {
		t.Errorf("%v slow clients counted, want 1", n)
	}
	id = say(t, g, bruno, "goes on")
	s.Expect("message.exchange", is{"message.id": id})
}

// cutOne reports whether a client was cut for being slow.
func cutOne(t *testing.T, g *apptest.Gateway) bool {
	t.Helper()
	return metric(t, g, "chasqui_websocket_slow_disconnects_total") == 1
}

// TestBufferLagMemory: over what laggards alone may keep, the one that holds most
// is cut, long before 256 messages wait for it.
func TestBufferLagMemory(t *testing.T) {
	g, s := linked(t, "--websocket-lag-memory", "20MiB")
	set(g, object{"enabled": true, "mediaBase64": true})
	slow := connectBy(t, g, narrow())
	huge := aPicture
	huge.Media = &wasim.Media{Type: "image", Mimetype: "image/png", Data: make([]byte, 4<<20)}
	for n := 0; !cutOne(t, g); n++ {
		if n == 6 {
			t.Fatal("24 MiB wait for a client, and it is not cut")
		}
		id := send(t, g, ana, huge)
		s.Expect("message.exchange", is{"message.id": id})
	}
	if code := slow.closed(); code != 4408 {
		t.Errorf("closed with %d, want 4408", code)
	}
	waitClients(t, g, 1)
}

// TestEveryClientGetsEveryEventInOrder: without gaps, whichever token opened the
// socket; account and instance tokens mixed.
func TestEveryClientGetsEveryEventInOrder(t *testing.T) {
	g := apptest.Start(t)
	own := g.Create("sales", nil)
	g.Link("sales", olga)
	sockets := []*apptest.Socket{g.Listen("sales", own), g.Listen("sales", apptest.Token), g.Listen("sales", own)}
	sent := load(t, g, 100, 100)
	var first []string
	for i, s := range sockets {
		var order, ids []string
		last := int64(0)
		for len(ids) < len(sent) {
			f := s.Next()
			if last != 0 && f.Meta.Sequence != last+1 {
				t.Fatalf("client %d: sequence %d after %d", i, f.Meta.Sequence, last)
			}
			last = f.Meta.Sequence
			if f.Event == "message.exchange" {
				ids = append(ids, f.Get("message.id"))
				order = append(order, string(f.Raw))
			}
		}
		for n, m := range sent {
			if ids[n] != m.ID {
				t.Fatalf("client %d: message %d is %s, want %s", i, n, ids[n], m.ID)
			}
		}
		if i == 0 {
			first = order
		} else if diff := cmp.Diff(first, order); diff != "" {
			t.Fatalf("client %d got something else than the first: %s", i, diff)
		}
	}
}

// metric reads one value of /metrics, 0 if it is not there.
func metric(t *testing.T, g *apptest.Gateway, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(g.Do("GET", "/metrics", "", nil).Raw)
	if m == nil {
		return 0
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestNobodyConnectedNothingIsMade: no frame, no download; events are counted as
// dropped, recorded, and the next client sees the gap in the sequence.
func TestNobodyConnectedNothingIsMade(t *testing.T) {
	g, front := apptest.StartBehind(t)
	g.Create("sales", object{"websocketMediaBase64": true})
	g.Link("sales", olga)
	dropped := metric(t, g, "chasqui_events_dropped_idle_total")
	send(t, g, ana, aPicture)
	say(t, g, ana, "for nobody")
	apptest.Eventually(t, func() bool { return metric(t, g, "chasqui_events_dropped_idle_total") >= dropped+2 },
		func() string { return "the drops are not counted" })
	if n := front.Downloads(); n != 0 {
		t.Errorf("%d downloads for nobody", n)
	}
	if n := metric(t, g, "chasqui_websocket_frames_sent_total"); n != 0 {
		t.Errorf("%v frames for nobody", n)
	}
	s := g.Listen("sales", apptest.Token)
	id := say(t, g, ana, "for somebody")
	if f := s.Next(); f.Get("message.id") != id {
		t.Errorf("the first frame is %s", f.Raw)
	}
}

// TestASocketThatDropsGetsNothingAgain: what was sent while it was gone is lost
// for it; others are not concerned.
func TestASocketThatDropsGetsNothingAgain(t *testing.T) {
	g, s := settled(t)
	c := connect(t, g)
	say(t, g, ana, "one")
	c.until(ws.OpText)
	c.vanish()
	waitClients(t, g, 1)
	missed := say(t, g, ana, "two")
	s.Expect("message.exchange", is{"message.id": missed})
	c = connect(t, g)
	id := say(t, g, ana, "three")
	if f := c.until(ws.OpText); !strings.Contains(string(f.Payload), id) {
		t.Errorf("after the reconnect: %s", f.Payload)
	}
}

// TestCompressionIsNegotiatedOnlyIfTurnedOn.
func TestCompressionIsNegotiatedOnlyIfTurnedOn(t *testing.T) {
	const offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
	for _, on := range []bool{false, true} {
		var flags []string
		if on {
			flags = append(flags, "--websocket-compression")
		}
		g, _ := ready(t, flags...)
		res, _ := knock(t, g, "/ws/sales", byAccount, offer)
		if got := res.Header.Get("Sec-WebSocket-Extensions"); strings.Contains(got, "permessage-deflate") != on {
			t.Errorf("turned on: %v, negotiated: %q", on, got)
		}
		res, _ = knock(t, g, "/ws/sales", byAccount)
		if got := res.Header.Get("Sec-WebSocket-Extensions"); got != "" {
			t.Errorf("nobody offered it: %q", got)
		}
	}
}

// TestAccountDeletionClosesSocketsWith4404: the instances go with the account.
func TestAccountDeletionClosesSocketsWith4404(t *testing.T) {
	g, own := ready(t)
	byInstance, byAccount := g.Listen("sales", own), g.Listen("sales", apptest.Token)
	client, err := control.Dial(background(t), g.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Delete(background(t), "default", true); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*apptest.Socket{byInstance, byAccount} {
		if code := closedWith(t, s); code != 4404 {
			t.Errorf("closed with %d, want 4404", code)
		}
	}
	refused(t, g, "/ws/sales", 401, "Invalid token", "token: "+own)
}

// TestClientList: the fields of GET clients, and DELETE of one, of all and of
// somebody unknown; closed with 4403.
func TestClientList(t *testing.T) {
	g, s := linked(t)
	own := g.Must("GET", "/api/instance/list?instanceName=sales", nil)["instances"].([]any)[0].(object)["token"].(string)
	say(t, g, ana, "counted")
	s.Expect("message.exchange", is{"message.content.text": "counted"})
	second, _ := open(t, g, "/ws/sales", net.Dialer{}, "token: "+own, "User-Agent: ws")
	a := g.Do("GET", "/api/events/clients/sales", apptest.Token, nil)
	line := regexp.MustCompile(`^\{"success":true,"message":"2 clients connected","clients":\[` +
		`\{"id":"[0-9a-f-]{36}","remoteAddress":"127\.0\.0\.1","userAgent":"[^"]*","tokenType":"account","connectedAt":"[0-9T:.-]+Z","framesSent":[1-9]\d*,"bytesSent":[1-9]\d*,"pending":0\},` +
		`\{"id":"([0-9a-f-]{36})","remoteAddress":"127\.0\.0\.1","userAgent":"ws","tokenType":"instance","connectedAt":"[0-9T:.-]+Z","framesSent":0,"bytesSent":0,"pending":0\}` +
		`\],"meta":\{"total":2\}\}\s*$`).FindSubmatch(a.Raw)
	if line == nil {
		t.Fatalf("the list: %s", a.Raw)
	}
	if a := g.Do("DELETE", "/api/events/clients/sales?id=0197d0a2-6c1e-7b52-9a55-3f1f0c9e2d11", apptest.Token, nil); a.Status != 404 || !strings.Contains(string(a.Raw), `"Client not found"`) {
		t.Errorf("an unknown id: %d %s", a.Status, a.Raw)
	}
	a = g.Do("DELETE", "/api/events/clients/sales?id="+string(line[1]), own, nil)
	if want := `{"success":true,"message":"1 clients disconnected","closed":1}`; strings.TrimSpace(string(a.Raw)) != want {
		t.Errorf("one: %s", a.Raw)
	}
	if code := second.closed(); code != 4403 {
		t.Errorf("closed with %d, want 4403", code)
	}
	third := connect(t, g)
	if a := g.Do("DELETE", "/api/events/clients/sales", apptest.Token, nil); a.Body["closed"] != 2.0 {
		t.Errorf("all: %s", a.Raw)
	}
	if code := third.closed(); code != 4403 {
		t.Errorf("closed with %d, want 4403", code)
	}
	if code := closedWith(t, s); code != 4403 {
		t.Errorf("closed with %d, want 4403", code)
	}
}
