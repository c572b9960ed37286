package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

const (
	maxRedirects   = 3
	dialTimeout    = 10 * time.Second
	headerTimeout  = 15 * time.Second
	maxHeaderBytes = 64 << 10
	idleTimeout    = 30 * time.Second
	idlePerHost    = 2

	// Storage takes its time to answer, and many files go to one host.
	storageHeaderTimeout = time.Minute
	storageIdlePerHost   = 16
)

// ErrTooLarge says that an answer has more bytes than the caller wants.
var ErrTooLarge = errors.New("answer is too large")

// Client calls addresses that users gave. It is safe for concurrent use; Close
// releases its idle connections.
type Client struct {
	allow   []netip.Prefix
	dialer  *net.Dialer
	http    *http.Client
	storage *http.Transport
}

// New returns a client that calls public addresses and those in allow.
func New(allow []netip.Prefix) *Client {
	c := &Client{allow: allow}
	c.dialer = &net.Dialer{Timeout: dialTimeout, Control: c.control}
	calls := c.newTransport()
	calls.ResponseHeaderTimeout = headerTimeout
	calls.MaxIdleConnsPerHost = idlePerHost
	calls.ForceAttemptHTTP2 = true
	c.http = &http.Client{CheckRedirect: checkRedirect, Transport: calls}
	c.storage = c.newTransport()
	c.storage.ResponseHeaderTimeout = storageHeaderTimeout
	c.storage.MaxIdleConnsPerHost = storageIdlePerHost
	c.storage.DisableCompression = true // a stored object comes back as it is
	return c
}

// newTransport returns a transport that dials by the address rules.
func (c *Client) newTransport() *http.Transport {
	return &http.Transport{
		// No Proxy: a proxy would resolve names behind our back.
		DialContext:            c.dialer.DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		IdleConnTimeout:        idleTimeout,
	}
}

// Transport returns what a client of object storage needs: the same address
// rules on every connection, and bodies passed on as they come. It does not
// follow redirects by itself. Close releases its idle connections too.
func (c *Client) Transport() http.RoundTripper { return c.storage }

// Close releases idle connections.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.storage.CloseIdleConnections()
}

// control sees the address of each connection after name resolution, before
// anything is sent.
func (c *Client) control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %s", ErrRefused, network)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return check(to.Addr(), c.allow)
}

func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	return checkForm(r.URL)
}

// CheckURL refuses what can be refused without a look-up: anything but an
// absolute http or https URL, credentials in it, and addresses that are not
// allowed. A name that passes is checked again when it is dialled.
func (c *Client) CheckURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("not a URL")
	}
	return c.check(u)
}

func (c *Client) check(u *url.URL) error {
	if err := checkForm(u); err != nil {
		return err
	}
	if a, ok := parseHost(u.Hostname()); ok {
		return check(a, c.allow)
	}
	return nil
}

func checkForm(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("not an http or https URL")
	case u.Hostname() == "":
		return errors.New("the URL has no host")
	case u.User != nil:
		return errors.New("the URL holds credentials")
	}
	return nil
}

// Do sends a request, following redirects. The caller closes the body. The
// context bounds the whole exchange, body included. Errors do not repeat the
// URL, whose query may hold secrets.
func (c *Client) Do(r *http.Request) (*http.Response, error) {
	if err := checkForm(r.URL); err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		var about *url.Error
		if errors.As(err, &about) {
			err = about.Err
		}
		return nil, err
	}
	return answer, nil
}

// Page is what a Get brought.
type Page struct {
	URL         *url.URL // after redirects
	ContentType string
	Body        []byte
}

// Get fetches at most limit bytes. With whole, a longer answer is ErrTooLarge;
// without, it is cut. Any status but 200 is an error.
func (c *Client) Get(ctx context.Context, raw string, limit int64, whole bool) (Page, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, raw, nil)
	if err != nil {
		return Page{}, errors.New("not a URL")
	}
	r.Header.Set("User-Agent", "chasqui")
	answer, err := c.Do(r)
	if err != nil {
		return Page{}, err
	}
	defer func() { _ = answer.Body.Close() }() // what was read is read
	if answer.StatusCode != http.StatusOK {
		return Page{}, fmt.Errorf("answered %s", answer.Status)
	}
	body, err := read(answer, limit, whole)
	if err != nil {
		return Page{}, err
	}
	return Page{URL: answer.Request.URL, ContentType: answer.Header.Get("Content-Type"), Body: body}, nil
}

func read(answer *http.Response, limit int64, whole bool) ([]byte, error) {
	if whole && answer.ContentLength > limit {
		return nil, ErrTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) <= limit {
		return body, nil
	}
	if whole {
		return nil, ErrTooLarge
	}
	return body[:limit], nil
}
