package egress_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chasqui/chasqui/internal/webhook"
)

// BenchmarkPost sends bodies of 1 KB to a receiver in this process, one after
// the other, and compares with what package http does by itself. Most of both
// is the receiver and the kernel.
func BenchmarkPost(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	}))
	server.Listener = l
	server.Start()
	b.Cleanup(server.Close)
	body := []byte(`{"event":"` + strings.Repeat("x", 1010) + `"}`)
	header := map[string]string{
		"User-Agent": "chasqui", "webhook-id": "0197d0a2-6c1e-7b52-9a55-3f1f0c9e2d12", "webhook-attempt": "1",
		"webhook-timestamp": "1767323045", "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
	}
	b.Run("poster", func(b *testing.B) {
		p := poster(b)
		b.ReportAllocs()
		for b.Loop() {
			r := webhook.Request{URL: server.URL, Header: header, Size: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
			if _, err := p.Post(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		c := &http.Client{Transport: &http.Transport{}}
		defer c.CloseIdleConnections()
		b.ReportAllocs()
		for b.Loop() {
			if err := bare(b, c, server.URL, header, body); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// bare is a post as one writes it with package http.
func bare(b *testing.B, c *http.Client, url string, header map[string]string, body []byte) error {
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	answer, err := c.Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return err
}
