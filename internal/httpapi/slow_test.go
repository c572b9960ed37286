package httpapi_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chasqui/chasqui/internal/httpapi"
)

// pipeListener hands one end of a pipe to a server.
type pipeListener struct{ conns chan net.Conn }

func (l pipeListener) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l pipeListener) Close() error   { return nil }
func (l pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// serve runs h for one connection and returns the caller's end. The server is
// gone when the test ends.
func serve(t *testing.T, h http.Handler) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	l := pipeListener{conns: make(chan net.Conn, 1)}
	l.conns <- theirs
	server, done := &http.Server{Handler: h}, make(chan error)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = ours.Close()
		close(l.conns)
		<-done
		_ = server.Close()
	})
	return ours
}

// exchangeOver sends raw bytes and returns the status of the answer and how long
// it took.
func exchangeOver(t *testing.T, conn net.Conn, raw string) (status int, took time.Duration) {
	t.Helper()
	begin := time.Now()
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode, time.Since(begin)
}

// TestSlowBodyIsGivenUp: a caller that stops in the middle of a body holds its
// place for a minute, not for ever, whether somebody reads the body or not.
func TestSlowBodyIsGivenUp(t *testing.T) {
	for _, tt := range []struct {
		target, token string
		status        int
	}{
		{setTarget, salesToken, 400},
		{setTarget, "wrong-token-00001", 401},
		{"/api/instance/reconnect/sales", salesToken, 200},
		{"/api/nothing", salesToken, 404},
	} {
		synctest.Test(t, func(t *testing.T) {
			conn := serve(t, newWorld().api(t, httpapi.Options{}))
			status, took := exchangeOver(t, conn, "POST "+tt.target+" HTTP/1.1\r\nHost: gw\r\ntoken: "+tt.token+
				"\r\nContent-Length: 16\r\n\r\n{\"enabled\"")
			if status != tt.status || took != time.Minute {
				t.Errorf("%s with %s: %d after %v, want %d after a minute", tt.target, tt.token, status, took, tt.status)
			}
		})
	}
}

// TestBodyLimitEndsWithTheBody: the minute is for reading, a handler may take
// longer, and its context lives as long.
func TestBodyLimitEndsWithTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deps := newWorld().deps()
		deps.Sandbox = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if string(body) != "{}" || err != nil {
				t.Errorf("body %q, %v", body, err)
			}
			select {
			case <-time.After(90 * time.Second):
			case <-r.Context().Done():
				t.Error("the request was cancelled")
			}
			w.WriteHeader(http.StatusNoContent)
		})
		h, err := httpapi.New(deps, httpapi.Options{})
		if err != nil {
			t.Fatal(err)
		}
		status, took := exchangeOver(t, serve(t, h), "POST /sandbox/load HTTP/1.1\r\nHost: gw\r\ntoken: "+
			acmeToken+"\r\nContent-Length: 2\r\n\r\n{}")
		if status != http.StatusNoContent || took != 90*time.Second {
			t.Errorf("%d after %v", status, took)
		}
	})
}
