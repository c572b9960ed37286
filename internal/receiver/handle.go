package receiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chasqui/chasqui/internal/listen"
	"github.com/chasqui/chasqui/internal/webhook"
)

// delivery is one attempt as it came in.
type delivery struct {
	path    string
	id      string
	attempt string
	body    []byte
	event   envelope
	err     error // why it is not accepted, nil if nothing is wrong with it
	status  int   // the answer to err
}

// envelope is what the receiver reads of an event.
type envelope struct {
	InstanceData struct {
		Instance string `json:"instance"`
	} `json:"instanceData"`
	Meta struct {
		Sequence int64 `json:"sequence"`
	} `json:"meta"`
}

// ServeHTTP receives one attempt.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "a webhook is a POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		r.note("a delivery broke off: %v", err)
		http.Error(w, "the body broke off or is too long", http.StatusBadRequest)
		return
	}
	d := r.read(req, body)
	answer := r.arrive(d)
	if !stall(req, answer.stall) {
		r.note("%s: the sender did not wait, or this receiver stops", d.name())
		panic(http.ErrAbortHandler) // ends the connection without an answer
	}
	if answer.good() {
		answer = r.accept(d, answer)
	}
	if answer.reset {
		reset(w)
		return
	}
	if answer.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(answer.retryAfter))
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.text) // if it does not arrive, the delivery comes again
}

// read looks at a request as a receiver has to.
func (r *Receiver) read(req *http.Request, body []byte) *delivery {
	d := &delivery{
		path: req.URL.EscapedPath(), id: req.Header.Get(webhook.HeaderID), attempt: req.Header.Get(webhook.HeaderAttempt), body: body,
	}
	if r.opts.Secret != "" {
		if err := verify(r.opts.Secret, req.Header, body, time.Now()); err != nil {
			d.err, d.status = err, http.StatusUnauthorized
			return d
		}
	}
	if json.Unmarshal(body, &d.event) != nil && !json.Valid(body) {
		d.err, d.status = errors.New("the body is not JSON"), http.StatusBadRequest
	}
	return d
}

// name is how notes call a delivery.
func (d *delivery) name() string {
	if d.id == "" {
		return "a delivery without webhook-id"
	}
	return strings.Trim(strconv.Quote(d.id), `"`) // it may hold anything
}

// arrive says that an attempt came and decides about the answer.
func (r *Receiver) arrive(d *delivery) reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	attempt, before := r.history.see(d.id)
	answer := r.opts.reply(attempt)
	if d.err != nil && answer.good() {
		answer.status, answer.text = d.status, d.err.Error()
	}
	if d.err != nil {
		r.note("%s: %v", d.name(), d.err)
	}
	if !r.opts.Raw {
		text := r.headline(d, answer)
		if !before {
			text += listen.Pretty(d.body, r.opts.Color)
		}
		if r.print(text) != nil {
			return unavailable
		}
	}
	return answer
}

// unavailable is the answer of a receiver that is about to end: the delivery
// comes again, to another one.
var unavailable = reply{status: http.StatusServiceUnavailable, text: "this receiver ends"}

// headline says in a line what came and what it will be answered.
func (r *Receiver) headline(d *delivery, answer reply) string {
	parts := []string{"POST " + d.path, d.name()}
	if d.attempt != "" {
		parts = append(parts, "attempt "+d.attempt)
	}
	switch {
	case d.err != nil:
		parts = append(parts, d.err.Error())
	case r.opts.Secret != "":
		parts = append(parts, "signature ok")
	}
	line := strings.Join(parts, "  ") + "  -> " + answer.String()
	if r.opts.Color {
		line = "\x1b[2m" + line + "\x1b[0m"
	}
	return line + "\n"
}

// String describes an answer for people.
func (r reply) String() string {
	text := strconv.Itoa(r.status)
	if r.reset {
		text = "reset"
	}
	if r.stall > 0 {
		text = fmt.Sprintf("%s after %s", text, r.stall)
	}
	return text
}

// accept takes note of a delivery that is answered with a success, and says what
// is remarkable about it.
func (r *Receiver) accept(d *delivery, answer reply) reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return unavailable
	}
	if r.history.accept(d.id) {
		r.note("%s: a repeat, accepted before", d.name())
		return answer
	}
	if place := r.history.follow(d.event.InstanceData.Instance, d.event.Meta.Sequence); place != "" {
		r.note("%s", place)
	}
	if r.opts.Raw && r.print(line(d.body)) != nil {
		return unavailable
	}
	if r.accepted++; r.accepted == r.opts.Count {
		r.end(nil)
	}
	return answer
}

// line is a JSON body in one line. An envelope is one already.
func line(body []byte) string {
	var b bytes.Buffer
	b.Grow(len(body) + 1)
	if json.Compact(&b, body) != nil {
		b.Write(body) // cannot be: it was valid
	}
	b.WriteByte('\n')
	return b.String()
}

// stall waits; it reports whether the sender waited too.
func stall(req *http.Request, d time.Duration) bool {
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-req.Context().Done():
		return false
	}
}

// reset ends a connection the hard way: the sender's kernel is told that it is
// gone, not that it was closed.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the next best end
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a connection that is gone already needs none
	}
	_ = conn.Close()
}
