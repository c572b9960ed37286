package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/sandbox"
	"github.com/chasqui/chasqui/wasim"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"),
		// Both are left behind by whatsmeow after Disconnect.
		goleak.IgnoreTopFunction("go.mau.fi/whatsmeow.(*Client).handleHistorySyncNotificationLoop"),
		goleak.IgnoreTopFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).frameComplete"),
	)
}

const (
	botNumber = "5511999990001"
	anaNumber = "5511999990002"
	ruiNumber = "5511999990003"
)

// stage is a sandbox over HTTP, with a network and instances of its own.
type stage struct {
	t       testing.TB
	network *wasim.Server
	url     string
	known   *instances
}

// instances is a small real Resolver.
type instances struct{ qr, device map[string]string }

func (i *instances) QRCode(_ context.Context, name string) (string, error) {
	return find(i.qr, name, "The instance shows no QR code")
}

func (i *instances) DeviceJID(_ context.Context, name string) (string, error) {
	return find(i.device, name, "The instance is not linked")
}

func find(values map[string]string, name, missing string) (string, error) {
	switch v, ok := values[name]; {
	case !ok:
		return "", fault.InstanceNotFound()
	case v == "":
		return "", fault.New(fault.Conflict, missing)
	default:
		return v, nil
	}
}

func newStage(t testing.TB) *stage {
	t.Helper()
	s := &stage{t: t, network: wasim.Start(t), known: &instances{qr: map[string]string{}, device: map[string]string{}}}
	s.serve(sandbox.New(s.network, sandbox.Options{Resolver: s.known}))
	for number, name := range map[string]string{botNumber: "Bot", anaNumber: "Ana", ruiNumber: "Rui"} {
		if _, err := s.network.AddPhone(number, name); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *stage) serve(h http.Handler) {
	server := httptest.NewServer(h)
	s.t.Cleanup(server.Close)
	s.url = server.URL
}

// do sends a request and returns status and body.
func (s *stage) do(method, path, body string) (int, map[string]any) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("token", "a token that must not travel on")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var out map[string]any
	if err = json.Unmarshal(data, &out); err != nil {
		s.t.Fatalf("%s %s: %d, not JSON: %q", method, path, answer.StatusCode, data)
	}
	if ok, _ := out["success"].(bool); ok != (answer.StatusCode < 300) {
		s.t.Errorf("%s %s: %d with %s", method, path, answer.StatusCode, data)
	}
	return answer.StatusCode, out
}

// must wants a success and returns its body.
func (s *stage) must(method, path, body string) map[string]any {
	s.t.Helper()
	status, out := s.do(method, path, body)
	if status >= 300 {
		s.t.Fatalf("%s %s %s: %d %v", method, path, body, status, out)
	}
	return out
}

// client is a whatsmeow client of the stage's network.
type client struct {
	*whatsmeow.Client
	t      testing.TB
	events chan any
}

