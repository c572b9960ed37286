package apptest

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Front stands between a gateway and its network, for tests that hold files
// back. Everything else passes through, WhatsApp's connection too.
type Front struct {
	url  string
	gets atomic.Int64

	mu   sync.Mutex // guards held
	held chan struct{}
}

// NewFront opens a front before the network. It ends with the test.
func NewFront(t testing.TB, network string) *Front {
	t.Helper()
	target, err := url.Parse(network)
	if err != nil {
		t.Fatal(err)
	}
	f := &Front{}
	pass := httputil.NewSingleHostReverseProxy(target)
	pass.ErrorLog = slog.NewLogLogger(logger(t).Handler(), slog.LevelDebug) // requests end with the gateway
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v/") {
			f.gets.Add(1)
			f.wait(r)
		}
		pass.ServeHTTP(w, r)
	}))
	f.url = srv.URL
	t.Cleanup(func() {
		f.Release()
		srv.CloseClientConnections()
		srv.Close()
	})
	return f
}

// URL is where a gateway finds the network, behind the front.
func (f *Front) URL() string { return f.url }

// Hold lets no file through until Release.
func (f *Front) Hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held == nil {
		f.held = make(chan struct{})
	}
}

// Release lets through what Hold kept, and everything from now on.
func (f *Front) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held != nil {
		close(f.held)
		f.held = nil
	}
}

// Downloads is how many files the gateway has asked for.
func (f *Front) Downloads() int { return int(f.gets.Load()) }

func (f *Front) wait(r *http.Request) {
	f.mu.Lock()
	held := f.held
	f.mu.Unlock()
	if held == nil {
		return
	}
	select {
	case <-held:
	case <-r.Context().Done():
	}
}
