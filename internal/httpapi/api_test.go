package httpapi_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/httpapi"
	"github.com/chasqui/chasqui/internal/instance"
)

// TestUnknownPath: 404 in the envelope for everything that is no route, also
// for paths that a mux would redirect.
func TestUnknownPath(t *testing.T) {
	h := newWorld().api(t, httpapi.Options{})
	for _, target := range []string{
		"/", "/api", "/api/", "/api/nothing", "/api/instance/", "/api/instance/getNothing/sales", "/api/instance/metrics/sales",
		"/api//instance/list", "//api/instance/list", "/api/./instance/list", "/api/x/../instance/list",
		"/api/instance/list/", "/API/instance/list", "/docs", "/openapi.json", "/openapi.yaml", "/schemas/Envelope",
		"/api/events/webhooks/sales", "/index.html",
	} {
		rec := do(t, h, request("GET", target, "", "token: "+acmeToken))
		if rec.Code != 404 || strings.TrimSpace(rec.Body.String()) != refusal("Not found") {
			t.Errorf("%s: %d %s", target, rec.Code, rec.Body)
		}
	}
}

// TestRequestID proves rest.md 1.1: the caller's if well formed, else a UUID.
func TestRequestID(t *testing.T) {
	h := newWorld().api(t, httpapi.Options{})
	uuid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	for given, kept := range map[string]bool{
		"abc.DEF_1-2": true, strings.Repeat("a", 128): true,
		"": false, strings.Repeat("a", 129): false, "a b": false, "a\tb": false, "é": false,
	} {
		for _, target := range []string{"/health", "/api/account", "/api/nothing", "/ws/sales"} {
			got := do(t, h, request("GET", target, "", "X-Request-Id: "+given)).Header().Get("X-Request-Id")
			if kept && got != given || !kept && !uuid.MatchString(got) {
				t.Errorf("%s with %q: %q", target, given, got)
			}
		}
	}
}

// TestStatusTable: each kind of fault has the status of rest.md 1.3.
func TestStatusTable(t *testing.T) {
	for kind, want := range map[fault.Kind]int{
		fault.Internal: 500, fault.Invalid: 400, fault.Unauthorized: 401, fault.Forbidden: 403,
		fault.NotFound: 404, fault.MethodNotAllowed: 405, fault.Conflict: 409, fault.Gone: 410,
		fault.TooLarge: 413, fault.UpgradeRequired: 426, fault.RateLimited: 429, fault.Unsupported: 501,
		fault.Unavailable: 503,
	} {
		w := newWorld()
		w.failing["Accounts.Summarize"] = fmt.Errorf("wrapped: %w", fault.Wrap(kind, "Shown", errors.New(secretCause)))
		rec := do(t, w.api(t, httpapi.Options{}), request("GET", "/api/account", "", "token: "+acmeToken))
		if rec.Code != want || strings.TrimSpace(rec.Body.String()) != refusal("Shown") {
			t.Errorf("kind %d: %d %s, want %d", kind, rec.Code, rec.Body, want)
		}
	}
}

