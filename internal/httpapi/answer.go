package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/chasqui/chasqui/internal/fault"
)

// Envelope begins every successful answer.
type Envelope struct {
	Success bool   `json:"success"`
	Message string `json:"message" doc:"For people; do not parse it"`
}

// Warning tells of a secondary step that failed while the request as a whole
// succeeded.
type Warning struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

// Failure is the body of every error.
type Failure struct {
	Success bool        `json:"success"`
	Error   FailureInfo `json:"error"`
}

// FailureInfo says what went wrong. Details name fields and what is allowed
// there, never the value that was refused.
type FailureInfo struct {
	Message string         `json:"message"`
	Details []fault.Detail `json:"details,omitempty"`
}

func success(message string) Envelope { return Envelope{Success: true, Message: message} }

// statusOf is the table from kinds of fault to HTTP.
var statusOf = map[fault.Kind]int{
	fault.Internal:         http.StatusInternalServerError,
	fault.Invalid:          http.StatusBadRequest,
	fault.Unauthorized:     http.StatusUnauthorized,
	fault.Forbidden:        http.StatusForbidden,
	fault.NotFound:         http.StatusNotFound,
	fault.MethodNotAllowed: http.StatusMethodNotAllowed,
	fault.Conflict:         http.StatusConflict,
	fault.Gone:             http.StatusGone,
	fault.TooLarge:         http.StatusRequestEntityTooLarge,
	fault.UpgradeRequired:  http.StatusUpgradeRequired,
	fault.RateLimited:      http.StatusTooManyRequests,
	fault.Unsupported:      http.StatusNotImplemented,
	fault.Unavailable:      http.StatusServiceUnavailable,
}

// stamp is how answers write times: UTC, whole seconds.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// optional is null in JSON for an empty string.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// write sends v as JSON. Answers may hold tokens, so nothing may keep them.
func (a *api) write(w http.ResponseWriter, r *http.Request, status int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		a.log.ErrorContext(r.Context(), "answer could not be encoded", slog.Any("error", err), requestAttr(r.Context()))
		status = http.StatusInternalServerError
		body.Reset()
		body.WriteString(`{"success":false,"error":{"message":"` + fault.MsgInternal + `"}}` + "\n")
	}
	send(w, status, "application/json", body.Bytes())
}

func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	sendHeader(w, status, contentType, len(body))
	_, _ = w.Write(body) // the caller may have hung up; nobody is left to tell
}

// sendHeader begins an answer of length bytes.
func sendHeader(w http.ResponseWriter, status int, contentType string, length int) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(length))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
}

// fail answers err. An error that is not a fault becomes 500 with the given
// text; its own goes to the log, once. A request that a stopping server has
// ended is told so.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error, text string) {
	f := fault.Of(err, text)
	if f.Kind == fault.Internal && errors.Is(context.Cause(r.Context()), fault.ShuttingDown()) {
		f = fault.ShuttingDown() // it failed because a stopping server ended it
	}
	status, ok := statusOf[f.Kind]
	if !ok {
		status = http.StatusInternalServerError
	}
	if status == http.StatusInternalServerError {
		a.logFailure(r, f)
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	}
	a.write(w, r, status, Failure{Error: FailureInfo{Message: f.Message, Details: f.Details}})
}

// logFailure writes the one line about a failed request. The query string is
// left out: it may hold a token.
func (a *api) logFailure(r *http.Request, f *fault.Error) {
	level := slog.LevelError
	if r.Context().Err() != nil {
		level = slog.LevelDebug // the caller hung up, which is no failure of ours
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("route", r.Pattern),
		slog.String("answer", f.Message), requestAttr(r.Context()),
	}
	if f.Cause != nil {
		attrs = append(attrs, slog.Any("error", f.Cause))
	}
	a.log.LogAttrs(context.WithoutCancel(r.Context()), level, "request failed", attrs...)
}
