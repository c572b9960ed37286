package script_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/rogpeppe/go-internal/testscript"
)

const (
	patience = 20 * time.Second
	pause    = 50 * time.Millisecond
)

// client opens a connection for each request, so that a new certificate is seen
// at once, and takes any certificate: scripts look at its name.
var client = &http.Client{Transport: &http.Transport{
	DisableKeepAlives: true,
	TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
}}

// ask sends a request and returns the answer with its body read.
func (w *world) ask(ts *testscript.TestScript, method, path, body string) (*http.Response, []byte) {
	req, err := http.NewRequest(method, w.process.URL+path, strings.NewReader(body))
	ts.Check(err)
	req.Header = w.headers.Clone()
	if t := ts.Getenv("TOKEN"); t != "" {
		req.Header.Set("token", t)
	}
	res, err := client.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	ts.Check(err)
	return res, answer
}

func (w *world) curl(ts *testscript.TestScript, neg bool, args []string) {
	res, answer := w.ask(ts, args[0], args[1], strings.Join(args[2:], ""))
	w.answer = answer
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s\n", res.Proto, res.Status)
	if res.TLS != nil {
		fmt.Fprintf(&head, "Certificate: %s\n", res.TLS.PeerCertificates[0].Subject.CommonName)
	}
	ts.Check(res.Header.Write(&head))
	_, err := ts.Stderr().Write(bytes.ReplaceAll(head.Bytes(), []byte("\r"), nil))
	ts.Check(err)
	_, err = ts.Stdout().Write(append(answer, '\n'))
	ts.Check(err)
	if failed := res.StatusCode >= 300; failed != neg {
		ts.Fatalf("%s %s: %s: %s", args[0], args[1], res.Status, answer)
	}
}

// later sends a request in the background and returns once it has left.
func (w *world) later(ts *testscript.TestScript, _ bool, args []string) {
	left := make(chan struct{})
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(left) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace),
		args[0], w.process.URL+args[1], strings.NewReader(strings.Join(args[2:], "")))
	ts.Check(err)
	req.Header.Set("token", ts.Getenv("TOKEN"))
	w.pending = make(chan string, 1)
	go func() {
		res, err := client.Do(req)
		if err != nil {
			w.pending <- err.Error()
			return
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		w.pending <- fmt.Sprint(res.Status, " ", string(answer), " ", err)
	}()
	<-left
}

// answered waits for the answer to later.
func (w *world) answered(ts *testscript.TestScript, _ bool, _ []string) {
	select {
	case answer := <-w.pending:
		_, err := fmt.Fprintln(ts.Stdout(), answer)
		ts.Check(err)
	case <-time.After(patience):
		ts.Fatalf("no answer")
	}
}

func (w *world) phone(ts *testscript.TestScript, neg bool, args []string) {
	w.curl(ts, neg, append([]string{"POST", "/sandbox/phones/" + args[0] + "/" + args[1]}, args[2:]...))
}

func (w *world) header(_ *testscript.TestScript, _ bool, args []string) {
	if len(args) == 1 {
		w.headers.Del(args[0])
		return
	}
	w.headers.Set(args[0], args[1])
}

func (w *world) save(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(`"` + args[1] + `":"([^"]*)"`).FindSubmatch(w.answer)
	if m == nil {
		ts.Fatalf("no %q in %s", args[1], w.answer)
	}
	ts.Setenv(args[0], string(m[1]))
}

func (w *world) until(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.After(patience)
	for {
		_, answer := w.ask(ts, http.MethodGet, args[0], "")
		if matchesAll(answer, args[1:]) {
			return
		}
		select {
		case <-time.After(pause):
		case <-deadline:
			ts.Fatalf("GET %s never had %q: %s", args[0], args[1:], answer)
		}
	}
}

// matchesAll reports whether every pattern is found in the answer.
func matchesAll(answer []byte, patterns []string) bool {
	for _, p := range patterns {
		if !regexp.MustCompile(p).Match(answer) {
			return false
		}
	}
	return true
}

func (w *world) ws(ts *testscript.TestScript, _ bool, args []string) {
	url := "ws" + strings.TrimPrefix(w.process.URL, "http") + "/ws/" + args[0]
	header := w.headers.Clone()
	header.Set("token", ts.Getenv("TOKEN"))
	conn, _, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{HTTPHeader: header, HTTPClient: client})
	ts.Check(err)
	conn.SetReadLimit(64 << 20)
	w.socket, w.frames = conn, nil
	ts.Defer(func() { _ = conn.CloseNow() })
}

func (w *world) expect(ts *testscript.TestScript, _ bool, args []string) {
	for i, f := range w.frames {
		if matches(f, args) {
			w.frames = append(w.frames[:i:i], w.frames[i+1:]...)
			return
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, f, err := w.socket.Read(ctx)
		if err != nil {
			ts.Fatalf("no frame %v: %v; seen:\n%s", args, err, bytes.Join(w.frames, []byte("\n")))
		}
		if matches(f, args) {
			return
		}
		w.frames = append(w.frames, f)
	}
}

func (w *world) closed(ts *testscript.TestScript, _ bool, args []string) {
	want := websocket.StatusCode(number(ts, args[0]))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, f, err := w.socket.Read(ctx)
		if err == nil {
			w.frames = append(w.frames, f)
			continue
		}
		if got := websocket.CloseStatus(err); got != want {
			ts.Fatalf("closed with %d, want %d: %v", got, want, err)
		}
		return
	}
}

func matches(frame []byte, args []string) bool {
	var head struct {
		Event string `json:"event"`
	}
	return json.Unmarshal(frame, &head) == nil && head.Event == args[0] && containsAll(frame, args[1:])
}

func containsAll(text []byte, parts []string) bool {
	for _, part := range parts {
		if !bytes.Contains(text, []byte(part)) {
			return false
		}
	}
	return true
}