// TestUnknownErrorIsLoggedOnce: with its cause and request id, without the
// query string.
func TestUnknownErrorIsLoggedOnce(t *testing.T) {
	var logs bytes.Buffer
	w := newWorld()
	w.fail("Instances.Connect")
	h := w.api(t, httpapi.Options{Logger: logger(&logs)})
	do(t, h, request("GET", "/api/instance/connect/sales?number=5511999999999", "",
		"token: "+salesToken, "X-Request-Id: req-1"))
	lines := strings.Split(strings.TrimSpace(logs.String()), "\n")
	if len(lines) != 1 {
		t.Fatalf("%d lines, want 1:\n%s", len(lines), logs.String())
	}
	for _, want := range []string{"level=ERROR", secretCause, "request=req-1", "GET /api/instance/connect/{instance}", "Failed to connect: internal error"} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("the line lacks %q: %s", want, lines[0])
		}
	}
	for _, secret := range []string{"5511999999999", salesToken} {
		if strings.Contains(logs.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// TestQueryStringIsNeverLogged: on /ws it may hold the token.
func TestQueryStringIsNeverLogged(t *testing.T) {
	var logs bytes.Buffer
	w := newWorld()
	givens["websocket of sales"](w)
	for _, method := range []string{"", "Sockets.Serve", "Channels.WebSocket", "Instances.Authenticate"} {
		w.failing = map[string]error{}
		w.fail(method)
		h := w.api(t, httpapi.Options{Logger: logger(&logs)})
		do(t, h, request("GET", "/ws/sales?token="+salesToken, "", upgrade()...))
	}
	if logs.Len() == 0 || strings.Contains(logs.String(), salesToken) {
		t.Errorf("log:\n%s", logs.String())
	}
}

// TestCallerWhoHungUp is no failure of ours: nothing above debug is logged.
func TestCallerWhoHungUp(t *testing.T) {
	var logs bytes.Buffer
	w := newWorld()
	w.failing["Instances.List"] = context.Canceled
	r := request("GET", "/api/instance/list", "", "token: "+acmeToken)
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	do(t, w.api(t, httpapi.Options{Logger: logger(&logs)}), r.WithContext(ctx))
	if !strings.Contains(logs.String(), "level=DEBUG") || strings.Contains(logs.String(), "level=ERROR") {
		t.Errorf("log:\n%s", logs.String())
	}
}

// panicking is an API whose database check panics.
type panicking struct{ health }

func (panicking) Database(context.Context) error { panic(secretCause) }

// TestPanicIsAnswered with 500, logged once, and the text not shown.
func TestPanicIsAnswered(t *testing.T) {
	var logs bytes.Buffer
	w := newWorld()
	deps := w.deps()
	deps.Health = panicking{health{w}}
	h, err := httpapi.New(deps, httpapi.Options{Logger: logger(&logs)})
	if err != nil {
		t.Fatal(err)
	}
	rec := do(t, h, request("GET", "/health", ""))
	if rec.Code != 500 || strings.TrimSpace(rec.Body.String()) != refusal("Internal server error") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if strings.Count(logs.String(), secretCause) != 1 {
		t.Errorf("log:\n%s", logs.String())
	}
}

// TestQRCode: qrCode exactly as the engine gave it, the image as a data URL.
func TestQRCode(t *testing.T) {
	w := newWorld()
	givens["a QR code"](w)
	rec := do(t, w.api(t, httpapi.Options{}), request("GET", "/api/instance/connect/sales", "", "token: "+salesToken))
	var answer map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	image, ok := strings.CutPrefix(fmt.Sprint(answer["qrCodeBase64"]), "data:image/png;base64,")
	raw, err := base64.StdEncoding.DecodeString(image)
	if !ok || err != nil {
		t.Fatalf("qrCodeBase64 %v: %v", answer["qrCodeBase64"], err)
	}
	if _, err := png.Decode(bytes.NewReader(raw)); err != nil {
		t.Errorf("no PNG: %v", err)
	}
	delete(answer, "qrCodeBase64")
	want := map[string]any{
		"success": true, "message": "QR code generated", "qrCode": "2@AbC,dEf=,gHi=,jKl,1", "status": "qr", "expiresIn": 20.0,
	}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Error(diff)
	}
}

// TestListStates: status repeats connection.state, and displayStatus is it for
// people.
func TestListStates(t *testing.T) {
	for state, display := range map[instance.State]string{
		instance.Disconnected: "Disconnected", instance.Connecting: "Connecting",
		instance.Connected: "Connected", instance.LoggedOut: "Logged out",
	} {
		w := newWorld()
		w.status["id-sales"] = instance.Status{State: state, Presence: "composing"}
		rec := do(t, w.api(t, httpapi.Options{}), request("GET", "/api/instance/list", "", "token: "+salesToken))
		want := fmt.Sprintf(`"status":%q,"numberJid":null,"connection":{"state":%q,"numberJid":null,"presenceStatus":"composing","displayStatus":%q}`,
			state, state, display)
		if !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s lacks %s", rec.Body, want)
		}
	}
}

// TestHealth proves rest.md section 9, degraded without the error's text.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		h := w.api(t, httpapi.Options{})
		time.Sleep(12*time.Hour + 34*time.Minute + 56*time.Second)
		now := time.Now().UTC().Format(time.RFC3339)
		check := func(status int, word, db string) {
			t.Helper()
			rec := do(t, h, request("GET", "/health", ""))
			want := fmt.Sprintf(`{"status":%q,"service":"chasqui","uptime":"12h34m56s","timestamp":%q,"checks":{"db":%q}}`, word, now, db)
			if rec.Code != status || strings.TrimSpace(rec.Body.String()) != want {
				t.Errorf("%d %s, want %d %s", rec.Code, rec.Body, status, want)
			}
		}
		check(200, "ok", "ok")
		w.fail("Health.Database")
		check(503, "degraded", "fail: not available")
		w.failing["Health.Database"] = context.DeadlineExceeded
		check(503, "degraded", "fail: timed out")
	})
}

