package wa_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/wa"
)

// liveEngine is a live engine that never connects.
func liveEngine(t *testing.T, opts wa.Options) *wa.Engine {
	t.Helper()
	opts.Logger = testLogger(t)
	e, err := wa.NewUnguarded(opts)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func get(t *testing.T, e *wa.Engine, proxyURL, target string) (string, error) {
	t.Helper()
	transport, err := wa.Transport(e, proxyURL)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: transport, Timeout: patience}
	defer client.CloseIdleConnections()
	resp, err := client.Get(target)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestHTTPProxyIsUsed(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := parseProxyAuth(r)
		_, _ = io.WriteString(w, "via proxy for "+r.URL.Host+" as "+user+":"+pass)
	}))
	defer proxy.Close()
	address := strings.Replace(proxy.URL, "http://", "http://ana:secret@", 1)
	body, err := get(t, liveEngine(t, wa.Options{}), address, "http://web.whatsapp.example/")
	if err != nil || body != "via proxy for web.whatsapp.example as ana:secret" {
		t.Errorf("body = %q, %v", body, err)
	}
}

func parseProxyAuth(r *http.Request) (user, pass string, ok bool) {
	r2 := &http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	return r2.BasicAuth()
}

func TestSOCKS5ProxyIsUsed(t *testing.T) {
	var hosts atomic.Value
	address := socksServer(t, func(host string) { hosts.Store(host) })
	body, err := get(t, liveEngine(t, wa.Options{}), "socks5://"+address, "http://web.whatsapp.example/")
	if err != nil || body != "socks" {
		t.Errorf("body = %q, %v", body, err)
	}
	if got := hosts.Load(); got != "web.whatsapp.example" {
		t.Errorf("the proxy was asked for %v, want the name unresolved", got)
	}
}

// socksServer accepts SOCKS5 connections and answers every HTTP request itself.
func socksServer(t *testing.T, onHost func(string)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = listener.Close(); <-done })
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		greeting := make([]byte, 3)
		_, _ = io.ReadFull(conn, greeting)
		_, _ = conn.Write([]byte{5, 0})
		head := make([]byte, 5)
		_, _ = io.ReadFull(conn, head)
		host := make([]byte, int(head[4])+2)
		_, _ = io.ReadFull(conn, host)
		onHost(string(host[:len(host)-2]))
		_, _ = conn.Write([]byte{5, 0, 0, 1, 127, 0, 0, 1, 0, 80})
		buf := make([]byte, 4096)
		_, _ = conn.Read(buf)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsocks")
	}()
	return listener.Addr().String()
}

// An unreachable proxy never becomes a direct connection.
func TestAFailingProxyIsNeverBypassed(t *testing.T) {
	var direct atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { direct.Add(1) }))
	defer target.Close()
	dead := deadAddress(t)
	for _, scheme := range []string{"http", "https", "socks5"} {
		if _, err := get(t, liveEngine(t, wa.Options{}), scheme+"://"+dead, target.URL); err == nil {
			t.Errorf("%s: the request succeeded", scheme)
		}
	}
	if direct.Load() != 0 {
		t.Error("a request went past its proxy")
	}
}

func deadAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestMalformedProxiesDoNotLeakTheirPassword(t *testing.T) {
	e := liveEngine(t, wa.Options{})
	for _, address := range []string{"http://ana:s3cret@ho st:1", "ftp://ana:s3cret@host:1", "http://", "://ana:s3cret"} {
		_, err := wa.Transport(e, address)
		if err == nil {
			t.Errorf("%q was taken", address)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("error shows the password: %v", err)
		}
	}
}

func TestVersionIsRefreshed(t *testing.T) {
	e := liveEngine(t, wa.Options{})
	asked := make(chan struct{}, 8)
	keeper := wa.NewVersionKeeper(e, wa.KeeperOptions{HTTPClient: page(`{"client_revision":2999999999,"x":1}`, asked)})
	if err := keeper.Stop(t.Context()); err != nil {
		t.Fatalf("Stop before Start: %v", err)
	}
	for range 2 {
		if err := keeper.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	poll(t, "the newer version", func() bool { return e.WebVersion() == "2.3000.2999999999" })
	for range 2 {
		if err := keeper.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAVersionThatCannotBeReadIsKept(t *testing.T) {
	for name, body := range map[string]string{"nonsense": "no number here", "older": `{"client_revision":1,"x":1}`} {
		e := liveEngine(t, wa.Options{})
		before := e.WebVersion()
		asked := make(chan struct{}, 8)
		keeper := wa.NewVersionKeeper(e, wa.KeeperOptions{HTTPClient: page(body, asked)})
		if err := keeper.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-asked
		if err := keeper.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := e.WebVersion(); got != before {
			t.Errorf("%s: version = %s, want %s", name, got, before)
		}
	}
}

func TestAPinnedVersionIsNotRefreshed(t *testing.T) {
	e := liveEngine(t, wa.Options{Version: "2.3000.5"})
	failing := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("asked for a version that is pinned")
		return nil, errors.New("unused")
	})}
	keeper := wa.NewVersionKeeper(e, wa.KeeperOptions{HTTPClient: failing})
	if err := keeper.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := keeper.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := e.WebVersion(); got != "2.3000.5" {
		t.Errorf("version = %s", got)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// page answers every request with the body.
func page(body string, asked chan<- struct{}) *http.Client {
	return &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		asked <- struct{}{}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}, nil
	})}
}
