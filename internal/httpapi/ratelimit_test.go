package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chasqui/chasqui/internal/httpapi"
)

const tooMany = `{"success":false,"error":{"message":"Rate limit exceeded. Try again later."}}` + "\n"

// spend makes n requests and checks that all answer status.
func spend(t *testing.T, h http.Handler, n, status int, method, target, body string, headers ...string) {
	t.Helper()
	for i := range n {
		if rec := do(t, h, request(method, target, body, headers...)); rec.Code != status {
			t.Fatalf("request %d of %d to %s: %d, want %d; %s", i+1, n, target, rec.Code, status, rec.Body)
		}
	}
}

// TestRateLimitPerToken proves rest.md 1.5: 100 a minute, a window that begins
// with the first request and lasts 60 s, and the headers.
func TestRateLimitPerToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newWorld().api(t, httpapi.Options{})
		time.Sleep(17 * time.Second) // windows do not begin with the clock's minute
		begin := time.Now()
		spend(t, h, 1, 200, "GET", "/api/instance/list", "", "token: "+acmeToken)
		time.Sleep(20 * time.Second)
		spend(t, h, 98, 200, "GET", "/api/instance/list", "", "token: "+acmeToken)
		rec := do(t, h, request("GET", "/api/instance/list", "", "token: "+acmeToken))
		wantHeaders(t, rec.Header(), "100", "0", begin.Add(time.Minute), "")

		rec = do(t, h, request("GET", "/api/instance/list", "", "token: "+acmeToken))
		if rec.Code != 429 || rec.Body.String() != tooMany {
			t.Fatalf("request 101: %d %s", rec.Code, rec.Body)
		}
		wantHeaders(t, rec.Header(), "100", "0", begin.Add(time.Minute), "40")

		time.Sleep(40*time.Second - time.Millisecond)
		spend(t, h, 1, 429, "GET", "/api/instance/list", "", "token: "+acmeToken)
		time.Sleep(time.Millisecond)
		rec = do(t, h, request("GET", "/api/instance/list", "", "token: "+acmeToken))
		if rec.Code != 200 {
			t.Fatalf("next window: %d", rec.Code)
		}
		wantHeaders(t, rec.Header(), "100", "99", begin.Add(2*time.Minute), "")
	})
}

func wantHeaders(t *testing.T, h http.Header, limit, remaining string, reset time.Time, retry string) {
	t.Helper()
	for name, want := range map[string]string{
		"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": remaining,
		"X-RateLimit-Reset": strconv.FormatInt(reset.Unix(), 10), "Retry-After": retry,
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestRateLimitUnderConcurrency: however many come at once, exactly as many as
// the limit pass.
func TestRateLimitUnderConcurrency(t *testing.T) {
	h := newWorld().api(t, httpapi.Options{})
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, request("POST", "/api/events/ticket/sales", "", "token: "+salesToken))
				if rec.Code == 200 {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() != 100 {
		t.Errorf("%d of 160 passed, want 100", passed.Load())
	}
}

// TestRateLimitTokensNeverShare: two tokens of one account have their own.
func TestRateLimitTokensNeverShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newWorld().api(t, httpapi.Options{})
		spend(t, h, 100, 200, "GET", "/api/instance/list", "", "token: "+acmeToken)
		spend(t, h, 1, 429, "GET", "/api/instance/list", "", "token: "+acmeToken)
		for _, token := range []string{salesToken, supportToken, rivalToken} {
			spend(t, h, 100, 200, "GET", "/api/instance/list", "", "token: "+token)
		}
	})
}

