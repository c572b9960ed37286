package httpapi_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/httpapi"
)

func refusal(message string) string {
	return `{"success":false,"error":{"message":"` + message + `"}}`
}

// TestWebSocketOrderOfChecks proves the row "refused before the upgrade" of
// events.md section 4: everything is wrong at first, and mending the first
// fault uncovers the next.
func TestWebSocketOrderOfChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.full = true
		ten := 10
		h := w.api(t, httpapi.Options{RateLimits: httpapi.Limits{Token: &ten}})
		step := func(target string, status int, body string, headers ...string) {
			t.Helper()
			rec := do(t, h, request("GET", target, "", append(headers, "Origin: https://evil.example")...))
			if rec.Code != status || strings.TrimSpace(rec.Body.String()) != body {
				t.Errorf("%d %s, want %d %s", rec.Code, rec.Body, status, body)
			}
		}
		spend(t, h, 10, 404, "GET", "/ws/nobody", "", "token: "+acmeToken)
		step("/ws/nobody", 401, refusal("Invalid token"), "token: wrong-token-00001")
		step("/ws/nobody", 429, refusal("Rate limit exceeded. Try again later."), "token: "+acmeToken)
		time.Sleep(time.Minute)
		step("/ws/nobody", 404, refusal("Instance not found"), "token: "+acmeToken)
		step("/ws/sales", 403, refusal("Origin not allowed"), "token: "+acmeToken)
		const own = "Host: evil.example"
		step("/ws/sales", 400, refusal("Expected a WebSocket upgrade"), own, "token: "+acmeToken)
		notEnabled := refusal("WebSocket is not enabled for this instance. Configure it first using POST /api/events/websocket/sales")
		mended := append(upgrade(), own, "token: "+acmeToken)
		step("/ws/sales", 400, notEnabled, mended...)
		givens["websocket of sales disabled"](w)
		step("/ws/sales", 400, notEnabled, mended...)
		givens["websocket of sales"](w)
		step("/ws/sales?after=3", 400, refusal("Replay is not enabled"), mended...)
		step("/ws/sales", 429, refusal("WebSocket client limit reached"), mended...)
		w.full = false
		step("/ws/sales", 101, "", mended...)
	})
}

// TestWebSocketHandsOver: the sockets learn what opened the connection.
func TestWebSocketHandsOver(t *testing.T) {
	w := newWorld()
	givens["websocket of sales"](w)
	headers := append(upgrade(), "token: "+salesToken, "User-Agent: ws")
	rec := do(t, w.api(t, httpapi.Options{}), request("GET", "/ws/sales", "", headers...))
	if rec.Code != 101 || rec.Header().Get("X-Served") != "id-sales" {
		t.Fatalf("%d %v", rec.Code, rec.Header())
	}
	if rec.Header().Get("X-RateLimit-Remaining") != "99" {
		t.Errorf("an upgrade counts once: %v", rec.Header())
	}
	want := []httpapi.Owner{{
		AccountID: "acc-acme", TokenType: "instance", TokenID: account.HashToken(salesToken),
		RemoteAddress: "192.0.2.1", UserAgent: "ws",
	}}
	if diff := cmp.Diff(want, w.owners); diff != "" {
		t.Error(diff)
	}
}

// TestWebSocketUpgradeHeaders proves the texts and codes for bad handshakes.
func TestWebSocketUpgradeHeaders(t *testing.T) {
	change := func(name, value string) []string {
		var headers []string
		for _, h := range upgrade() {
			if !strings.HasPrefix(h, name+":") {
				headers = append(headers, h)
			}
		}
		if value != "" {
			headers = append(headers, name+": "+value)
		}
		return headers
	}
	for _, tt := range []struct {
		name    string
		method  string
		headers []string
		status  int
	}{
		{"complete", "GET", upgrade(), 101},
		{"no Connection", "GET", change("Connection", ""), 400},
		{"Connection close", "GET", change("Connection", "close"), 400},
		{"no Upgrade", "GET", change("Upgrade", ""), 400},
		{"Upgrade h2c", "GET", change("Upgrade", "h2c"), 400},
		{"no version", "GET", change("Sec-WebSocket-Version", ""), 400},
		{"version 8", "GET", change("Sec-WebSocket-Version", "8"), 426},
		{"no key", "GET", change("Sec-WebSocket-Key", ""), 400},
		{"short key", "GET", change("Sec-WebSocket-Key", "dGhl"), 400},
		{"key that is no base64", "GET", change("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j!Q=="), 400},
		{"HEAD", "HEAD", upgrade(), 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			givens["websocket of sales"](w)
			headers := append(tt.headers, "token: "+salesToken)
			rec := do(t, w.api(t, httpapi.Options{}), request(tt.method, "/ws/sales", "", headers...))
			if rec.Code != tt.status {
				t.Fatalf("status %d, want %d", rec.Code, tt.status)
			}
			if tt.status == 101 {
				return
			}
			if got := strings.TrimSpace(rec.Body.String()); got != refusal("Expected a WebSocket upgrade") {
				t.Errorf("body %s", got)
			}
			if got := rec.Header().Get("Sec-WebSocket-Version"); tt.status == 426 && got != "13" {
				t.Errorf("Sec-WebSocket-Version %q", got)
			}
		})
	}
}

