package wasim

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// HTTPClient is an HTTP client that sends every request to baseURL, such as http://127.0.0.1:41234, whatever its
// scheme and host: WhatsApp's websocket and media addresses then lead to a simulated network, in this process or
// another. If baseURL is not a loopback address every request fails, so that nothing can leave the machine. It uses
// no proxy.
func HTTPClient(baseURL string) *http.Client {
	target, err := loopbackURL(baseURL)
	return &http.Client{Transport: &redirect{target: target, err: err, inner: &http.Transport{IdleConnTimeout: 30 * time.Second}}}
}

func loopbackURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("address of the simulated network: %w", err)
	}
	if u.Scheme != "http" || !isLoopback(u.Hostname()) {
		return nil, fmt.Errorf("address of the simulated network must be http on loopback, not %q", u.Redacted())
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// redirect is a RoundTripper that rewrites addresses. whatsmeow's websocket dialer passes through it too, so neither
// TLS nor a certificate authority is needed.
type redirect struct {
	target *url.URL
	err    error // why nothing may be sent
	inner  *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (r *redirect) RoundTrip(request *http.Request) (*http.Response, error) {
	if r.err != nil {
		return nil, r.err
	}
	request = request.Clone(request.Context())
	request.URL.Scheme, request.URL.Host = r.target.Scheme, r.target.Host
	request.Host = ""
	return r.inner.RoundTrip(request)
}

// CloseIdleConnections lets http.Client close what is idle.
func (r *redirect) CloseIdleConnections() { r.inner.CloseIdleConnections() }