// TestRateLimitNew: instance/new has a bucket of 20 of its own.
func TestRateLimitNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newWorld().api(t, httpapi.Options{})
		spend(t, h, 100, 200, "GET", "/api/instance/list", "", "token: "+acmeToken)
		spend(t, h, 20, 400, "POST", "/api/instance/new", "{}", "token: "+acmeToken)
		rec := do(t, h, request("POST", "/api/instance/new", "{}", "token: "+acmeToken))
		if rec.Code != 429 || rec.Header().Get("X-RateLimit-Limit") != "20" {
			t.Errorf("create 21: %d, limit %s", rec.Code, rec.Header().Get("X-RateLimit-Limit"))
		}
		spend(t, h, 20, 400, "POST", "/api/instance/new", "{}", "token: "+rivalToken)
	})
}

// TestRateLimitPerAddress: without a valid token 401 for the first 100, then
// 429; valid tokens from that address and other addresses are not affected.
func TestRateLimitPerAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newWorld().api(t, httpapi.Options{Docs: true})
		spend(t, h, 40, 401, "GET", "/api/account", "", "token: wrong-token-00001")
		spend(t, h, 20, 401, "GET", "/api/account", "")
		spend(t, h, 20, 401, "GET", "/api/account", "", "token: "+salesToken) // not for this path
		spend(t, h, 10, 200, "GET", "/docs", "")
		spend(t, h, 5, 404, "GET", "/api/nothing", "")
		spend(t, h, 5, 405, "PUT", "/api/account", "")
		rec := do(t, h, request("POST", "/api/instance/new", "{}", "token: wrong-token-00001"))
		if rec.Code != 429 || rec.Body.String() != tooMany || rec.Header().Get("Retry-After") != "60" {
			t.Errorf("request 101: %d %v %s", rec.Code, rec.Header(), rec.Body)
		}
		spend(t, h, 1, 429, "GET", "/openapi.json", "")
		spend(t, h, 1, 429, "GET", "/api/events/schema", "")
		spend(t, h, 1, 429, "GET", "/api/nothing", "")
		spend(t, h, 1, 200, "GET", "/api/account", "", "token: "+acmeToken)
		spend(t, h, 1, 404, "GET", "/api/nothing", "", "token: "+acmeToken)

		other := request("GET", "/api/account", "")
		other.RemoteAddr = "198.51.100.9:4000"
		if rec := do(t, h, other); rec.Code != 401 {
			t.Errorf("another address: %d", rec.Code)
		}
	})
}

// TestRateLimitExemptions: health, ready and metrics are never counted.
func TestRateLimitExemptions(t *testing.T) {
	one := 1
	h := newWorld().api(t, httpapi.Options{RateLimits: httpapi.Limits{Address: &one}})
	for _, target := range []string{"/health", "/ready"} {
		spend(t, h, 3, 200, "GET", target, "")
	}
	spend(t, h, 1, 401, "GET", "/api/account", "")
	spend(t, h, 1, 429, "GET", "/api/account", "")
}

// TestRateLimitOff proves the rules for 0 in rest.md 1.5.
func TestRateLimitOff(t *testing.T) {
	zero, two := 0, 2
	for _, tt := range []struct {
		name                string
		limits              httpapi.Limits
		token, new, address string // X-RateLimit-Limit, empty: off
	}{
		{"defaults", httpapi.Limits{}, "100", "20", "100"},
		{"token 0 turns all off", httpapi.Limits{Token: &zero}, "", "", ""},
		{"unless they are given", httpapi.Limits{Token: &zero, New: &two, Address: &two}, "", "2", "2"},
		{"new 0 turns off new alone", httpapi.Limits{New: &zero}, "100", "", "100"},
		{"address 0 turns off address alone", httpapi.Limits{Address: &zero}, "100", "20", ""},
		{"own figures", httpapi.Limits{Token: &two}, "2", "20", "100"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newWorld().api(t, httpapi.Options{RateLimits: tt.limits})
			for _, probe := range []struct{ method, target, token, want string }{
				{"GET", "/api/account", acmeToken, tt.token},
				{"POST", "/api/instance/new", acmeToken, tt.new},
				{"GET", "/api/account", "wrong-token-00001", tt.address},
			} {
				rec := do(t, h, request(probe.method, probe.target, "{}", "token: "+probe.token))
				if got := rec.Header().Get("X-RateLimit-Limit"); got != probe.want {
					t.Errorf("%s %s: limit %q, want %q", probe.method, probe.target, got, probe.want)
				}
			}
		})
	}
}

