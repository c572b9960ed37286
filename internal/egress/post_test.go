package egress_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/egress"
	"github.com/chasqui/chasqui/internal/webhook"
)

// patience is longer than anything here may take.
const patience = 10 * time.Second

// poster returns one that may call loopback.
func poster(t testing.TB) *egress.Poster {
	t.Helper()
	c := egress.New(loopback)
	p := egress.NewPoster(c)
	t.Cleanup(func() { p.Close(); c.Close() })
	return p
}

// closing is a body that says when it was closed.
type closing struct {
	io.Reader
	closed atomic.Bool
}

func (c *closing) Close() error { c.closed.Store(true); return nil }

func request(url, body string) webhook.Request {
	return webhook.Request{URL: url, Size: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
}

func post(t testing.TB, p *egress.Poster, r webhook.Request) (webhook.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return p.Post(ctx, r)
}

// events.md 5: POST, Content-Type: application/json, the body byte for byte,
// with its length; and nothing that the receiver has not been promised.
func TestAPostCarriesWhatWasPromised(t *testing.T) {
	type seen struct {
		method, proto, uri, body string
		length                   int64
		header                   http.Header
	}
	var got seen
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = seen{r.Method, r.Proto, r.RequestURI, string(body), r.ContentLength, r.Header}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "thanks")
	})
	p := poster(t)
	for _, size := range []int{0, 1, 1000, webhook.InlineBody, webhook.InlineBody + 1, 3 << 20} {
		body := &closing{Reader: strings.NewReader(strings.Repeat("é", size)[:size])}
		answer, err := post(t, p, webhook.Request{
			URL: url + "/a%20b?key=1", Size: int64(size), Body: body,
			Header: map[string]string{"webhook-id": "x", "Authorization": "Bearer y", "User-Agent": "chasqui/1"},
		})
		if err != nil || answer.Status != 201 || string(answer.Answer) != "thanks" {
			t.Fatalf("%d bytes: %+v, %v", size, answer, err)
		}
		want := seen{"POST", "HTTP/1.1", "/a%20b?key=1", strings.Repeat("é", size)[:size], int64(size), http.Header{
			"Webhook-Id": {"x"}, "Authorization": {"Bearer y"}, "User-Agent": {"chasqui/1"},
			"Content-Type": {"application/json"}, "Content-Length": {strconv.Itoa(size)},
		}}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(seen{})); d != "" {
			t.Errorf("%d bytes (-want +got):\n%s", size, d)
		}
		if !body.closed.Load() {
			t.Errorf("%d bytes: the body was not closed", size)
		}
	}
}

// events.md 5: redirects are not followed: 3xx is an answer.
func TestARedirectIsAnAnswer(t *testing.T) {
	var calls atomic.Int32
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	answer, err := post(t, poster(t), request(url, "{}"))
	if err != nil || answer.Status != 307 || calls.Load() != 1 {
		t.Errorf("%+v, %v after %d calls", answer, err, calls.Load())
	}
}

// HTTP/2 would put all posts to a host on one connection, and a stalled one
// before the others.
func TestOnlyHTTP1IsSpoken(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	p := poster(t)
	egress.Trust(p, server.Certificate())
	answer, err := post(t, p, request(server.URL, "{}"))
	if err != nil || string(answer.Answer) != "HTTP/1.1" {
		t.Errorf("%s, %v", answer.Answer, err)
	}
}

// A connection is used again, also after an answer longer than what is kept; 64
// stay open for one host.
func TestConnectionsAreKept(t *testing.T) {
	const idle = 64
	var connections atomic.Int32
	var together sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		together.Done()
		together.Wait()
		_, _ = w.Write(bytes.Repeat([]byte("x"), webhook.AnswerKept+32<<10))
	}))
	server.Config.ConnState = countNew(&connections)
	server.Start()
	t.Cleanup(server.Close)
	p := poster(t)
	for range 3 {
		together.Add(idle)
		var posts sync.WaitGroup
		for range idle {
			posts.Go(func() {
				if _, err := post(t, p, request(server.URL, "{}")); err != nil {
					t.Error(err)
				}
			})
		}
		posts.Wait()
	}
	if n := connections.Load(); n != idle {
		t.Errorf("%d connections, want %d", n, idle)
	}
}

