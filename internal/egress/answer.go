package egress

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chasqui/chasqui/internal/webhook"
)

const (
	// drained is how many bytes of an answer, beyond those that are kept, are
	// read so that the connection can be used again; a longer answer costs the
	// connection, which is cheaper.
	drained = 64 << 10
	// drainTime is how long that may take.
	drainTime = time.Second
	// longestRetryAfter keeps the seconds of Retry-After within a Duration.
	longestRetryAfter = 365 * 24 * time.Hour
)

// readAnswer keeps the beginning of an answer and lets its connection be used
// again, or closes it.
func readAnswer(answer *http.Response, now time.Time) (webhook.Response, error) {
	defer func() { _ = answer.Body.Close() }() // what is kept has been read
	response := webhook.Response{Status: answer.StatusCode, RetryAfter: retryAfter(answer.Header, now)}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return response, nil // what follows is not HTTP
	}
	size := int64(webhook.AnswerKept)
	if answer.ContentLength >= 0 {
		size = min(size, answer.ContentLength)
	}
	kept := make([]byte, size)
	n, err := fill(answer.Body, kept)
	switch {
	case err == nil:
		drain(answer)
	case !errors.Is(err, io.EOF):
		return webhook.Response{}, explain(err)
	}
	response.Answer = clean(kept[:n])
	return response, nil
}

// fill reads until b is full or the answer has ended (io.EOF). Unlike
// io.ReadFull it does not call an answer that ended whole an unexpected end.
func fill(from io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var more int
		more, err = from.Read(b[n:])
		n += more
	}
	return n, err
}

// drain reads the rest of a short answer.
func drain(answer *http.Response) {
	if answer.ContentLength > webhook.AnswerKept+drained {
		return
	}
	if answer.ContentLength < 0 || answer.ContentLength > webhook.AnswerKept {
		late := time.AfterFunc(drainTime, func() { _ = answer.Body.Close() })
		defer late.Stop()
	}
	_, _ = io.CopyN(io.Discard, answer.Body, drained) // without the end Close closes the connection
}

// clean leaves out what is not UTF-8, a character that was cut at the end
// included, and NUL, which not every database takes in a text.
func clean(b []byte) []byte {
	b = bytes.ToValidUTF8(b, nil)
	if bytes.IndexByte(b, 0) >= 0 {
		b = bytes.ReplaceAll(b, []byte{0}, nil)
	}
	return b
}

// retryAfter reads Retry-After (RFC 9110, section 10.2.3): seconds, or a date,
// which is taken relative to the receiver's own clock if it tells that. It is
// zero if there is none, or a nonsensical or past one.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(longestRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
		now = theirs
	}
	return min(max(0, at.Sub(now)), longestRetryAfter)
}