// TestTrustedProxies proves that forwarded headers count only from trusted
// proxies, and that the nearest address that is no proxy is the caller.
func TestTrustedProxies(t *testing.T) {
	const peer = "192.0.2.1" // of httptest
	trusted := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("10.0.0.0/8")}
	for _, tt := range []struct {
		name      string
		trusted   []netip.Prefix
		forwarded []string
		want      string
	}{
		{"no proxy configured", nil, []string{"203.0.113.7"}, peer},
		{"one hop", trusted, []string{"203.0.113.7"}, "203.0.113.7"},
		{"the caller's own entry is not believed", trusted, []string{"1.1.1.1, 203.0.113.7"}, "203.0.113.7"},
		{"two proxies", trusted, []string{"203.0.113.7, 10.1.1.1"}, "203.0.113.7"},
		{"two header lines", trusted, []string{"203.0.113.7", "10.1.1.1"}, "203.0.113.7"},
		{"with ports", trusted, []string{"203.0.113.7:4711"}, "203.0.113.7"},
		{"IPv6", trusted, []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"mapped IPv4", trusted, []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		{"rubbish ends the walk", trusted, []string{"203.0.113.7, nonsense, 10.1.1.1"}, "10.1.1.1"},
		{"none", trusted, nil, peer},
		{"only proxies", trusted, []string{"10.2.2.2"}, "10.2.2.2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			givens["websocket of sales"](w)
			headers := append(upgrade(), "token: "+salesToken)
			for _, f := range tt.forwarded {
				headers = append(headers, "X-Forwarded-For: "+f)
			}
			do(t, w.api(t, httpapi.Options{TrustedProxies: tt.trusted}), request("GET", "/ws/sales", "", headers...))
			if len(w.owners) != 1 || w.owners[0].RemoteAddress != tt.want {
				t.Errorf("owners %+v, want the address %s", w.owners, tt.want)
			}
		})
	}
}

// TestRateLimitBehindProxies: callers behind a trusted proxy have buckets of
// their own; a caller cannot give itself a new one with the header.
func TestRateLimitBehindProxies(t *testing.T) {
	one := 1
	for _, tt := range []struct {
		trusted []netip.Prefix
		second  int // status of the first request that claims another address
	}{
		{[]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, 401},
		{nil, 429},
	} {
		h := newWorld().api(t, httpapi.Options{RateLimits: httpapi.Limits{Address: &one}, TrustedProxies: tt.trusted})
		spend(t, h, 1, 401, "GET", "/api/account", "", "X-Forwarded-For: 203.0.113.7")
		spend(t, h, 1, 429, "GET", "/api/account", "", "X-Forwarded-For: 203.0.113.7")
		spend(t, h, 1, tt.second, "GET", "/api/account", "", "X-Forwarded-For: 203.0.113.8")
	}
}

// TestRateLimitMemoryIsBounded floods the limiter with addresses and looks for
// the first one's window: it must have been forgotten.
func TestRateLimitMemoryIsBounded(t *testing.T) {
	one := 1
	h := newWorld().api(t, httpapi.Options{RateLimits: httpapi.Limits{Address: &one}})
	from := func(address string) int {
		r := request("GET", "/api/events/schema", "")
		r.RemoteAddr = address
		return do(t, h, r).Code
	}
	if from("198.51.100.1:1") != 200 || from("198.51.100.1:1") != 429 {
		t.Fatal("the limit of 1 is not in force")
	}
	for i := range 1 << 16 {
		from(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))
	}
	if from("198.51.100.1:1") != 200 {
		t.Error("the oldest of 65,537 windows is still remembered")
	}
}