// TestMetrics proves the row GET /metrics of rest.md section 10.
func TestMetrics(t *testing.T) {
	const local, remote = "127.0.0.1:999", "203.0.113.7:999"
	for _, tt := range []struct {
		name, secret, peer string
		headers            []string
		status             int
	}{
		{"loopback", "", local, nil, 200},
		{"IPv6 loopback", "", "[::1]:999", nil, 200},
		{"remote", "", remote, nil, 404},
		{"loopback with Forwarded", "", local, []string{"Forwarded: for=1.1.1.1"}, 404},
		{"loopback with X-Forwarded-For", "", local, []string{"X-Forwarded-For: 127.0.0.1"}, 404},
		{"loopback with Via", "", local, []string{"Via: 1.1 proxy"}, 404},
		{"token, right", "metrics-secret", remote, []string{"Authorization: Bearer metrics-secret"}, 200},
		{"token, wrong", "metrics-secret", local, []string{"Authorization: Bearer metrics-secreT"}, 401},
		{"token, none", "metrics-secret", local, nil, 401},
		{"token, only as Bearer", "metrics-secret", local, []string{"token: metrics-secret"}, 401},
		{"account tokens do not open it", "metrics-secret", local, []string{"Authorization: Bearer " + acmeToken}, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newWorld().api(t, httpapi.Options{MetricsToken: tt.secret})
			r := request("GET", "/metrics", "", tt.headers...)
			r.RemoteAddr = tt.peer
			rec := do(t, h, r)
			if rec.Code != tt.status || (rec.Body.String() == "chasqui_up 1\n") != (tt.status == 200) {
				t.Errorf("%d %s, want %d", rec.Code, rec.Body, tt.status)
			}
		})
	}
}

// TestCORS proves the second half of rest.md 1.5.
func TestCORS(t *testing.T) {
	const page = "https://app.example.com"
	listed := []string{page}
	for _, tt := range []struct {
		name, origin string
		allowed      []string
		answer       string // Access-Control-Allow-Origin
	}{
		{"listed", page, listed, page},
		{"not listed", "https://evil.example", listed, ""},
		{"none configured", page, nil, ""},
		{"star", "https://evil.example", []string{"*"}, "*"},
		{"no origin", "", []string{"*"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newWorld().api(t, httpapi.Options{AllowedOrigins: tt.allowed})
			headers := []string{"X-Unrelated: 1"}
			if tt.origin != "" {
				headers = append(headers, "Origin: "+tt.origin)
			}
			for _, target := range []string{"/api/account", "/api/nothing", "/health"} {
				rec := do(t, h, request("GET", target, "", headers...))
				if got := rec.Header().Get("Access-Control-Allow-Origin"); got != tt.answer {
					t.Errorf("%s: Allow-Origin %q, want %q", target, got, tt.answer)
				}
				if rec.Header().Get("Access-Control-Allow-Credentials") != "" {
					t.Error("credentials are allowed")
				}
			}
		})
	}
}

// TestCORSPreflight needs no token, names methods and headers, and is not
// counted.
func TestCORSPreflight(t *testing.T) {
	h := newWorld().api(t, httpapi.Options{AllowedOrigins: []string{"https://app.example.com"}})
	rec := do(t, h, request("OPTIONS", "/api/instance/new", "", "Origin: https://app.example.com",
		"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: token"))
	got := map[string]string{}
	for _, name := range []string{
		"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
		"Access-Control-Expose-Headers", "Vary", "X-RateLimit-Limit",
	} {
		got[name] = rec.Header().Get(name)
	}
	want := map[string]string{
		"Access-Control-Allow-Origin":   "https://app.example.com",
		"Access-Control-Allow-Methods":  "GET, HEAD, POST, PUT, DELETE",
		"Access-Control-Allow-Headers":  "Content-Type, Authorization, token, Idempotency-Key, X-Request-Id",
		"Access-Control-Expose-Headers": "X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After",
		"Vary":                          "Origin", "X-RateLimit-Limit": "",
	}
	if diff := cmp.Diff(want, got); diff != "" || rec.Code != http.StatusNoContent {
		t.Errorf("%d %s", rec.Code, diff)
	}
	if rec := do(t, h, request("OPTIONS", "/api/instance/new", "")); rec.Code != 405 {
		t.Errorf("OPTIONS that is no preflight: %d", rec.Code)
	}
	rec = do(t, h, request("OPTIONS", "/api/instance/new", "", "Origin: https://evil.example", "Access-Control-Request-Method: POST"))
	if rec.Header().Get("Access-Control-Allow-Methods") != "" {
		t.Error("a page that is not listed may ask")
	}
}

