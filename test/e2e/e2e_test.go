// Package e2e_test checks what only the whole gateway can show: parts that must
// act together, over real sockets and the simulated network.
package e2e_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/internal/control"
	"github.com/chasqui/chasqui/wasim"
)

const (
	olga = "5511900000001" // the instance's own number
	ana  = "5511900000002"
)

func background(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), apptest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// send makes a person write to the instance.
func send(t *testing.T, g *apptest.Gateway, from string, m wasim.Message) string {
	t.Helper()
	id, err := g.Network.Phone(from).Send(background(t), olga, m)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// closedWith reads the socket to its end and returns the close code.
func closedWith(t *testing.T, s *apptest.Socket) int {
	t.Helper()
	for {
		_, err := s.Read()
		if err == nil {
			continue
		}
		var closed websocket.CloseError
		if !errors.As(err, &closed) {
			t.Fatalf("the socket ended without a close frame: %v", err)
		}
		return int(closed.Code)
	}
}

func linked(t *testing.T, flags ...string) (*apptest.Gateway, *apptest.Socket) {
	t.Helper()
	g := apptest.Start(t, flags...)
	g.Create("sales", nil)
	s := g.Listen("sales", apptest.Token)
	g.Link("sales", olga)
	return g, s
}

// settled is linked, with the linking's events read: nothing more comes by
// itself. The list says connected a moment before the event is out.
func settled(t *testing.T, flags ...string) (*apptest.Gateway, *apptest.Socket) {
	t.Helper()
	g, s := linked(t, flags...)
	s.Expect("instance.state", map[string]string{"state": "connected"})
	return g, s
}

// TestRestartBringsInstancesBack: the instance comes back by itself, what was
// written meanwhile arrives, and meta.sequence goes on where it was.
func TestRestartBringsInstancesBack(t *testing.T) {
	g, s := linked(t)
	send(t, g, ana, wasim.Message{Text: "before"})
	before := s.Expect("message.exchange", map[string]string{"message.content.text": "before"})
	g.Shutdown()
	send(t, g, ana, wasim.Message{Text: "meanwhile"})
	g.Boot()
	g.WaitConnected("sales")
	s = g.Listen("sales", apptest.Token)
	send(t, g, ana, wasim.Message{Text: "after"})
	after := s.Expect("message.exchange", map[string]string{"message.content.text": "after"})
	if after.Meta.Sequence <= before.Meta.Sequence+1 {
		t.Errorf("sequence %d after %d: the events in between must count", after.Meta.Sequence, before.Meta.Sequence)
	}
}

// TestCleanStopClosesSocketsWith1001: contract/cli.md and the close codes.
func TestCleanStopClosesSocketsWith1001(t *testing.T) {
	g, s := linked(t)
	g.Shutdown()
	if code := closedWith(t, s); code != 1001 {
		t.Errorf("closed with %d, want 1001", code)
	}
	if devices := g.Network.Phone(olga).Devices(); len(devices) != 1 {
		t.Errorf("the phone lists %d devices after a stop, want the linked one", len(devices))
	}
}

// TestDeleteClosesSocketsWith4404 and unlinks the device.
func TestDeleteClosesSocketsWith4404(t *testing.T) {
	g, s := linked(t)
	g.Must("DELETE", "/api/instance/delete/sales", nil)
	if code := closedWith(t, s); code != 4404 {
		t.Errorf("closed with %d, want 4404", code)
	}
	if devices := g.Network.Phone(olga).Devices(); len(devices) != 0 {
		t.Errorf("the phone still lists %v", devices)
	}
	if a := g.Do("GET", "/api/events/getWebsocket/sales", apptest.Token, nil); a.Status != 404 {
		t.Errorf("a deleted instance answers %d", a.Status)
	}
}

// TestInstanceTokenRotationClosesItsSocketsWith4401: the sockets of the
// account's token stay, WhatsApp stays connected, events carry the new token.
func TestInstanceTokenRotationClosesItsSocketsWith4401(t *testing.T) {
	g := apptest.Start(t)
	old := g.Create("sales", nil)
	g.Link("sales", olga)
	byInstance, byAccount := g.Listen("sales", old), g.Listen("sales", apptest.Token)
	answer := g.Must("POST", "/api/instance/rotateToken/sales", map[string]any{})
	fresh := answer["instance"].(map[string]any)["token"].(string)
	if code := closedWith(t, byInstance); code != 4401 {
		t.Errorf("closed with %d, want 4401", code)
	}
	if a := g.Do("GET", "/api/instance/list", old, nil); a.Status != 401 {
		t.Errorf("the old token answers %d", a.Status)
	}
	send(t, g, ana, wasim.Message{Text: "still here"})
	f := byAccount.Expect("message.exchange", map[string]string{"message.content.text": "still here"})
	if f.InstanceData["token"] != fresh {
		t.Errorf("events carry the token %v, want the new one", f.InstanceData["token"])
	}
	g.Listen("sales", fresh)
}

// TestAccountRotationClosesItsSocketsWith4401: rest.md section 10; those of the
// instance's own token stay.
func TestAccountRotationClosesItsSocketsWith4401(t *testing.T) {
	g := apptest.Start(t)
	own := g.Create("sales", nil)
	byInstance, byAccount := g.Listen("sales", own), g.Listen("sales", apptest.Token)
	client, err := control.Dial(background(t), g.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	token, err := client.Rotate(background(t), "default", "")
	if err != nil {
		t.Fatal(err)
	}
	if code := closedWith(t, byAccount); code != 4401 {
		t.Errorf("closed with %d, want 4401", code)
	}
	if a := g.Do("GET", "/api/account", apptest.Token, nil); a.Status != 401 {
		t.Errorf("the old token answers %d", a.Status)
	}
	if a := g.Do("GET", "/api/instance/connect/sales", token, nil); a.Status != 200 {
		t.Errorf("connect with the new token: %d %s", a.Status, a.Raw)
	}
	byInstance.Expect("instance.state", map[string]string{"state": "qr_ready"})
}

// TestSecondLinkIsAllowedAndAFifthRefused: one number, several instances; every
// one of them receives what is written to the number.
func TestSecondLinkIsAllowedAndAFifthRefused(t *testing.T) {
	g := apptest.Start(t)
	var sockets []*apptest.Socket
	for i := range 4 {
		name := "copy" + strconv.Itoa(i)
		g.Create(name, nil)
		g.Link(name, olga)
		sockets = append(sockets, g.Listen(name, apptest.Token))
	}
	send(t, g, ana, wasim.Message{Text: "to all"})
	for _, s := range sockets {
		s.Expect("message.exchange", map[string]string{"message.content.text": "to all"})
	}
	g.Create("fifth", nil)
	qr := g.Must("GET", "/api/instance/connect/fifth", nil)["qrCode"]
	a := g.Do("POST", "/sandbox/phones/"+olga+"/scan", apptest.Token, map[string]any{"qrCode": qr})
	if a.Status != 409 || !strings.Contains(string(a.Raw), "This phone has four linked devices already") {
		t.Errorf("the fifth link: %d %s", a.Status, a.Raw)
	}
}

// TestExpiredQRCodeIs410: an unknown code and one that was used.
func TestExpiredQRCodeIs410(t *testing.T) {
	g := apptest.Start(t)
	g.Create("sales", nil)
	g.Network.Phone(olga)
	qr := g.Must("GET", "/api/instance/connect/sales", nil)["qrCode"]
	g.Must("POST", "/sandbox/phones/"+olga+"/scan", map[string]any{"qrCode": qr})
	a := g.Do("POST", "/sandbox/phones/"+olga+"/scan", apptest.Token, map[string]any{"qrCode": qr})
	if a.Status != 410 || !strings.Contains(string(a.Raw), "QR code has expired") {
		t.Errorf("a used code: %d %s", a.Status, a.Raw)
	}
}

// TestRedeliveryIsOneEvent: contract/events.md 7.1, one message is one event.
func TestRedeliveryIsOneEvent(t *testing.T) {
	g, s := linked(t)
	id := send(t, g, ana, wasim.Message{Text: "once"})
	s.Expect("message.exchange", map[string]string{"message.id": id})
	g.Must("POST", "/sandbox/faults", map[string]any{"kind": "redeliver", "target": olga, "count": 1})
	send(t, g, ana, wasim.Message{Text: "end"})
	for {
		f := s.Next()
		if f.Event == "message.exchange" && f.Get("message.id") == id {
			t.Fatalf("the message came twice: %s", f.Raw)
		}
		if f.Get("message.content.text") == "end" {
			return
		}
	}
}

// TestUnlinkedFromThePhone: logged_out, and the instance can be linked again.
func TestUnlinkedFromThePhone(t *testing.T) {
	g, s := linked(t)
	g.Must("POST", "/sandbox/phones/"+olga+"/unlink", map[string]any{"instance": "sales"})
	s.Expect("instance.state", map[string]string{"state": "logged_out"})
	g.WaitState("sales", "loggedout")
	g.Link("sales", olga)
	send(t, g, ana, wasim.Message{Text: "again"})
	s.Expect("message.exchange", map[string]string{"message.content.text": "again"})
}

// TestMediaThatAreGone: the event goes out without base64 and says why.
func TestMediaThatAreGone(t *testing.T) {
	g, s := linked(t)
	g.Must("POST", "/api/events/websocket/sales", map[string]any{"enabled": true, "mediaBase64": true})
	picture := wasim.Message{Media: &wasim.Media{Type: "image", Mimetype: "image/png", Data: []byte("picture")}}
	id := send(t, g, ana, picture)
	f := s.Expect("message.exchange", map[string]string{"message.id": id})
	if got := f.Get("message.media.base64"); got != base64.StdEncoding.EncodeToString([]byte("picture")) {
		t.Errorf("base64 is %q", got)
	}
	fault := func(f wasim.Fault) {
		t.Helper()
		if err := g.Network.Fault(f); err != nil {
			t.Fatal(err)
		}
	}
	fault(wasim.Fault{Kind: "delay", Target: olga, MS: 500}) // long enough to lose the file first
	gone := send(t, g, ana, picture)
	fault(wasim.Fault{Kind: "media_gone", Target: olga, MessageID: gone, Final: true})
	fault(wasim.Fault{Kind: "delay", Target: olga, MS: 0})
	f = s.Expect("message.exchange", map[string]string{"message.id": gone})
	if f.Get("message.media.error") != "expired" || f.Get("message.media.base64") != "" {
		t.Errorf("media that are gone: %s", f.Raw)
	}
}

// TestTwoGatewaysInOneProcess: the process is a library.
func TestTwoGatewaysInOneProcess(t *testing.T) {
	g, s := linked(t)
	other, otherSocket := linked(t)
	send(t, g, ana, wasim.Message{Text: "one"})
	send(t, other, ana, wasim.Message{Text: "two"})
	s.Expect("message.exchange", map[string]string{"message.content.text": "one"})
	otherSocket.Expect("message.exchange", map[string]string{"message.content.text": "two"})
}

// TestMetricsCountWhatHappened: contract/events.md section 8.
func TestMetricsCountWhatHappened(t *testing.T) {
	g, s := linked(t)
	send(t, g, ana, wasim.Message{Text: "counted"})
	s.Expect("message.exchange", map[string]string{"message.content.text": "counted"})
	res, err := http.Get(g.URL("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`chasqui_websocket_clients{instance="sales"} 1`, "chasqui_websocket_frames_sent_total", "chasqui_websocket_bytes_sent_total",
		"chasqui_websocket_slow_disconnects_total 0", "chasqui_websocket_publish_to_write_seconds_bucket",
		"chasqui_events_dropped_idle_total", `chasqui_instances{state="connected"} 1`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in the metrics", want)
		}
	}
	if strings.Contains(string(text), apptest.Token) {
		t.Error("the metrics hold a token")
	}
}

// TestSecondGatewayOnTheSameDataIsRefused: two processes would ruin each other.
func TestSecondGatewayOnTheSameDataIsRefused(t *testing.T) {
	g := apptest.Start(t)
	if err := g.TryBoot(); err == nil || !strings.Contains(err.Error(), "in use by another chasqui") {
		t.Errorf("error %v", err)
	}
}

// TestReadySaysWhatItWaitsFor: rest.md section 10.
func TestReadySaysWhatItWaitsFor(t *testing.T) {
	g := apptest.Start(t)
	if a := g.Do("GET", "/ready", "", nil); a.Status != 200 || a.Body["ready"] != true {
		t.Errorf("ready: %d %s", a.Status, a.Raw)
	}
	if a := g.Do("GET", "/health", "", nil); a.Status != 200 || a.Body["status"] != "ok" {
		t.Errorf("health: %d %s", a.Status, a.Raw)
	}
}

// TestAPersonsReplyQuotesWhatWasSent both ways: the gateway's message reaches
// the person decrypted, and her reply names it.
func TestAPersonsReplyQuotesWhatWasSent(t *testing.T) {
	g, s := linked(t)
	g.Network.Phone(ana)
	answer := g.Must("POST", "/api/message/text/sales", map[string]any{"number": ana, "message": "How many?"})
	id := answer["data"].(map[string]any)["messageId"].(string)
	got, err := g.Network.Phone(ana).Wait(background(t), func(r wasim.Received) bool { return r.ID == id })
	if err != nil || got.Text != "How many?" {
		t.Fatalf("Ana received %+v, %v", got, err)
	}
	send(t, g, ana, wasim.Message{Text: "Two", ReplyTo: id})
	f := s.Expect("message.exchange", map[string]string{"message.content.text": "Two"})
	if f.Get("message.reply.message_id") != id || f.Get("message.reply.text") != "How many?" {
		t.Errorf("the reply: %s", f.Raw)
	}
	if at, err := time.Parse(time.RFC3339, f.Get("message.timestamp")); err != nil || time.Since(at) > time.Hour {
		t.Errorf("timestamp %q", f.Get("message.timestamp"))
	}
}
