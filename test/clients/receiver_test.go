package clients_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/internal/egress"
	"github.com/chasqui/chasqui/internal/webhook"
)

const (
	secret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	another = "whsec_Zm9ydHktdHdvIGlzIHRoZSBhbnN3ZXIgdG8gYWxs"
)

// signed is a delivery as the gateway signs it.
func signed(t *testing.T, url, id string, at time.Time, body string, secrets ...string) webhook.Request {
	t.Helper()
	signature, err := webhook.Sign(secrets, id, at, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return webhook.Request{
		URL: url, Size: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		Header: map[string]string{
			webhook.HeaderID: id, webhook.HeaderSignature: signature,
			webhook.HeaderTimestamp: strconv.FormatInt(at.Unix(), 10),
		},
	}
}

// post sends once the receiver listens.
func post(t *testing.T, p *egress.Poster, r func() webhook.Request) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), apptest.Patience)
	defer cancel()
	for {
		answer, err := p.Post(ctx, r())
		if err == nil {
			return answer.Status
		}
		if ctx.Err() != nil {
			t.Fatalf("%v (%v)", err, errors.Unwrap(err))
		}
		<-time.After(20 * time.Millisecond) // between polls
	}
}

// breakOff begins a delivery and ends the connection, as a gateway that crashes.
func breakOff(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTheReceiverOfTheDocuments: the program runs, and takes from the gateway's
// signer and sender what is signed with its secret, and nothing else.
func TestTheReceiverOfTheDocuments(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	lines := run(t, []string{"SECRET=" + secret, "PORT=" + port}, "node", "receiver.mjs")
	c := egress.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	p := egress.NewPoster(c)
	t.Cleanup(func() { p.Close(); c.Close() })
	url := "http://127.0.0.1:" + port + "/wh"
	body := `{"event":"message.exchange","data":{"text":"olá"}}`
	now := time.Now()
	forged := signed(t, url, "forged", now, body, secret)
	forged.Body, forged.Size = io.NopCloser(strings.NewReader(`{"event":"forged"}`)), 18
	unsigned := signed(t, url, "unsigned", now, body, secret)
	delete(unsigned.Header, webhook.HeaderSignature)
	latin := signed(t, url, "latin", now, body, secret)
	latin.Header[webhook.HeaderSignature] = "v1," + strings.Repeat("\xe9", 44)
	timeless := signed(t, url, "timeless", now, body, secret)
	delete(timeless.Header, webhook.HeaderTimestamp)
	post(t, p, func() webhook.Request { return signed(t, url, "first", now, body, another) })
	breakOff(t, l.Addr().String())
	for name, tt := range map[string]struct {
		request webhook.Request
		want    int
	}{
		"signed":          {signed(t, url, "id-1", now, body, secret), http.StatusNoContent},
		"during a change": {signed(t, url, "id-2", now, body, another, secret), http.StatusNoContent},
		"another secret":  {signed(t, url, "id-3", now, body, another), http.StatusUnauthorized},
		"old":             {signed(t, url, "id-4", now.Add(-time.Hour), body, secret), http.StatusUnauthorized},
		"another body":    {forged, http.StatusUnauthorized},
		"unsigned":        {unsigned, http.StatusUnauthorized},
		"no base64":       {latin, http.StatusUnauthorized},
		"without time":    {timeless, http.StatusUnauthorized},
	} {
		content, err := io.ReadAll(tt.request.Body)
		if err != nil {
			t.Fatal(err)
		}
		got := post(t, p, func() webhook.Request {
			tt.request.Body = io.NopCloser(strings.NewReader(string(content)))
			return tt.request
		})
		if got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
		if got == http.StatusNoContent {
			if line := next(t, lines, tt.request.Header[webhook.HeaderID]); !strings.HasSuffix(line, " message.exchange") {
				t.Errorf("%s: it printed %q", name, line)
			}
		}
	}
}

// TestThePagesShowThisReceiver: what is shown is what is tested.
func TestThePagesShowThisReceiver(t *testing.T) {
	program, err := os.ReadFile("receiver.mjs")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, page := range []string{"README.md", "docs/operations.md"} {
		text, err := os.ReadFile(filepath.Join("../..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```js\n(.*?)```").FindAllSubmatch(text, -1) {
			if !bytes.Contains(block[1], []byte("createHmac")) {
				continue
			}
			if shown++; !bytes.Equal(block[1], program) {
				t.Errorf("%s shows another receiver than receiver.mjs", page)
			}
		}
	}
	if shown == 0 {
		t.Error("no page shows a receiver")
	}
}
