package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/httpapi"
)

const (
	invalidToken  = `{"success":false,"error":{"message":"Invalid token"}}`
	noSuchInst    = `{"success":false,"error":{"message":"Instance not found"}}`
	nameRequired  = `{"success":false,"error":{"message":"Instance name is required"}}`
	missingDetail = `{"field":"token","reason":"missing"}`
)

// route is one row of the tables of routes in rest.md and events.md.
type route struct {
	method, path string // path ends in / where an instance follows
	auth         string // A, AI or none
	body         string
	status       int // when all is well
}

// routes are all routes of this version of the contract.
func routes() []route {
	return []route{
		{"POST", "/api/instance/new", "A", `{"name":"shop"}`, 201},
		{"GET", "/api/instance/list", "AI", "", 200},
		{"GET", "/api/instance/connect/", "AI", "", 200},
		{"POST", "/api/instance/reconnect/", "AI", "", 200},
		{"DELETE", "/api/instance/logout/", "AI", "", 200},
		{"DELETE", "/api/instance/delete/", "A", "", 200},
		{"GET", "/api/instance/getSettings/", "AI", "", 200},
		{"POST", "/api/instance/settings/", "AI", `{"ignoreStatus":true}`, 200},
		{"GET", "/api/instance/getProxy/", "AI", "", 200},
		{"POST", "/api/instance/proxy/", "AI", `{"enabled":false}`, 200},
		{"GET", "/api/instance/getS3/", "AI", "", 200},
		{"POST", "/api/instance/s3/", "AI", `{"enabled":false}`, 200},
		{"GET", "/api/chat/getMessage/", "AI", "", 400},
		{"GET", "/api/chat/base64/", "AI", "", 400},
		{"POST", "/api/instance/rotateToken/", "A", "", 200},
		{"GET", "/api/account", "A", "", 200},
		{"POST", "/api/message/text/", "AI", `{"number":"5511988887777","message":"Hi"}`, 200},
		{"POST", "/api/events/websocket/", "AI", `{"enabled":true}`, 200},
		{"POST", "/api/events/setWebsocket/", "AI", `{"enabled":true}`, 200},
		{"GET", "/api/events/getWebsocket/", "AI", "", 200},
		{"POST", "/api/events/webhook/", "AI", `{"enabled":false}`, 200},
		{"GET", "/api/events/getWebhook/", "AI", "", 200},
		{"GET", "/api/events/deliveries/", "AI", "", 200},
		{"POST", "/api/events/redeliver/", "AI", `{"label":"default"}`, 200},
		{"POST", "/api/events/ticket/", "AI", "", 200},
		{"GET", "/api/events/clients/", "AI", "", 200},
		{"DELETE", "/api/events/clients/", "AI", "", 200},
		{"GET", "/api/events/schema", "none", "", 200},
		{"GET", "/ws/", "AI", "", 101},
		{"POST", "/api/chatwoot/set/", "AI", "", 503},
		{"GET", "/api/chatwoot/list/", "AI", "", 503},
		{"DELETE", "/api/chatwoot/delete/", "AI", "", 503},
		{"GET", "/openapi.json", "none", "", 200},
		{"GET", "/docs", "none", "", 200},
		{"GET", "/health", "none", "", 200},
		{"GET", "/ready", "none", "", 200},
	}
}

func (r route) scoped() bool { return strings.HasSuffix(r.path, "/") }

// call makes the request of the route on an instance in a fresh world where it
// succeeds.
func (r route) call(t *testing.T, name, token string) (status int, body string) {
	t.Helper()
	w := newWorld()
	givens["websocket of sales"](w)
	givens["a QR code"](w)
	givens["a webhook of sales"](w)
	target, headers := r.path, []string(nil)
	if r.scoped() {
		target += name
	}
	if token != "" {
		headers = append(headers, "token: "+token)
	}
	if r.path == "/ws/" {
		headers = append(headers, upgrade()...)
	}
	opts := httpapi.Options{Docs: r.auth == "none"}
	rec := do(t, w.api(t, opts), request(r.method, target, r.body, headers...))
	return rec.Code, strings.TrimSpace(rec.Body.String())
}

