package egress_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chasqui/chasqui/internal/webhook"
)

// once answers the first request of a connection and closes it when the head of
// the second has come, as a receiver does whose keep-alive ran out just then.
func once(requests *atomic.Int32) func(c *peer) {
	return func(c *peer) {
		in := bufio.NewReader(c)
		for i := range 2 {
			r, err := http.ReadRequest(in)
			if err != nil {
				return // the client does not use it again
			}
			requests.Add(1)
			if i == 1 {
				return
			}
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n%10d", len(body))
		}
	}
}

// A kept connection that the receiver closed is not a failure, whatever the
// body's size, when it can be sent again.
func TestAStaleConnectionIsNotAFailure(t *testing.T) {
	for _, size := range []int{2, 1000, 1 << 20} {
		var requests atomic.Int32
		url := listen(t, once(&requests))
		p := poster(t)
		body := strings.Repeat("x", size)
		for i := range 4 {
			r := request(url, body)
			r.Reopen = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
			answer, err := post(t, p, r)
			if want := fmt.Sprintf("%10d", size); err != nil || string(answer.Answer) != want {
				t.Fatalf("post %d of %d bytes: %q, %v (%v)", i+1, size, answer.Answer, err, errors.Unwrap(err))
			}
		}
		if n := requests.Load(); n < 7 {
			t.Errorf("%d bytes: %d requests came, want a repeat for each of the last three posts", size, n)
		}
	}
}

// Without a way to read a long body again the post fails, as it would on a
// fresh connection.
func TestALongBodyThatCannotBeReopenedFails(t *testing.T) {
	var requests atomic.Int32
	url := listen(t, once(&requests))
	p := poster(t)
	body := strings.Repeat("x", webhook.InlineBody+1)
	if _, err := post(t, p, request(url, body)); err != nil {
		t.Fatal(err)
	}
	if _, err := post(t, p, request(url, body)); err == nil {
		t.Error("no error")
	}
}

// On a fresh connection nothing is sent twice: a receiver that closes each
// connection after reading gets one request an attempt.
func TestNothingIsSentTwiceOnAFreshConnection(t *testing.T) {
	var requests atomic.Int32
	url := listen(t, func(c *peer) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		requests.Add(1)
	})
	p := poster(t)
	for range 3 {
		if _, err := post(t, p, request(url, "{}")); err == nil {
			t.Error("no error")
		}
	}
	if n := requests.Load(); n != 3 {
		t.Errorf("%d requests for 3 attempts", n)
	}
}