func (s *stage) client() *client {
	s.t.Helper()
	address := fmt.Sprintf("file:%s/store.db?_txlock=immediate&_pragma=foreign_keys(1)&_pragma=busy_timeout(10000)", s.t.TempDir())
	container, err := sqlstore.New(s.t.Context(), "sqlite", address, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { container.Close() })
	c := &client{Client: whatsmeow.NewClient(container.NewDevice(), nil), t: s.t, events: make(chan any, 1000)}
	c.AddEventHandler(func(e any) { c.events <- e })
	s.network.Attach(c.Client)
	s.t.Cleanup(c.Disconnect)
	if err = c.Connect(); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// linked is a client that was linked to the bot through the sandbox, and has fetched its app state.
func (s *stage) linked() *client {
	s.t.Helper()
	c := s.client()
	code := await[*events.QR](c).Codes[0]
	s.must("POST", "/sandbox/phones/"+botNumber+"/scan", jsonOf(map[string]string{"qrCode": code}))
	for range 5 {
		await[*events.AppStateSyncComplete](c)
	}
	return c
}

func await[E any](c *client) E {
	c.t.Helper()
	return awaitWhere(c, func(E) bool { return true })
}

func awaitWhere[E any](c *client, match func(E) bool) E {
	c.t.Helper()
	deadline := time.After(10 * time.Second)
	var seen []string
	for {
		select {
		case e := <-c.events:
			if want, ok := e.(E); ok && match(want) {
				return want
			}
			seen = append(seen, fmt.Sprintf("%T", e))
		case <-deadline:
			var want E
			c.t.Fatalf("no %T; saw %v", want, seen)
			return want
		}
	}
}

func jsonOf(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// refusal is a request that is answered with an error: its status, message and the fields its details name.
type refusal struct {
	name, method, path, body string
	status                   int
	message                  string
	fields                   []string
}

func (s *stage) refuses(list []refusal) {
	s.t.Helper()
	for _, r := range list {
		method := r.method
		if method == "" {
			method = "POST"
		}
		status, out := s.do(method, r.path, r.body)
		problem, _ := out["error"].(map[string]any)
		var fields []string
		details, _ := problem["details"].([]any)
		for _, d := range details {
			detail := d.(map[string]any)
			fields = append(fields, fmt.Sprint(detail["field"]))
			if detail["reason"] == "" {
				s.t.Errorf("%s: %v has no reason", r.name, detail)
			}
		}
		if status != r.status || problem["message"] != r.message || fmt.Sprint(fields) != fmt.Sprint(r.fields) {
			s.t.Errorf("%s: %d %v, want %d %q %v", r.name, status, problem, r.status, r.message, r.fields)
		}
	}
}

const badBody = "Invalid request body"

// TestUnknownPathAndMethod: 404 and 405 in the usual envelope.
func TestUnknownPathAndMethod(t *testing.T) {
	s := newStage(t)
	s.refuses([]refusal{
		{name: "path", path: "/sandbox/nothing", status: 404, message: "Not found"},
		{name: "root", method: "GET", path: "/sandbox/", status: 404, message: "Not found"},
		{name: "method", method: "DELETE", path: "/sandbox/phones", status: 405, message: "Method not allowed"},
		{name: "method of a group", method: "GET", path: "/sandbox/groups/1@g.us", status: 405, message: "Method not allowed"},
	})
}

// TestBodies: what is not a JSON object, and what is too large.
func TestBodies(t *testing.T) {
	s := newStage(t)
	for _, path := range []string{"/sandbox/phones", "/sandbox/groups", "/sandbox/faults", "/sandbox/load", "/sandbox/phones/" + botNumber + "/messages", "/sandbox/phones/" + botNumber + "/scan"} {
		for _, body := range []string{"", "{", "[]", "null", `"text"`, "42"} {
			s.refuses([]refusal{{name: path + " " + body, path: path, body: body, status: 400, message: badBody, fields: []string{"body"}}})
		}
	}
	huge := `{"text":"` + strings.Repeat("x", 97<<20) + `"}`
	s.refuses([]refusal{{name: "huge", path: "/sandbox/phones/" + botNumber + "/messages", body: huge, status: 413, message: "Request body too large"}})
}

// TestPhones: POST makes, repeating it changes the name, GET lists with devices.
func TestPhones(t *testing.T) {
	s := newStage(t)
	if status, _ := s.do("POST", "/sandbox/phones", `{"number":"5511999990009","name":"Eva"}`); status != 201 {
		t.Errorf("new: %d", status)
	}
	status, out := s.do("POST", "/sandbox/phones", `{"number":"5511999990009","name":"Eva Maria"}`)
	phone := out["phone"].(map[string]any)
	if status != 200 || phone["name"] != "Eva Maria" || phone["jid"] != "5511999990009@s.whatsapp.net" {
		t.Errorf("again: %d %v", status, out)
	}
	c := s.linked()
	var bot map[string]any
	for _, p := range s.must("GET", "/sandbox/phones", "")["phones"].([]any) {
		if p.(map[string]any)["number"] == botNumber {
			bot = p.(map[string]any)
		}
	}
	devices := bot["devices"].([]any)
	if len(devices) != 1 || devices[0].(map[string]any)["jid"] != c.Store.ID.String() || devices[0].(map[string]any)["online"] != true {
		t.Errorf("devices: %v", devices)
	}
	s.refuses([]refusal{
		{name: "no number", path: "/sandbox/phones", body: `{"name":"x"}`, status: 400, message: badBody, fields: []string{"number"}},
		{name: "number with plus", path: "/sandbox/phones", body: `{"number":"+5511999990001"}`, status: 400, message: badBody, fields: []string{"number"}},
		{name: "number as number", path: "/sandbox/phones", body: `{"number":5511999990001}`, status: 400, message: badBody, fields: []string{"number"}},
		{name: "short number", path: "/sandbox/phones", body: `{"number":"123456"}`, status: 400, message: badBody, fields: []string{"number"}},
		{name: "name as list", path: "/sandbox/phones", body: `{"number":"5511999990001","name":[]}`, status: 400, message: badBody, fields: []string{"name"}},
	})
}

// TestLinking: by QR string, by instance, by pairing code; unknown code 410, fifth device 409; unlink by device and by
// instance.
func TestLinking(t *testing.T) {
	s := newStage(t)
	scan, unlink := "/sandbox/phones/"+botNumber+"/scan", "/sandbox/phones/"+botNumber+"/unlink"
	first := s.linked()

	second := s.client()
	s.known.qr["sales"] = await[*events.QR](second).Codes[0]
	s.must("POST", scan, `{"instance":"sales"}`)
	await[*events.Connected](second)

	third := s.client()
	await[*events.QR](third)
	code, err := third.PairPhone(t.Context(), botNumber, true, whatsmeow.PairClientChrome, "Chrome (Linux)")
	if err != nil {
		t.Fatal(err)
	}
	out := s.must("POST", "/sandbox/phones/"+botNumber+"/code", jsonOf(map[string]string{"pairingCode": code}))
	if await[*events.Connected](third); out["device"] != third.Store.ID.String() {
		t.Errorf("device: %v", out)
	}

	fourth, fifth := s.linked(), s.client()
	full := jsonOf(map[string]string{"qrCode": await[*events.QR](fifth).Codes[0]})
	s.known.qr["silent"], s.known.device["silent"] = "", ""
	s.refuses([]refusal{
		{name: "fifth", path: scan, body: full, status: 409, message: "This phone has four linked devices already"},
		{name: "unknown code", path: scan, body: `{"qrCode":"2@nothing,AA==,AA==,AA=="}`, status: 410, message: "QR code has expired"},
		{name: "no code at all", path: scan, body: `{"qrCode":"hello"}`, status: 410, message: "QR code has expired"},
		{name: "unknown pairing code", path: "/sandbox/phones/" + botNumber + "/code", body: `{"pairingCode":"ABCD-EFGH"}`, status: 410, message: "QR code has expired"},
		{name: "missing code", path: scan, body: `{}`, status: 400, message: badBody, fields: []string{"qrCode"}},
		{name: "missing pairing code", path: "/sandbox/phones/" + botNumber + "/code", body: `{}`, status: 400, message: badBody, fields: []string{"pairingCode"}},
		{name: "both forms", path: scan, body: `{"qrCode":"x","instance":"sales"}`, status: 400, message: badBody, fields: []string{"instance"}},
		{name: "empty instance", path: scan, body: `{"instance":""}`, status: 400, message: badBody, fields: []string{"instance"}},
		{name: "unknown instance", path: scan, body: `{"instance":"none"}`, status: 404, message: "Instance not found"},
		{name: "instance without code", path: scan, body: `{"instance":"silent"}`, status: 409, message: "The instance shows no QR code"},
		{name: "unlinked instance", path: unlink, body: `{"instance":"silent"}`, status: 409, message: "The instance is not linked"},
		{name: "unknown phone", path: "/sandbox/phones/5511900000000/scan", body: full, status: 404, message: "Phone not found", fields: []string{"number"}},
		{name: "unlink nothing", path: unlink, body: `{}`, status: 400, message: badBody, fields: []string{"device"}},
		{name: "unlink unknown", path: unlink, body: `{"device":"1:1@s.whatsapp.net"}`, status: 404, message: "Not found on the simulated network", fields: []string{"device"}},
	})

	s.must("POST", unlink, jsonOf(map[string]string{"device": first.Store.ID.String()}))
	await[*events.LoggedOut](first)
	s.known.device["support"] = fourth.Store.ID.String()
	s.must("POST", unlink, `{"instance":"support"}`)
	await[*events.LoggedOut](fourth)
}

// TestInstanceFormsWithoutInstances: chasqui network answers them 400.
func TestInstanceFormsWithoutInstances(t *testing.T) {
	s := newStage(t)
	s.serve(sandbox.New(s.network, sandbox.Options{}))
	s.refuses([]refusal{
		{name: "scan", path: "/sandbox/phones/" + botNumber + "/scan", body: `{"instance":"sales"}`, status: 400, message: badBody, fields: []string{"instance"}},
		{name: "unlink", path: "/sandbox/phones/" + botNumber + "/unlink", body: `{"instance":"sales"}`, status: 400, message: badBody, fields: []string{"instance"}},
	})
}

// TestForward: the routes of a network in another process, instances resolved before, no token passed on.
func TestForward(t *testing.T) {
	s := newStage(t)
	var headers []http.Header
	inner := sandbox.New(s.network, sandbox.Options{})
	remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers = append(headers, r.Header.Clone())
		inner.ServeHTTP(w, r)
	}))
	defer remote.Close()
	s.serve(sandbox.Forward(remote.URL, sandbox.Options{Resolver: s.known}))

	c := s.client()
	s.known.qr["sales"] = await[*events.QR](c).Codes[0]
	s.must("POST", "/sandbox/phones/"+botNumber+"/scan", `{"instance":"sales"}`)
	await[*events.Connected](c)
	s.must("POST", "/sandbox/phones/"+anaNumber+"/messages", jsonOf(map[string]string{"to": botNumber, "text": "through two"}))
	awaitWhere(c, func(m *events.Message) bool { return m.Message.GetConversation() == "through two" })
	s.known.device["sales"] = c.Store.ID.String()
	s.must("POST", "/sandbox/phones/"+botNumber+"/unlink", `{"instance":"sales"}`)
	await[*events.LoggedOut](c)
	for _, h := range headers {
		if h.Get("Token") != "" || h.Get("Authorization") != "" {
			t.Errorf("a token travelled on: %v", h)
		}
	}
	s.refuses([]refusal{
		{name: "bad input", path: "/sandbox/phones", body: `{}`, status: 400, message: badBody, fields: []string{"number"}},
		{name: "unknown instance", path: "/sandbox/phones/" + botNumber + "/scan", body: `{"instance":"none"}`, status: 404, message: "Instance not found"},
		{name: "path", path: "/sandbox/nothing", status: 404, message: "Not found"},
	})
	remote.Close()
	s.refuses([]refusal{{name: "network gone", method: "GET", path: "/sandbox/phones", status: 503, message: "The simulated network does not answer"}})
}

// TestForwardRefusesOtherMachines: an address that is not loopback.
func TestForwardRefusesOtherMachines(t *testing.T) {
	s := newStage(t)
	for _, address := range []string{"http://192.0.2.1:80", "https://127.0.0.1:1", "http://example.com", "::", ""} {
		s.serve(sandbox.Forward(address, sandbox.Options{}))
		s.refuses([]refusal{{name: address, method: "GET", path: "/sandbox/phones", status: 503, message: "The simulated network's address is not loopback"}})
	}
}

func jid(t testing.TB, s string) types.JID {
	t.Helper()
	j, err := types.ParseJID(s)
	if err != nil {
		t.Fatal(err)
	}
	return j
}
