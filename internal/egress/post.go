package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"github.com/chasqui/chasqui/internal/webhook"
)

const (
	postIdlePerHost = 64
	tlsSessions     = 1024
	defaultType     = "application/json"
)

// Poster sends webhooks; it is a webhook.Sender. It speaks HTTP/1.1 only, each
// post having a connection of its own, so that a receiver that stalls one holds
// up no other. It never follows a redirect: a 3xx is an answer. It sets no time
// limit beside the ten seconds of a dial: the context of a post does.
//
// A connection that was kept alive may have been closed by the receiver just as
// it is used again. Nobody can know then whether the request was read, so it is
// sent again, on another kept connection or at last on a fresh one, within the
// same attempt. That is as safe as every other repeat: the receiver tells them
// by webhook-id, and the bytes are the same. What fails on a fresh connection is
// not sent again.
type Poster struct {
	client    *Client
	transport *http.Transport
}

var _ webhook.Sender = (*Poster)(nil)

// NewPoster returns a Poster that follows the address rules of c. Close
// releases its idle connections.
func NewPoster(c *Client) *Poster {
	t := c.newTransport()
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.MaxIdleConnsPerHost = postIdlePerHost
	t.DisableCompression = true
	t.TLSClientConfig = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(tlsSessions),
	}
	return &Poster{client: c, transport: t}
}

// Close releases idle connections.
func (p *Poster) Close() { p.transport.CloseIdleConnections() }

// CheckURL refuses what can be refused without a look-up, as Client.CheckURL.
func (p *Poster) CheckURL(raw string) error { return p.client.CheckURL(raw) }

// Post makes one attempt. An error means that no answer came; its text is from
// a fixed vocabulary (see reason) and holds neither URL nor secret, while what
// it wraps may: that is not for users. An answer counts once its first
// webhook.AnswerKept bytes, or its end, have come.
func (p *Poster) Post(ctx context.Context, r webhook.Request) (webhook.Response, error) {
	b, err := newBody(r)
	if err != nil {
		return webhook.Response{}, unreadable(err)
	}
	defer b.finish()
	u, err := p.target(r.URL)
	if err != nil {
		return webhook.Response{}, err
	}
	answer, err := p.send(ctx, u, header(r.Header), b) //nolint:bodyclose // readAnswer closes it
	if err != nil {
		return webhook.Response{}, b.explain(err)
	}
	return readAnswer(answer, time.Now())
}

// target refuses a URL that is not allowed before anything is dialled: old
// forms of addresses, such as 2130706433, mean something else to each resolver.
func (p *Poster) target(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, &failure{text: "not a URL"} // the cause repeats it
	}
	err = p.client.check(u)
	switch {
	case errors.Is(err, ErrRefused):
		return nil, explain(err)
	case err != nil:
		return nil, &failure{err.Error(), err}
	}
	return u, nil
}

// send sends the request until it has not met a stale connection (see Poster).
// The transport's own repeats do not cover a body that was half written when
// the connection broke, so it is told of no way to make them.
func (p *Poster) send(ctx context.Context, u *url.URL, h http.Header, b *body) (*http.Response, error) {
	var kept bool // the connection was used before
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(c httptrace.GotConnInfo) { kept = c.Reused },
	})
	from := b.open()
	for stale := 0; ; stale++ {
		kept = false
		answer, err := p.transport.RoundTrip(newRequest(ctx, u, h, b.size, from))
		if err == nil || !kept || stale >= postIdlePerHost || !broken(err) {
			return answer, err
		}
		if from = b.again(); from == nil {
			return nil, err
		}
	}
}

func newRequest(ctx context.Context, u *url.URL, h http.Header, size int64, from io.ReadCloser) *http.Request {
	return (&http.Request{
		Method: http.MethodPost, URL: u, Host: u.Host, Header: h,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: size, Body: from,
	}).WithContext(ctx)
}

// header adds what every post has.
func header(from map[string]string) http.Header {
	h := make(http.Header, len(from)+1)
	for name, value := range from {
		h.Set(name, value)
	}
	if _, ok := h["Content-Type"]; !ok {
		h.Set("Content-Type", defaultType)
	}
	return h
}