// TestMatrix proves every cell of the table in rest.md 1.2.
func TestMatrix(t *testing.T) {
	for _, r := range routes() {
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			want := func(name, token string, status int, answer string) {
				t.Helper()
				got, body := r.call(t, name, token)
				if got != status || answer != "" && body != answer {
					t.Errorf("instance %q, token %q: %d %s, want %d %s", name, token, got, body, status, answer)
				}
			}
			if r.auth == "none" {
				want("", "", r.status, "")
				return
			}
			if _, body := r.call(t, "sales", ""); !strings.Contains(body, missingDetail) {
				t.Errorf("without a token: %s", body)
			}
			want("sales", "unknown-token-0001", 401, invalidToken)
			want("sales", strings.Repeat("x", 300), 401, invalidToken)
			want("sales", acmeToken, r.status, "")
			if r.auth == "A" {
				want("sales", salesToken, 401, invalidToken)
			} else {
				want("sales", salesToken, r.status, "")
			}
			if !r.scoped() {
				return
			}
			want("nobody", acmeToken, 404, noSuchInst)
			want("support", rivalToken, 404, noSuchInst)
			want("support", salesToken, 401, invalidToken)
			want("nobody", salesToken, 401, invalidToken)
			want("", salesToken, 401, invalidToken)
			want("", acmeToken, 400, nameRequired)
			want("a%2Fb", acmeToken, 404, noSuchInst)
			want("%2e%2e", acmeToken, 404, noSuchInst)
			want("%73ales", acmeToken, r.status, "")
			want("-leading", acmeToken, 404, noSuchInst)
			want(strings.Repeat("n", 101), acmeToken, 404, noSuchInst)
			want("sales/more", acmeToken, 404, `{"success":false,"error":{"message":"Not found"}}`)
		})
	}
}

// TestRoutesHaveOneMethodEach proves that each route answers 405 to the methods
// that it has not, with an Allow header, whatever the token.
func TestRoutesHaveOneMethodEach(t *testing.T) {
	allowed := map[string][]string{}
	for _, r := range routes() {
		allowed[r.path] = append(allowed[r.path], r.method)
	}
	h := newWorld().api(t, httpapi.Options{Docs: true})
	for path, methods := range allowed {
		target := path
		if strings.HasSuffix(path, "/") {
			target += "sales"
		}
		rec := do(t, h, request("PATCH", target, ""))
		if rec.Code != 405 || rec.Header().Get("Allow") != strings.Join(methods, ", ") {
			t.Errorf("PATCH %s: %d, Allow %q, want 405, %q", target, rec.Code, rec.Header().Get("Allow"), methods)
		}
		if want := `{"success":false,"error":{"message":"Method not allowed"}}`; strings.TrimSpace(rec.Body.String()) != want {
			t.Errorf("PATCH %s: %s", target, rec.Body)
		}
	}
}

