package egress_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chasqui/chasqui/internal/egress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loopback is what sandbox and demo open by default.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// serve starts a server on loopback, and a client that may call it.
func serve(t *testing.T, handler http.HandlerFunc) (url string, c *egress.Client) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL, open(t, loopback)
}

func open(t *testing.T, allow []netip.Prefix) *egress.Client {
	t.Helper()
	c := egress.New(allow)
	t.Cleanup(c.Close)
	return c
}

// events.md: checked on the address that is really dialled, after DNS.
func TestANameThatResolvesToLoopbackIsRefusedWhenDialed(t *testing.T) {
	called := atomic.Bool{}
	url, _ := serve(t, func(http.ResponseWriter, *http.Request) { called.Store(true) })
	c := open(t, nil)
	for _, to := range []string{url, strings.Replace(url, "127.0.0.1", "localhost", 1)} {
		_, err := c.Get(t.Context(), to, 1, true)
		if !errors.Is(err, egress.ErrRefused) {
			t.Errorf("%s: %v, want it refused", to, err)
		}
	}
	if called.Load() {
		t.Error("the server was called")
	}
}

// events.md: the address rules hold on every hop.
func TestRedirectsAreCheckedAgain(t *testing.T) {
	tests := map[string]struct {
		to      string
		address bool // refused for its address, not for its form
	}{
		"another loopback address": {"http://127.0.0.2:1/", true},
		"metadata":                 {"http://169.254.169.254/latest/meta-data/", true},
		"a file":                   {"file:///etc/passwd", false},
		"credentials":              {"http://user:pass@example.com/", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, tt.to, http.StatusFound)
			})
			c := open(t, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
			_, err := c.Get(t.Context(), url, 100, true)
			if err == nil || errors.Is(err, egress.ErrRefused) != tt.address {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func TestErrorsDoNotRepeatTheURL(t *testing.T) {
	c := open(t, nil)
	_, err := c.Get(t.Context(), "http://127.0.0.1:1/?key=secret", 1, true)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("err = %v", err)
	}
}

func TestRedirectsAreLimitedToThree(t *testing.T) {
	for hops, want := range map[int]bool{3: true, 4: false} {
		url, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if n := len(r.URL.Path) - 1; n < hops {
				http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
			}
		})
		if _, err := c.Get(t.Context(), url+"/", 1, true); (err == nil) != want {
			t.Errorf("%d redirects: %v", hops, err)
		}
	}
}

func TestGetKeepsItsLimits(t *testing.T) {
	url, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/announced" {
			w.Header().Set("Content-Length", "1000")
		}
		for range 10 {
			fmt.Fprint(w, strings.Repeat("x", 100))
			w.(http.Flusher).Flush()
		}
	})
	for _, path := range []string{"/announced", "/chunked"} {
		if _, err := c.Get(t.Context(), url+path, 999, true); !errors.Is(err, egress.ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", path, err)
		}
		if page, err := c.Get(t.Context(), url+path, 1000, true); err != nil || len(page.Body) != 1000 {
			t.Errorf("%s at the limit: %d bytes, %v", path, len(page.Body), err)
		}
		if page, err := c.Get(t.Context(), url+path, 999, false); err != nil || len(page.Body) != 999 {
			t.Errorf("%s, cut: %d bytes, %v", path, len(page.Body), err)
		}
	}
}

func TestGetEndsWithItsContext(t *testing.T) {
	url, c := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, url, 1, true); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
}

func TestAnythingBut200IsAnError(t *testing.T) {
	url, c := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if _, err := c.Get(t.Context(), url, 1, true); err == nil {
		t.Error("no error")
	}
}

// A proxy of the environment would resolve names behind our back.
func TestTheEnvironmentsProxyIsNotUsed(t *testing.T) {
	if !underProxy(t) {
		return
	}
	c := open(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := c.Get(ctx, "http://192.0.2.1/", 1, true)
	if !errors.Is(err, egress.ErrRefused) || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("err = %v, want the address itself refused", err)
	}
}
