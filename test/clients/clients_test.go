// Package clients_test connects WebSocket clients that nobody here wrote:
// Node's ws, Python's websockets and a page in Chromium. make clients installs
// them.
package clients_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/apptest"
)

// run starts a client program and returns its lines as they come.
func run(t *testing.T, env []string, name string, args ...string) <-chan string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make clients installs it)", err)
	}
	lines := make(chan string, 64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // most have ended by themselves
		for range lines {
		}
		<-done
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("standard error of %s:\n%s", name, &stderr)
		}
	})
	return lines
}

// next returns the next line that starts with prefix.
func next(t *testing.T, lines <-chan string, prefix string) string {
	t.Helper()
	timeout := time.After(apptest.Patience)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the client ended before it said %q", prefix)
			}
			if strings.HasPrefix(line, prefix) {
				return line
			}
		case <-timeout:
			t.Fatalf("the client never said %q", prefix)
		}
	}
}

// socketURL is the WebSocket address of an instance.
func socketURL(g *apptest.Gateway, name string) string {
	return "ws" + strings.TrimPrefix(g.URL("/ws/"+name), "http")
}

// provoke makes the instance say one instance.state connecting event.
func provoke(g *apptest.Gateway) { g.Must("GET", "/api/instance/connect/sales", nil) }

func TestNodeWS(t *testing.T) {
	g := apptest.Start(t)
	g.Create("sales", nil)
	env := []string{"URL=" + socketURL(g, "sales"), "TOKEN=" + apptest.Token, "COUNT=2"}
	lines := run(t, env, "node", "node.mjs")
	next(t, lines, "open")
	provoke(g)
	var got struct {
		Binary bool          `json:"binary"`
		Frame  apptest.Frame `json:"frame"`
	}
	if err := json.Unmarshal([]byte(next(t, lines, "{")), &got); err != nil {
		t.Fatal(err)
	}
	if got.Binary || got.Frame.Event != "instance.state" || got.Frame.Get("state") != "connecting" {
		t.Errorf("first frame: %+v", got)
	}
	if line := next(t, lines, "close"); line != "close 1000" {
		t.Errorf("closed with %q, want the client's own code echoed", line)
	}
}

func TestNodeWSIsRefusedWithoutToken(t *testing.T) {
	g := apptest.Start(t)
	g.Create("sales", nil)
	lines := run(t, []string{"URL=" + socketURL(g, "sales"), "TOKEN=wrong-token-of-nobody", "COUNT=1"}, "node", "node.mjs")
	if line := next(t, lines, "refused"); line != "refused 401" {
		t.Errorf("%q, want 401", line)
	}
}

func TestPythonWebsockets(t *testing.T) {
	g := apptest.Start(t)
	token := g.Create("sales", nil)
	env := []string{"URL=" + socketURL(g, "sales"), "TOKEN=" + token, "COUNT=1"}
	lines := run(t, env, "/usr/bin/python3", "python.py")
	next(t, lines, "pong")
	provoke(g)
	var f apptest.Frame
	if err := json.Unmarshal([]byte(next(t, lines, "{")), &f); err != nil || f.Event != "instance.state" {
		t.Errorf("frame %+v, error %v", f, err)
	}
	if line := next(t, lines, "close"); line != "close 1000" {
		t.Errorf("closed with %q", line)
	}
}

// browse opens the page in Chromium, connected to ws, and returns its reports.
func browse(t *testing.T, serve *httptest.Server, reports <-chan map[string]any, ws string) func(what string) map[string]any {
	t.Helper()
	page := serve.URL + "/page.html?ws=" + url.QueryEscape(ws)
	run(t, nil, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", page)
	return func(what string) map[string]any {
		t.Helper()
		select {
		case r := <-reports:
			if r["what"] != what {
				t.Fatalf("the page reported %v, want %s", r, what)
			}
			return r
		case <-time.After(60 * time.Second):
			t.Fatalf("the page never reported %s", what)
			return nil
		}
	}
}

// pages serves page.html and hands on what it reports.
func pages(t *testing.T) (*httptest.Server, <-chan map[string]any) {
	reports := make(chan map[string]any, 64)
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServer(http.Dir(".")))
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		var v map[string]any
		if err := json.NewDecoder(r.Body).Decode(&v); err == nil {
			reports <- v
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s, reports
}

// TestChromiumFromAnAllowedOrigin: a page of a listed origin connects with
// ?token= and receives text frames.
func TestChromiumFromAnAllowedOrigin(t *testing.T) {
	serve, reports := pages(t)
	g := apptest.Start(t, "--allowed-origins", serve.URL)
	g.Create("sales", nil)
	report := browse(t, serve, reports, socketURL(g, "sales")+"?token="+apptest.Token)
	report("open")
	provoke(g)
	if r := report("frame"); r["type"] != "string" || r["frame"].(map[string]any)["event"] != "instance.state" {
		t.Errorf("frame: %v", r)
	}
	g.Must("DELETE", "/api/instance/delete/sales", nil)
	for {
		r := <-reports
		if r["what"] == "frame" {
			continue
		}
		if r["what"] != "close" || r["code"] != 4404.0 {
			t.Errorf("%v, want close 4404", r)
		}
		return
	}
}

// TestChromiumWithATicket: a browser connects with a single-use ticket instead
// of a token.
func TestChromiumWithATicket(t *testing.T) {
	serve, reports := pages(t)
	g := apptest.Start(t, "--allowed-origins", serve.URL)
	g.Create("sales", nil)
	ticket := g.Must("POST", "/api/events/ticket/sales", nil)["ticket"].(string)
	report := browse(t, serve, reports, socketURL(g, "sales")+"?ticket="+ticket)
	report("open")
}

// TestChromiumFromAForeignOriginIsRefused: a page of an origin that is not
// listed never gets a connection (403 before the upgrade, which a page sees as
// 1006).
func TestChromiumFromAForeignOriginIsRefused(t *testing.T) {
	serve, reports := pages(t)
	g := apptest.Start(t)
	g.Create("sales", nil)
	report := browse(t, serve, reports, socketURL(g, "sales")+"?token="+apptest.Token)
	if r := report("close"); r["code"] != 1006.0 {
		t.Errorf("%v, want 1006", r)
	}
}
