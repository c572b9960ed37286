package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/wasim"
)

// This file proves sections 1 to 3 of the contract of events: the channel and
// its configuration.

const bruno = "5511900000003"

func asTimeout(err error, as *net.Error) bool { return errors.As(err, as) && (*as).Timeout() }

// set configures the channel of sales.
func set(g *apptest.Gateway, body object) object {
	return g.Must("POST", "/api/events/websocket/sales", body)["websocket"].(object)
}

func only(events ...string) object { return object{"enabled": true, "events": events} }

// say makes a person write a text and returns the message's id.
func say(t *testing.T, g *apptest.Gateway, from, text string) string {
	t.Helper()
	return send(t, g, from, wasim.Message{Text: text})
}

func ring(t *testing.T, g *apptest.Gateway, c wasim.CallAction) string {
	t.Helper()
	id, err := g.Network.Phone(ana).Call(background(t), olga, c)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// fence makes an event that every filter with message.exchange lets through,
// and returns what came before it.
func fence(t *testing.T, g *apptest.Gateway, s *apptest.Socket) []apptest.Frame {
	t.Helper()
	id := say(t, g, bruno, "fence")
	var before []apptest.Frame
	for {
		f := s.Next()
		if f.Get("message.id") == id {
			return before
		}
		before = append(before, f)
	}
}

// TestRoutesOfTheChannel: section 1, each row that is not about webhooks, with
// the account's and the instance's token.
func TestRoutesOfTheChannel(t *testing.T) {
	g := apptest.Start(t)
	own := g.Create("sales", nil)
	for _, row := range []struct {
		method, path string
		body         object
		message      string
	}{
		{"POST", "/api/events/websocket/sales", only(), "WebSocket configuration updated"},
		{"POST", "/api/events/setWebsocket/sales", only(), "WebSocket configuration updated"},
		{"GET", "/api/events/getWebsocket/sales", nil, "WebSocket configuration retrieved"},
		{"POST", "/api/events/ticket/sales", nil, "Ticket created"},
		{"GET", "/api/events/clients/sales", nil, "0 clients connected"},
		{"DELETE", "/api/events/clients/sales", nil, "0 clients disconnected"},
	} {
		for _, token := range []string{own, apptest.Token} {
			if a := g.Do(row.method, row.path, token, row.body); a.Status != 200 || a.Body["success"] != true || a.Body["message"] != row.message {
				t.Errorf("%s %s: %d %s", row.method, row.path, a.Status, a.Raw)
			}
		}
		for _, token := range []string{"", "wrong-token-0000001"} {
			if a := g.Do(row.method, row.path, token, row.body); a.Status != 401 {
				t.Errorf("%s %s with token %q: %d", row.method, row.path, token, a.Status)
			}
		}
	}
	schema := g.Do("GET", "/api/events/schema", "", nil)
	for _, want := range []string{"message.exchange", "message.status", "call.update", "group.flow", "instance.state", "label.update"} {
		if schema.Status != 200 || !strings.Contains(string(schema.Raw), `"`+want+`"`) {
			t.Errorf("schema without %s: %d", want, schema.Status)
		}
	}
}

// TestSetAnswersTheConfigurationAsPersisted: section 2, body and answer, byte by
// byte, and what is still there after a restart.
func TestSetAnswersTheConfigurationAsPersisted(t *testing.T) {
	g := apptest.Start(t)
	g.Create("sales", nil)
	for _, row := range []struct{ body, want string }{
		{`{"enabled":true}`, `{"enabled":true,"events":[],"mediaBase64":false}`},
		{`{"enabled":true,"events":null,"mediaBase64":null}`, `{"enabled":true,"events":[],"mediaBase64":false}`},
		{
			`{"enabled":true,"events":["message.status","message.exchange","message.status"],"mediaBase64":true}`,
			`{"enabled":true,"events":["message.status","message.exchange"],"mediaBase64":true}`,
		},
		{`{"enabled":true,"mediaBase64":true}`, `{"enabled":true,"events":[],"mediaBase64":true}`},
		{`{"enabled":false,"events":["call.update"],"mediaBase64":true}`, `{"enabled":false,"events":[],"mediaBase64":false}`},
	} {
		a := g.Do("POST", "/api/events/websocket/sales", apptest.Token, json.RawMessage(row.body))
		want := `{"success":true,"message":"WebSocket configuration updated","websocket":` + row.want + `}`
		if got := strings.TrimSpace(string(a.Raw)); a.Status != 200 || got != want {
			t.Errorf("set %s: %d %s, want %s", row.body, a.Status, got, want)
		}
		g.Shutdown()
		g.Boot()
		a = g.Do("GET", "/api/events/getWebsocket/sales", apptest.Token, nil)
		want = strings.Replace(want, "updated", "retrieved", 1)
		if got := strings.TrimSpace(string(a.Raw)); a.Status != 200 || got != want {
			t.Errorf("get after a restart: %d %s, want %s", a.Status, got, want)
		}
	}
}

// TestSetRefusesAndKeepsTheOldConfiguration: section 2, errors.
func TestSetRefusesAndKeepsTheOldConfiguration(t *testing.T) {
	g := apptest.Start(t)
	g.Create("sales", nil)
	other := g.Create("other", nil)
	before := set(g, only("call.update"))
	for _, body := range []string{
		``, `nonsense`, `[]`, `"x"`, `{}`, `{"enabled":null}`, `{"enabled":"true"}`, `{"enabled":true,"events":"call.update"}`,
		`{"enabled":true,"events":["Call.Update"]}`, `{"enabled":true,"events":["all"]}`, `{"enabled":true,"mediaBase64":1}`,
		`{"enabled":false,"events":["unknown"]}`,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL("/api/events/websocket/sales"), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("token", apptest.Token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Error struct {
				Message string
				Details []struct{ Field string }
			}
		}
		err = json.NewDecoder(res.Body).Decode(&answer)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != 400 || answer.Error.Message != "Invalid request body" {
			t.Errorf("%s: %d %+v %v", body, res.StatusCode, answer, err)
		}
		if strings.HasPrefix(body, "{") && len(answer.Error.Details) == 0 {
			t.Errorf("%s: no details", body)
		}
	}
	for path, token := range map[string]string{"sales": other, "nobody": "wrong-token-0000001"} {
		if a := g.Do("POST", "/api/events/websocket/"+path, token, only()); a.Status != 401 || !strings.Contains(string(a.Raw), `"Invalid token"`) {
			t.Errorf("%s: %d %s", path, a.Status, a.Raw)
		}
	}
	if a := g.Do("POST", "/api/events/websocket/nobody", apptest.Token, only()); a.Status != 404 || !strings.Contains(string(a.Raw), `"Instance not found"`) {
		t.Errorf("unknown instance: %d %s", a.Status, a.Raw)
	}
	after := g.Must("GET", "/api/events/getWebsocket/sales", nil)["websocket"]
	if diff := cmp.Diff(any(before), after); diff != "" {
		t.Errorf("what was refused changed the configuration: %s", diff)
	}
}

// TestEffect1AChangeReachesOpenSockets: filter and mediaBase64 alike, from the
// next event on.
func TestEffect1AChangeReachesOpenSockets(t *testing.T) {
	g, s := linked(t)
	set(g, only("message.exchange"))
	ring(t, g, wasim.CallAction{Action: "offer"})
	for _, f := range fence(t, g, s) {
		if f.Event == "call.update" {
			t.Errorf("not wanted: %s", f.Raw)
		}
	}
	set(g, only("message.exchange", "call.update"))
	call := ring(t, g, wasim.CallAction{Action: "offer"})
	s.Expect("call.update", is{"callId": call})
	picture := send(t, g, ana, aPicture)
	if f := s.Expect("message.exchange", is{"message.id": picture}); f.Get("message.media.base64") != "" {
		t.Errorf("base64 that nobody asked for: %s", f.Raw)
	}
	set(g, object{"enabled": true, "mediaBase64": true})
	picture = send(t, g, ana, aPicture)
	s.Expect("message.exchange", is{"message.id": picture, "message.media.base64": aPictureBase64})
}

// TestEffect2DisablingClosesNothing: open sockets stay, with their heartbeat and
// the last filter, which does not become all six types. New upgrades are refused.
func TestEffect2DisablingClosesNothing(t *testing.T) {
	g, s := linked(t, "--websocket-ping", "50ms")
	set(g, object{"enabled": true, "events": []string{"message.exchange"}, "mediaBase64": true})
	fence(t, g, s)
	beats := connect(t, g)
	set(g, object{"enabled": false})
	set(g, object{"enabled": false, "events": []string{"call.update"}})
	ring(t, g, wasim.CallAction{Action: "offer"})
	kept := say(t, g, ana, "kept")
	if f := s.Next(); f.Get("message.id") != kept {
		t.Errorf("a disabled channel sends %s", f.Raw)
	}
	picture := send(t, g, ana, aPicture)
	s.Expect("message.exchange", is{"message.id": picture, "message.media.base64": aPictureBase64})
	beats.until(ws.OpPing)
	beats.until(ws.OpPing)
	res, body := knock(t, g, "/ws/sales", "token: "+apptest.Token)
	if res.StatusCode != 400 || !strings.Contains(body, "WebSocket is not enabled for this instance. Configure it first using POST /api/events/websocket/sales") {
		t.Errorf("a new upgrade: %d %s", res.StatusCode, body)
	}
}

// TestEffect3EnablingAppliesToOldSockets: the new filter, not the one of before.
func TestEffect3EnablingAppliesToOldSockets(t *testing.T) {
	g, s := linked(t)
	set(g, only("call.update"))
	set(g, object{"enabled": false})
	set(g, only("message.exchange"))
	ring(t, g, wasim.CallAction{Action: "offer"})
	say(t, g, ana, "new filter")
	s.Expect("message.exchange", is{"message.content.text": "new filter"})
	for _, f := range fence(t, g, s) {
		if f.Event == "call.update" {
			t.Errorf("the old filter is in force: %s", f.Raw)
		}
	}
}

// TestEffect4ConcurrentSetsEndInOneBodyWhole.
func TestEffect4ConcurrentSetsEndInOneBodyWhole(t *testing.T) {
	g := apptest.Start(t)
	g.Create("sales", nil)
	bodies := []object{
		{"enabled": true, "events": []any{"message.exchange"}, "mediaBase64": true},
		{"enabled": true, "events": []any{"call.update", "label.update"}, "mediaBase64": false},
		{"enabled": false, "events": []any{}, "mediaBase64": false},
	}
	for range 10 {
		var all sync.WaitGroup
		for _, body := range bodies {
			all.Go(func() {
				if a := g.Do("POST", "/api/events/websocket/sales", apptest.Token, body); a.Status != 200 || !cmp.Equal(a.Body["websocket"], any(body)) {
					t.Errorf("set: %d %s", a.Status, a.Raw)
				}
			})
		}
		all.Wait()
		got := g.Must("GET", "/api/events/getWebsocket/sales", nil)["websocket"]
		if !cmp.Equal(got, any(bodies[0])) && !cmp.Equal(got, any(bodies[1])) && !cmp.Equal(got, any(bodies[2])) {
			t.Fatalf("a mixture: %v", got)
		}
	}
}

// TestEffect5TheChannelAtCreation: what is good is stored; what is not good is
// named in warnings and nothing is stored; what is not asked for neither.
func TestEffect5TheChannelAtCreation(t *testing.T) {
	g := apptest.Start(t)
	for i, row := range []struct {
		body   object
		warned string
		stored object
	}{
		{
			object{"websocketEnabled": true, "websocketEvents": []string{"call.update"}, "websocketMediaBase64": true},
			"",
			object{"enabled": true, "events": []any{"call.update"}, "mediaBase64": true},
		},
		{object{"websocketEnabled": true, "websocketEvents": []string{"wrong"}}, "websocketEvents", nil},
		{object{"websocketEnabled": true, "websocketMediaBase64": "yes"}, "websocketMediaBase64", nil},
		{object{"websocketEnabled": false, "websocketEvents": []string{"call.update"}}, "", nil},
		{object{"websocketEvents": []string{"call.update"}}, "", nil},
		{object{}, "", nil},
	} {
		name := fmt.Sprintf("made%d", i)
		row.body["name"] = name
		a := g.Do("POST", "/api/instance/new", apptest.Token, row.body)
		if a.Status >= 300 {
			t.Errorf("%v: %d %s", row.body, a.Status, a.Raw)
			continue
		}
		if warned := fmt.Sprint(a.Body["warnings"]); row.warned != "" && !strings.Contains(warned, row.warned) {
			t.Errorf("%v: warnings %v do not name %s", row.body, warned, row.warned)
		}
		got := g.Do("GET", "/api/events/getWebsocket/"+name, apptest.Token, nil)
		if row.stored == nil {
			if got.Status != 404 || !strings.Contains(string(got.Raw), "WebSocket not configured for this instance") {
				t.Errorf("%v: getWebsocket %d %s", row.body, got.Status, got.Raw)
			}
		} else if diff := cmp.Diff(any(row.stored), got.Body["websocket"]); diff != "" {
			t.Errorf("%v: %s", row.body, diff)
		}
		list := g.Must("GET", "/api/instance/list?instanceName="+name, nil)["instances"].([]any)[0].(object)
		shown, _ := json.Marshal(list)
		if enabled := strings.Contains(string(shown), `"websocket":{"enabled":true`); enabled != (row.stored != nil) {
			t.Errorf("%v: the list shows %s", row.body, shown)
		}
	}
}

// TestDisabledIsNotTheSameAsNeverConfigured: section 3.
func TestDisabledIsNotTheSameAsNeverConfigured(t *testing.T) {
	g := apptest.Start(t)
	g.Must("POST", "/api/instance/new", object{"name": "sales"})
	a := g.Do("GET", "/api/events/getWebsocket/sales", apptest.Token, nil)
	if a.Status != 404 || !strings.Contains(string(a.Raw), `"WebSocket not configured for this instance"`) {
		t.Errorf("never configured: %d %s", a.Status, a.Raw)
	}
	set(g, object{"enabled": false})
	a = g.Do("GET", "/api/events/getWebsocket/sales", apptest.Token, nil)
	if want := `"websocket":{"enabled":false,"events":[],"mediaBase64":false}`; a.Status != 200 || !strings.Contains(string(a.Raw), want) {
		t.Errorf("disabled: %d %s", a.Status, a.Raw)
	}
	a = g.Do("GET", "/api/events/getWebsocket/nobody", apptest.Token, nil)
	if a.Status != 404 || !strings.Contains(string(a.Raw), `"Instance not found"`) {
		t.Errorf("unknown instance: %d %s", a.Status, a.Raw)
	}
}

// TestSetIsRateLimited: section 2, the error 429; the global bucket.
func TestSetIsRateLimited(t *testing.T) {
	g := apptest.Start(t, "--rate-limit", "5")
	g.Create("sales", nil)
	last := apptest.Answer{}
	for range 6 {
		last = g.Do("POST", "/api/events/websocket/sales", apptest.Token, only())
	}
	if last.Status != 429 || !strings.Contains(string(last.Raw), `"Rate limit exceeded. Try again later."`) {
		t.Errorf("the sixth: %d %s", last.Status, last.Raw)
	}
}