// events.md 5: the log keeps the first 1 KiB of the answer; one of 100 MB costs
// neither memory nor time, only its connection.
func TestAnAnswerOf100MBCostsNothing(t *testing.T) {
	var written atomic.Int64
	done := make(chan struct{})
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		if r.URL.Path == "/announced" {
			w.Header().Set("Content-Length", strconv.Itoa(100<<20))
		}
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		for range 100 {
			n, err := w.Write(chunk)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	p := poster(t)
	for _, path := range []string{"/announced", "/chunked"} {
		written.Store(0)
		done = make(chan struct{})
		answer, err := post(t, p, request(url+path, "{}"))
		if err != nil || answer.Status != 200 || len(answer.Answer) != webhook.AnswerKept {
			t.Errorf("%s: %d, %d bytes, %v", path, answer.Status, len(answer.Answer), err)
		}
		<-done
		if n := written.Load(); n > 50<<20 {
			t.Errorf("%s: %d bytes were taken", path, n)
		}
	}
}

// An answer that counts is not spoilt by an end that never comes.
func TestTheRestOfAnAnswerIsNotWaitedFor(t *testing.T) {
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, webhook.AnswerKept+1))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	began := time.Now()
	answer, err := post(t, poster(t), request(url, "{}"))
	if took := time.Since(began); err != nil || answer.Status != 200 || took > patience/2 {
		t.Errorf("%d, %v after %s", answer.Status, err, took)
	}
}

// What follows a 101 is not HTTP and has no end; there is nothing to wait for.
func TestAnAnswer101IsNotRead(t *testing.T) {
	url := listen(t, func(c *peer) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		<-c.gone
	})
	if answer, err := post(t, poster(t), request(url, "{}")); err != nil || answer.Status != 101 {
		t.Errorf("%d, %v", answer.Status, err)
	}
}

// The answer is valid UTF-8 and has no NUL in it, whatever the receiver sent.
func TestAnswersAreCutToText(t *testing.T) {
	var body string
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
	p := poster(t)
	long := strings.Repeat("é", webhook.AnswerKept) // two bytes each
	for sent, want := range map[string]string{
		"":               "",
		"fine":           "fine",
		"x" + long:       "x" + long[:webhook.AnswerKept-2],
		"a\xff\x00b\xc3": "ab",
	} {
		body = sent
		answer, err := post(t, p, request(url, "{}"))
		if err != nil || string(answer.Answer) != want {
			t.Errorf("%.10q: %q, %v", sent, answer.Answer, err)
		}
	}
}

// events.md 5: Retry-After is honoured, as seconds and as a date (RFC 9110).
func TestRetryAfter(t *testing.T) {
	var header http.Header
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	p := poster(t)
	now := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC) // the receiver's clock is wrong
	year := 365 * 24 * time.Hour
	for value, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "0": 0, "-5": 0, "soon": 0, "1.5": 0,
		"99999999999999999999999": year, "9223372036854775807": year,
		now.Add(time.Hour).Format(http.TimeFormat):  time.Hour,
		now.Add(-time.Hour).Format(http.TimeFormat): 0,
		now.Add(time.Hour).Format(time.RFC850):      time.Hour,
	} {
		header = http.Header{"Date": {now.Format(http.TimeFormat)}}
		if value != "" {
			header.Set("Retry-After", value)
		}
		answer, err := post(t, p, request(url, "{}"))
		if err != nil || answer.Status != 503 || answer.RetryAfter != want {
			t.Errorf("%q: %+v, %v, want %s", value, answer, err, want)
		}
	}
}

// Without a Date of the receiver its own clock counts.
func TestRetryAfterWithoutDate(t *testing.T) {
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
	})
	answer, err := post(t, poster(t), request(url, "{}"))
	if err != nil || answer.RetryAfter < 59*time.Minute || answer.RetryAfter > time.Hour {
		t.Errorf("%+v, %v", answer, err)
	}
}

// A body that cannot be read says nothing about the receiver.
func TestABodyThatFailsIsNotTheReceiversFault(t *testing.T) {
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	p := poster(t)
	broken := errors.New("the disk is on fire at /secret/path")
	for _, size := range []int64{100, 1 << 20} {
		for name, from := range map[string]io.Reader{
			"failing": io.MultiReader(strings.NewReader("half"), failing{broken}),
			"short":   strings.NewReader("half"),
		} {
			body := &closing{Reader: from}
			_, err := post(t, p, webhook.Request{URL: url, Size: size, Body: body})
			if err == nil || err.Error() != "the event could not be read" {
				t.Errorf("%s, %d bytes: %v", name, size, err)
			}
			if name == "failing" && !errors.Is(err, broken) {
				t.Errorf("%d bytes: the cause is lost", size)
			}
			if !body.closed.Load() {
				t.Errorf("%s, %d bytes: not closed", name, size)
			}
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// The body is the caller's again when Post has returned, even if the receiver
// still owes us reading it.
func TestABodyIsClosedWhenThePostIsOver(t *testing.T) {
	l := listen(t, func(c *peer) { <-c.gone }) // takes what the kernel buffers, no more
	body := &closing{Reader: endless{}}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := poster(t).Post(ctx, webhook.Request{URL: l, Size: 1 << 30, Body: body})
	if err == nil || err.Error() != "timeout" || !body.closed.Load() {
		t.Errorf("%v, closed = %v", err, body.closed.Load())
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