// TestEmptyInstanceWithoutSlash: the name is asked for in either spelling.
func TestEmptyInstanceWithoutSlash(t *testing.T) {
	h := newWorld().api(t, httpapi.Options{})
	rec := do(t, h, request("GET", "/api/instance/getProxy", "", "token: "+acmeToken))
	if rec.Code != 400 || strings.TrimSpace(rec.Body.String()) != nameRequired {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// TestMissingTokenDetails proves rest.md 1.2: no token at all says where to
// send one.
func TestMissingTokenDetails(t *testing.T) {
	h := newWorld().api(t, httpapi.Options{})
	rec := do(t, h, request("GET", "/api/account", ""))
	want := `{"success":false,"error":{"message":"Invalid token","details":[` + missingDetail + `,` +
		`{"field":"token","reason":"send it as header: token: <token>"},` +
		`{"field":"token","reason":"or as header: Authorization: Bearer <token>"},` +
		`{"field":"token","reason":"or, only on GET /ws/{instance}, in the query: ?token=<token>"}]}}`
	if diff := cmp.Diff(want, strings.TrimSpace(rec.Body.String())); diff != "" {
		t.Error(diff)
	}
}

// TestTokenPlaces proves rest.md 1.2: the places, their order, and that only
// the first present is tried.
func TestTokenPlaces(t *testing.T) {
	const ws, api = "/ws/sales", "/api/instance/getSettings/sales"
	bearerOf := func(token string) string { return "Authorization: Bearer " + token }
	for _, tt := range []struct {
		name, target string
		headers      []string
		status       int
	}{
		{"header token", api, []string{"token: " + salesToken}, 200},
		{"bearer", api, []string{bearerOf(salesToken)}, 200},
		{"bearer in any case", api, []string{"Authorization: bearer " + salesToken}, 200},
		{"query is no place on other routes", api + "?token=" + salesToken, nil, 401},
		{"ticket is no place on other routes", api + "?ticket=" + salesToken, nil, 401},
		{"query on ws", ws + "?token=" + salesToken, nil, 101},
		{"basic is not bearer", api, []string{"Authorization: Basic " + salesToken}, 401},
		{"bare authorization", api, []string{"Authorization: " + salesToken}, 401},
		{"another header", api, []string{"X-Token: " + salesToken}, 401},
		{"a cookie", api, []string{"Cookie: token=" + salesToken}, 401},
		{"good header before bad bearer", api, []string{"token: " + salesToken, bearerOf("wrong-token-00001")}, 200},
		{"bad header before good bearer", api, []string{"token: wrong-token-00001", bearerOf(salesToken)}, 401},
		{"bad header before good query", ws + "?token=" + salesToken, []string{"token: wrong-token-00001"}, 401},
		{"bad bearer before good query", ws + "?token=" + salesToken, []string{bearerOf("wrong-token-00001")}, 401},
		{"good query before bad ticket", ws + "?token=" + salesToken + "&ticket=00", nil, 101},
		{"bad query before anything", ws + "?token=wrong-token-00001&ticket=00", nil, 401},
		{"two token headers, first wrong", api, []string{"token: wrong-token-00001", "token: " + salesToken}, 401},
		{"an empty header is none", api, []string{"token: ", bearerOf(salesToken)}, 200},
		{"two tokens of two instances", api, []string{"token: " + supportToken, bearerOf(salesToken)}, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			givens["websocket of sales"](w)
			headers := append(tt.headers, upgrade()...)
			rec := do(t, w.api(t, httpapi.Options{}), request("GET", tt.target, "", headers...))
			if rec.Code != tt.status {
				t.Errorf("status %d, want %d; body %s", rec.Code, tt.status, rec.Body)
			}
		})
	}
}

// TestTokenLookupFails proves rest.md 1.4: a broken store is 500 Internal
// server error, not a refused token.
func TestTokenLookupFails(t *testing.T) {
	for _, method := range []string{"Accounts.Authenticate", "Instances.Authenticate"} {
		w := newWorld()
		w.fail(method)
		for _, target := range []string{"/api/instance/getSettings/sales", "/api/nothing"} {
			rec := do(t, w.api(t, httpapi.Options{}), request("GET", target, "", "token: "+salesToken))
			want := `{"success":false,"error":{"message":"Internal server error"}}`
			if rec.Code != http.StatusInternalServerError || strings.TrimSpace(rec.Body.String()) != want {
				t.Errorf("%s, %s: %d %s", method, target, rec.Code, rec.Body)
			}
		}
	}
}

// TestPrincipalReachesSandbox: /sandbox takes an account token and is exempt
// from rate limits.
func TestSandboxTakesAccountTokens(t *testing.T) {
	w := newWorld()
	deps, one := w.deps(), 1
	deps.Sandbox = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		p, ok := httpapi.PrincipalFrom(r.Context())
		rw.Header().Set("X-Account", p.AccountID)
		if !ok {
			rw.WriteHeader(http.StatusTeapot)
		}
	})
	h, err := httpapi.New(deps, httpapi.Options{RateLimits: httpapi.Limits{Token: &one, Address: &one}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		rec := do(t, h, request("POST", "/sandbox/phones", "{}", "token: "+acmeToken))
		if rec.Code != 200 || rec.Header().Get("X-Account") != "acc-acme" || rec.Header().Get("X-RateLimit-Limit") != "" {
			t.Errorf("account token: %d %v", rec.Code, rec.Header())
		}
		for _, token := range []string{salesToken, "wrong-token-00001"} {
			if rec := do(t, h, request("GET", "/sandbox/phones", "", "token: "+token)); rec.Code != 401 {
				t.Errorf("token %s: %d", token, rec.Code)
			}
		}
	}
	plain := newWorld().api(t, httpapi.Options{})
	if rec := do(t, plain, request("GET", "/sandbox/phones", "", "token: "+acmeToken)); rec.Code != 404 {
		t.Errorf("without a sandbox: %d", rec.Code)
	}
}

func upgrade() []string {
	return []string{
		"Connection: keep-alive, Upgrade", "Upgrade: WebSocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}
}