// TestWebSocketOrigin proves the row Origin of events.md section 4.
func TestWebSocketOrigin(t *testing.T) {
	listed := []string{"https://app.example.com", "http://localhost:3000"}
	for _, tt := range []struct {
		name, host, origin string
		allowed            []string
		status             int
	}{
		{"none", "gw.example", "", nil, 101},
		{"own host", "gw.example", "https://gw.example", nil, 101},
		{"own host in other case", "gw.example", "https://GW.example", nil, 101},
		{"own host with its default port", "gw.example:443", "https://gw.example", nil, 101},
		{"own host, other port", "gw.example:8080", "http://gw.example:8081", nil, 403},
		{"own host and port", "127.0.0.1:8080", "http://127.0.0.1:8080", nil, 101},
		{"own IPv6 host", "[::1]:8080", "http://[::1]:8080", nil, 101},
		{"another host", "gw.example", "https://evil.example", nil, 403},
		{"a suffix of the host", "gw.example", "https://evil.gw.example", nil, 403},
		{"null", "gw.example", "null", nil, 403},
		{"no URL", "gw.example", "://", nil, 403},
		{"a file", "gw.example", "file://gw.example", nil, 403},
		{"listed", "gw.example", "https://app.example.com", listed, 101},
		{"listed with another scheme", "gw.example", "http://app.example.com", listed, 403},
		{"listed with another port", "gw.example", "http://localhost:3001", listed, 403},
		{"star", "gw.example", "https://evil.example", []string{"*"}, 101},
		{"star and null", "gw.example", "null", []string{"*"}, 101},
		{"the base URL's host", "10.0.0.5:8080", "https://public.example", nil, 101},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			givens["websocket of sales"](w)
			headers := append(upgrade(), "token: "+salesToken, "Host: "+tt.host)
			if tt.origin != "" {
				headers = append(headers, "Origin: "+tt.origin)
			}
			opts := httpapi.Options{AllowedOrigins: tt.allowed, BaseURL: func() string { return "https://public.example/" }}
			rec := do(t, w.api(t, opts), request("GET", "/ws/sales", "", headers...))
			if rec.Code != tt.status {
				t.Errorf("status %d, want %d: %s", rec.Code, tt.status, rec.Body)
			}
		})
	}
}

// TestWebSocketForwardedHost: behind a trusted proxy the own host is what the
// proxy was asked for, from anybody else the header is not believed.
func TestWebSocketForwardedHost(t *testing.T) {
	for _, tt := range []struct {
		trusted []netip.Prefix
		status  int
	}{
		{[]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, 101},
		{nil, 403},
	} {
		w := newWorld()
		givens["websocket of sales"](w)
		headers := append(upgrade(), "token: "+salesToken, "Host: 10.0.0.5:8080",
			"Origin: https://gw.example", "X-Forwarded-Host: gw.example")
		rec := do(t, w.api(t, httpapi.Options{TrustedProxies: tt.trusted}), request("GET", "/ws/sales", "", headers...))
		if rec.Code != tt.status {
			t.Errorf("trusted %v: %d, want %d", tt.trusted, rec.Code, tt.status)
		}
	}
}

