package egress_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/egress"
)

// events.md 5: what the delivery log says of an attempt without an answer, each
// case through a real socket.
func TestWhatAnAttemptWithoutAnAnswerSays(t *testing.T) {
	head := func(c *peer) { _, _ = http.ReadRequest(bufio.NewReader(c)) }
	say := func(text string) func(*peer) {
		return func(c *peer) { head(c); _, _ = io.WriteString(c, text) }
	}
	for name, tt := range map[string]struct {
		serve func(*peer)
		want  string
	}{
		"never answers":         {func(c *peer) { <-c.gone }, "timeout"},
		"stalls in the head":    {func(c *peer) { say("HTTP/1.1 200 OK\r\nX: ")(c); <-c.gone }, "timeout"},
		"stalls in the body":    {func(c *peer) { say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")(c); <-c.gone }, "timeout"},
		"closes without answer": {head, "connection closed without an answer"},
		"closes unread":         {func(*peer) {}, "connection "}, // reset or closed: the kernel's choice
		"resets":                {func(c *peer) { head(c); c.reset() }, "connection reset"},
		"closes in the head":    {say("HTTP/1.1 200 OK\r\nX: y"), "connection closed within the answer"},
		"closes in the body":    {say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"), "connection closed within the answer"},
		"closes in a chunk":     {say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab"), "connection closed within the answer"},
		"garbage":               {say("\x00\x01\x02 hello\r\n\r\n"), "not an HTTP answer"},
		"another protocol":      {say("220 mail.example.com ESMTP\r\n"), "not an HTTP answer"},
		"a bad status":          {say("HTTP/1.1 2x0 OK\r\n\r\n"), "not an HTTP answer"},
		"a bad header":          {say("HTTP/1.1 200 OK\r\nno header\r\n\r\n"), "not an HTTP answer"},
		"a bad length":          {say("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"), "not an HTTP answer"},
		"endless interim":       {say(strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat("x", 20<<10)+"\r\n\r\n", 20)), "answer headers too large"},
		"endless headers":       {say("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 100_000)), "answer headers too large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := listen(t, tt.serve)
			_, err := hurry(t, poster(t), url+"/path?key=secret")
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// hurry posts with a short timeout.
func hurry(t *testing.T, p *egress.Poster, url string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	answer, err := p.Post(ctx, request(url, `{"event":"x"}`))
	if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "127.0.0.1")) {
		t.Errorf("the error repeats the URL: %v", err)
	}
	return string(answer.Answer), err
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if _, err := hurry(t, poster(t), "http://"+l.Addr().String()+"/?key=secret"); err == nil || err.Error() != "connection refused" {
		t.Errorf("%v", err)
	}
}

// A worker that takes an attempt back is told so by the error it gave.
func TestAPostEndsWithItsContext(t *testing.T) {
	url := listen(t, func(c *peer) { <-c.gone })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := poster(t).Post(ctx, request(url, "{}"))
	if !errors.Is(err, context.Canceled) || err.Error() != "stopped" {
		t.Errorf("%v", err)
	}
}

// certificate makes one for 127.0.0.1 or another name, signed by itself.
func certificate(t *testing.T, from, until time.Time, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestWhatABadCertificateSays(t *testing.T) {
	now := time.Now()
	hour := time.Hour
	for name, tt := range map[string]struct {
		cert  tls.Certificate
		trust bool
		want  string
	}{
		"good":        {certificate(t, now.Add(-hour), now.Add(hour), "127.0.0.1"), true, ""},
		"expired":     {certificate(t, now.Add(-2*hour), now.Add(-hour), "127.0.0.1"), true, "TLS: certificate has expired"},
		"early":       {certificate(t, now.Add(hour), now.Add(2*hour), "127.0.0.1"), true, "TLS: certificate is not valid yet"},
		"other host":  {certificate(t, now.Add(-hour), now.Add(hour), "other.example"), true, "TLS: certificate is for another host"},
		"self-signed": {certificate(t, now.Add(-hour), now.Add(hour), "127.0.0.1"), false, "TLS: certificate is from an unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
			server.TLS = &tls.Config{Certificates: []tls.Certificate{tt.cert}}
			quiet(server)
			server.StartTLS()
			t.Cleanup(server.Close)
			p := poster(t)
			if tt.trust {
				egress.Trust(p, tt.cert.Leaf)
			}
			if answer, err := hurry(t, p, server.URL); tt.want == "" {
				if err != nil || answer != "ok" {
					t.Errorf("%q, %v", answer, err)
				}
			} else if err == nil || err.Error() != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// TLS that is none, or that does not come about.
func TestWhatABadHandshakeSays(t *testing.T) {
	plain, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	quiet(old)
	old.StartTLS()
	t.Cleanup(old.Close)
	for name, tt := range map[string]struct{ url, want string }{
		"plain HTTP": {plain, "TLS: the server does not speak it"},
		"mail":       {listen(t, func(c *peer) { _, _ = io.WriteString(c, "220 mail ESMTP\r\n"); <-c.gone }), "TLS: the server does not speak it"},
		"too old":    {old.URL, "TLS: handshake failed"},
		"closes":     {listen(t, func(c *peer) { _, _ = c.Read(make([]byte, 9999)) }), "connection closed without an answer"},
		"stalls":     {listen(t, func(c *peer) { <-c.gone }), "timeout"},
	} {
		_, err := hurry(t, poster(t), strings.Replace(tt.url, "http:", "https:", 1))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

// quiet keeps a server's complaints about failed handshakes out of the test.
func quiet(s *httptest.Server) { s.Config.ErrorLog = discard }
