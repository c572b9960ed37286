package httpapi

import (
	"net/http"
	"net/url"
	"slices"
)

const (
	corsMethods = "GET, HEAD, POST, PUT, DELETE"
	corsHeaders = "Content-Type, Authorization, token, Idempotency-Key, X-Request-Id"
	corsExposed = "X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After"
)

// origins decides which web pages may call the API and open WebSockets.
type origins struct {
	allowed []string // exact, or "*"
	proxies proxies
	baseURL func() string
}

func (o origins) any() bool { return slices.Contains(o.allowed, "*") }

func (o origins) lists(origin string) bool { return slices.Contains(o.allowed, origin) }

// accepts applies the rule for WebSockets: no Origin, the server's own host, or
// one that is listed.
func (o origins) accepts(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || o.any() || o.lists(origin) {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	if sameHost(u, o.proxies.host(r)) {
		return true
	}
	base, err := url.Parse(o.baseURL())
	return err == nil && sameHost(u, base.Host)
}

// cors answers preflights and marks the answers that a listed page may read.
// Credentials are never allowed, since tokens travel in headers.
func (o origins) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin, h := r.Header.Get("Origin"), w.Header()
		if len(o.allowed) > 0 && !o.any() {
			h.Add("Vary", "Origin")
		}
		allowed := origin != "" && (o.any() || o.lists(origin))
		if allowed {
			h.Set("Access-Control-Allow-Origin", o.answer(origin))
			h.Set("Access-Control-Expose-Headers", corsExposed)
		}
		if r.Method != http.MethodOptions || origin == "" || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		if allowed {
			h.Set("Access-Control-Allow-Methods", corsMethods)
			h.Set("Access-Control-Allow-Headers", corsHeaders)
			h.Set("Access-Control-Max-Age", "600")
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

func (o origins) answer(origin string) string {
	if o.any() {
		return "*"
	}
	return origin
}
