package wa

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/proxy"
)

// errProxyURL hides what is wrong with a proxy's address: it may hold a
// password, and parse errors quote it.
var errProxyURL = errors.New("wa: malformed proxy address")

// transport returns the way to WhatsApp through the proxy, or the shared direct
// one for an empty address. Every dial of the result goes to the proxy, so a
// proxy that fails never turns into a direct connection.
func (e *Engine) transport(proxyURL string) (http.RoundTripper, error) {
	if proxyURL == "" {
		return e.direct, nil
	}
	parsed, err := url.Parse(proxyURL)
	if err != nil || parsed.Host == "" {
		return nil, errProxyURL
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	switch parsed.Scheme {
	case "http", "https":
		t.Proxy = http.ProxyURL(parsed)
	case "socks5":
		dialer, err := proxy.FromURL(parsed, &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second})
		if err != nil {
			return nil, errProxyURL
		}
		t.Proxy = nil
		t.DialContext = dialer.(proxy.ContextDialer).DialContext
	default:
		return nil, fmt.Errorf("wa: proxy scheme %q is not http, https or socks5", parsed.Scheme)
	}
	return t, nil
}

// useProxy points all three of the library's HTTP clients at the proxy (live)
// or at the simulated network (sandbox, which never uses a proxy).
func (c *client) useProxy(proxyURL string) error {
	if c.engine.sandbox != nil {
		c.useHTTP(c.engine.sandbox)
		return nil
	}
	if proxyURL == "" {
		proxyURL = c.engine.opts.ServerProxy
	}
	transport, err := c.engine.transport(proxyURL)
	if err != nil {
		return err
	}
	c.useHTTP(&http.Client{Transport: transport})
	return nil
}

// useHTTP sets the clients for pairing, for logged-in connections and for
// media. Forgetting one would send its traffic past the proxy or the sandbox.
func (c *client) useHTTP(h *http.Client) {
	c.wm.SetPreLoginHTTPClient(h)
	c.wm.SetWebsocketHTTPClient(h)
	limited := *h
	limited.Transport = downloadTransport{h.Transport}
	c.wm.SetMediaHTTPClient(&limited)
}