// TestDocument: the OpenAPI document names each route with its security, and
// its schemas hold neither $schema nor huma's error model.
func TestDocument(t *testing.T) {
	h := newWorld().api(t, httpapi.Options{Docs: true, Version: "1.2.3"})
	rec := do(t, h, request("GET", "/openapi.json", ""))
	var doc struct {
		OpenAPI string
		Info    struct{ Version string }
		Paths   map[string]map[string]struct {
			Security  []map[string][]string
			Responses map[string]any
		}
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil || rec.Code != 200 {
		t.Fatalf("%d %v", rec.Code, err)
	}
	if doc.OpenAPI != "3.1.0" || doc.Info.Version != "1.2.3" {
		t.Errorf("openapi %s, version %s", doc.OpenAPI, doc.Info.Version)
	}
	known := map[string]bool{"GET /metrics": true}
	for _, r := range routes() {
		if r.path == "/docs" || r.path == "/openapi.json" {
			continue
		}
		path := r.path
		if r.scoped() {
			path += "{instance}"
		}
		known[r.method+" "+path] = true
		op, ok := doc.Paths[path][strings.ToLower(r.method)]
		if !ok {
			t.Errorf("%s %s is not in the document", r.method, path)
		}
		if open := len(op.Security) == 0; open != (r.auth == "none") {
			t.Errorf("%s %s: security %v", r.method, path, op.Security)
		}
		for status := range op.Responses {
			if status == "422" {
				t.Errorf("%s %s names 422", r.method, path)
			}
		}
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			if name := strings.ToUpper(method) + " " + path; !known[name] {
				t.Errorf("%s is in the document, but not in the table of routes", name)
			}
		}
	}
	for _, foreign := range []string{"ErrorModel", "ErrorDetail"} {
		if _, ok := doc.Components.Schemas[foreign]; ok {
			t.Errorf("the document has the schema %s", foreign)
		}
	}
}

// TestDocumentIsCurrent compares docs/openapi.json with what is served; -update
// writes it anew.
func TestDocumentIsCurrent(t *testing.T) {
	const file = "../../docs/openapi.json"
	h := newWorld().api(t, httpapi.Options{Docs: true, Version: "dev"})
	got := indented(do(t, h, request("GET", "/openapi.json", "")).Body.Bytes()) + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/openapi.json is stale, run go test ./internal/httpapi -update:\n%s", diff)
	}
}

// TestDocsPageIsOffline: it loads nothing from elsewhere.
func TestDocsPageIsOffline(t *testing.T) {
	rec := do(t, newWorld().api(t, httpapi.Options{Docs: true}), request("GET", "/docs", ""))
	if rec.Code != 200 || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("%d %s", rec.Code, rec.Header().Get("Content-Type"))
	}
	if strings.Contains(rec.Body.String(), "//") && regexp.MustCompile(`(src|href|import)\s*=?\s*["'(](https?:)?//`).MatchString(rec.Body.String()) {
		t.Error("the page refers to another server")
	}
}

// TestSchemas: the schemas given are served, types without one get {}.
func TestSchemas(t *testing.T) {
	deps := newWorld().deps()
	deps.Schemas = map[event.Type]json.RawMessage{event.TypeCall: json.RawMessage(`{"type":"object"}`)}
	h, err := httpapi.New(deps, httpapi.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rec := do(t, h, request("GET", "/api/events/schema", ""))
	if !strings.Contains(rec.Body.String(), `"call.update":{"type":"object"},"group.flow":{}`) {
		t.Errorf("%s", rec.Body)
	}
}

// TestNewNamesWhatIsMissing: a forgotten part is an error at start.
func TestNewNamesWhatIsMissing(t *testing.T) {
	deps := newWorld().deps()
	deps.Sockets = nil
	if _, err := httpapi.New(deps, httpapi.Options{}); err == nil || !strings.Contains(err.Error(), "Deps.Sockets") {
		t.Errorf("error %v", err)
	}
}