// TestWebSocketServeFails: an error of the sockets before the upgrade is
// answered, a fault as such.
func TestWebSocketServeFails(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		body   string
	}{
		{fault.New(fault.RateLimited, "WebSocket client limit reached"), 429, refusal("WebSocket client limit reached")},
		{errors.New(secretCause), 500, refusal("Internal server error")},
	} {
		w := newWorld()
		givens["websocket of sales"](w)
		w.failing["Sockets.Serve"] = tt.err
		headers := append(upgrade(), "token: "+salesToken)
		rec := do(t, w.api(t, httpapi.Options{}), request("GET", "/ws/sales", "", headers...))
		if rec.Code != tt.status || strings.TrimSpace(rec.Body.String()) != tt.body {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
}

// TestWebSocketStoreFails: an unreadable store is 500 before the upgrade.
func TestWebSocketStoreFails(t *testing.T) {
	for method, want := range map[string]string{
		"Instances.Get":      "Failed to get instance",
		"Channels.WebSocket": "Failed to get websocket configuration",
	} {
		w := newWorld()
		w.fail(method)
		headers := append(upgrade(), "token: "+acmeToken)
		rec := do(t, w.api(t, httpapi.Options{}), request("GET", "/ws/sales", "", headers...))
		if rec.Code != 500 || strings.TrimSpace(rec.Body.String()) != refusal(want) {
			t.Errorf("%s: %d %s", method, rec.Code, rec.Body)
		}
	}
}

// ticketWorld is a world with its API and a way to draw tickets for sales.
func ticketWorld(t *testing.T) (w *world, draw func(token string) string, open func(instance, ticket string) int) {
	t.Helper()
	w = newWorld()
	givens["websocket of sales"](w)
	off := 0
	h := w.api(t, httpapi.Options{RateLimits: httpapi.Limits{Token: &off}})
	draw = func(token string) string {
		t.Helper()
		rec := do(t, h, request("POST", "/api/events/ticket/sales", "", "token: "+token))
		var answer struct {
			Message   string
			Ticket    string
			ExpiresIn int
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != 200 {
			t.Fatalf("ticket: %d %s", rec.Code, rec.Body)
		}
		if len(answer.Ticket) != 32 || answer.ExpiresIn != 30 || answer.Message != "Ticket created" {
			t.Errorf("ticket answer %s", rec.Body)
		}
		return answer.Ticket
	}
	open = func(instance, ticket string) int {
		t.Helper()
		return do(t, h, request("GET", "/ws/"+instance+"?ticket="+ticket, "", upgrade()...)).Code
	}
	return w, draw, open
}

// TestTicketIsSingleUse proves events.md section 4, row ticket.
func TestTicketIsSingleUse(t *testing.T) {
	w, draw, open := ticketWorld(t)
	ticket := draw(acmeToken)
	if got := open("sales", ticket); got != 101 {
		t.Fatalf("first use: %d", got)
	}
	if by := w.owners[0]; by.TokenType != "account" || by.TokenID != account.HashToken(acmeToken) {
		t.Errorf("the socket belongs to %+v, want the token that made the ticket", by)
	}
	if got := open("sales", ticket); got != 401 {
		t.Errorf("second use: %d", got)
	}
	if got := open("sales", "b1946ac92492d2347c6235b4d2611184"); got != 401 {
		t.Errorf("unknown ticket: %d", got)
	}
}

// TestTicketLives30Seconds: to the second.
func TestTicketLives30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, draw, open := ticketWorld(t)
		first, second := draw(salesToken), draw(salesToken)
		time.Sleep(30*time.Second - time.Millisecond)
		if got := open("sales", first); got != 101 {
			t.Errorf("after 29.999 s: %d", got)
		}
		time.Sleep(time.Millisecond)
		if got := open("sales", second); got != 401 {
			t.Errorf("after 30 s: %d", got)
		}
	})
}

// TestExpiredTicketsAreForgotten: they do not count against those drawn later.
func TestExpiredTicketsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, draw, open := ticketWorld(t)
		draw(salesToken)
		for range 60 {
			draw(acmeToken)
		}
		time.Sleep(20 * time.Second)
		later := draw(acmeToken)
		time.Sleep(10 * time.Second)
		for range 99 {
			draw(acmeToken)
		}
		if got := open("sales", later); got != 101 {
			t.Errorf("a ticket of 10 s, 60 expired ones before it and 99 after: %d", got)
		}
	})
}

// TestTicketIsForItsInstance: it opens no other one, not even for an account.
func TestTicketIsForItsInstance(t *testing.T) {
	_, draw, open := ticketWorld(t)
	if got := open("support", draw(acmeToken)); got != 401 {
		t.Errorf("another instance: %d", got)
	}
}

// TestTicketDiesWithItsToken: after a rotation or a deletion it is worthless.
func TestTicketDiesWithItsToken(t *testing.T) {
	w, draw, open := ticketWorld(t)
	own, whole := draw(salesToken), draw(acmeToken)
	if _, err := (instances{w}).RotateToken(t.Context(), w.instances[0], "rotated-token-0001"); err != nil {
		t.Fatal(err)
	}
	if got := open("sales", own); got != 401 {
		t.Errorf("after the instance's token was rotated: %d", got)
	}
	delete(w.accounts, acmeToken)
	if got := open("sales", whole); got != 401 {
		t.Errorf("after the account was deleted: %d", got)
	}
}

// TestTicketsAreBounded: the 101st unused ticket of a token ends the first.
func TestTicketsAreBounded(t *testing.T) {
	_, draw, open := ticketWorld(t)
	first, second := draw(acmeToken), draw(acmeToken)
	other := draw(salesToken)
	for range 99 {
		draw(acmeToken)
	}
	if got := open("sales", first); got != 401 {
		t.Errorf("the first of 101: %d", got)
	}
	for _, ticket := range []string{second, other} {
		if got := open("sales", ticket); got != 101 {
			t.Errorf("the second of 101, or another token's: %d", got)
		}
	}
}
