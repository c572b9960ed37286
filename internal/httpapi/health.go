package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/chasqui/chasqui/internal/fault"
)

// checkTimeout bounds how long a health check waits for the database.
const checkTimeout = 5 * time.Second

// operatorRoutes are for load balancers and monitoring: no token of an account,
// no rate limit, and they answer while the server drains.
func (a *api) operatorRoutes() {
	const tag = "Operation"
	for _, route := range []struct {
		path, summary string
		answer        reflect.Type
		serve         http.HandlerFunc
	}{
		{"/health", "How the process is doing", reflect.TypeFor[HealthAnswer](), a.serveHealth},
		{"/ready", "Whether requests may be sent here", reflect.TypeFor[ReadyAnswer](), a.serveReady},
		{"/metrics", "Prometheus text, for the operator", reflect.TypeFor[none](), a.serveMetrics},
	} {
		op := &operation{method: http.MethodGet, path: route.path, tag: tag, summary: route.summary}
		a.describe(op, reflect.TypeFor[none](), route.answer)
		a.handle(op, route.path, route.serve)
	}
}

// HealthAnswer is the answer of GET /health.
type HealthAnswer struct {
	Status    string            `json:"status" enum:"ok,degraded"`
	Service   string            `json:"service"`
	Uptime    string            `json:"uptime"`
	Timestamp time.Time         `json:"timestamp"`
	Checks    map[string]string `json:"checks" doc:"ok, or fail: and why"`
}

func (a *api) serveHealth(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	answer := HealthAnswer{
		Status: "ok", Service: "chasqui",
		Uptime:    now.Sub(a.started).Truncate(time.Second).String(),
		Timestamp: stamp(now), Checks: map[string]string{"db": "ok"},
	}
	status := http.StatusOK
	if err := a.checkDatabase(r.Context()); err != nil {
		answer.Status, status = "degraded", http.StatusServiceUnavailable
		answer.Checks["db"] = "fail: " + shownReason(err)
	}
	a.write(w, r, status, answer)
}

// checkDatabase logs a failure, since the answer does not show its text.
func (a *api) checkDatabase(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := a.Health.Database(ctx)
	if err != nil {
		a.log.WarnContext(ctx, "database check failed", slog.Any("error", err), requestAttr(ctx))
	}
	return err
}

// shownReason is what strangers may know of a failed check.
func shownReason(err error) string {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return f.Message
	case errors.Is(err, context.DeadlineExceeded):
		return "timed out"
	}
	return "not available"
}

// ReadyAnswer is the answer of GET /ready.
type ReadyAnswer struct {
	Ready  bool    `json:"ready"`
	Reason *string `json:"reason" enum:"starting,draining,database"`
}

func (a *api) serveReady(w http.ResponseWriter, r *http.Request) {
	reason := ""
	switch {
	case a.Health.Draining():
		reason = "draining"
	case a.Health.Starting():
		reason = "starting"
	case a.checkDatabase(r.Context()) != nil:
		reason = "database"
	}
	if reason != "" {
		a.write(w, r, http.StatusServiceUnavailable, ReadyAnswer{Reason: &reason})
		return
	}
	a.write(w, r, http.StatusOK, ReadyAnswer{Ready: true})
}

// serveMetrics answers holders of the metrics token or, where none is set,
// peers on this machine that came without a proxy. To others it does not exist.
func (a *api) serveMetrics(w http.ResponseWriter, r *http.Request) {
	switch {
	case a.opts.MetricsToken != "" && !sameSecret(bearer(r), a.opts.MetricsToken):
		a.fail(w, r, fault.InvalidToken(), "")
	case a.opts.MetricsToken == "" && !direct(r):
		a.fail(w, r, notFound(), "")
	case a.Metrics == nil:
		send(w, http.StatusOK, "text/plain; version=0.0.4; charset=utf-8", nil)
	default:
		a.Metrics.ServeHTTP(w, r)
	}
}

// sameSecret compares in a time that tells nothing, lengths included.
func sameSecret(given, want string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// direct reports whether the request comes from this machine and through no
// proxy.
func direct(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "Via"} {
		if len(r.Header.Values(name)) > 0 {
			return false
		}
	}
	return peer(r).IsLoopback()
}

// serveSandbox lets callers with an account token in; the handler finds them
// with PrincipalFrom.
func (a *api) serveSandbox(w http.ResponseWriter, r *http.Request) {
	op := operation{auth: authAccount, unlimited: true}
	c, err := a.admit(w, r, &op)
	if err != nil {
		a.fail(w, r, err, fault.MsgInternal)
		return
	}
	ctx := context.WithValue(r.Context(), principalKey{}, c.principal)
	a.Sandbox.ServeHTTP(w, r.WithContext(ctx))
}
