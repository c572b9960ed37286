package egress_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/chasqui/chasqui/internal/egress"
)

var discard = log.New(io.Discard, "", 0)

// dns is a name server on loopback. Its names are those set in it; one that is
// not is unknown, and one without addresses makes the server fail.
type dns struct {
	mu    sync.Mutex // guards names
	names map[string][]netip.Addr
}

func (d *dns) set(name string, addresses ...netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names[name+"."] = addresses
}

// resolver serves until the test ends.
func (d *dns) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		in := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(in)
			if err != nil {
				return
			}
			if out := d.answer(in[:n]); out != nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	})
	t.Cleanup(func() { _ = conn.Close(); serving.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (d *dns) answer(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	d.mu.Lock()
	addresses, known := d.names[q.Name.String()]
	d.mu.Unlock()
	switch {
	case !known:
		m.RCode = dnsmessage.RCodeNameError
	case len(addresses) == 0:
		m.RCode = dnsmessage.RCodeServerFailure
	}
	for _, a := range addresses {
		h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}

// named returns a poster that looks names up in a name server of the test.
func named(t *testing.T, allow []netip.Prefix) (*egress.Poster, *egress.Client, *dns) {
	t.Helper()
	d := &dns{names: map[string][]netip.Addr{}}
	c := egress.New(allow)
	egress.SetResolver(c, d.resolver(t))
	p := egress.NewPoster(c)
	t.Cleanup(func() { p.Close(); c.Close() })
	return p, c, d
}

// port returns the port of a server on loopback that counts its connections.
func port(t *testing.T, connections *atomic.Int32) string {
	t.Helper()
	url := listen(t, func(c *peer) {
		connections.Add(1)
		if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	})
	return url[strings.LastIndexByte(url, ':'):]
}

// events.md 5: checked on the address that is really dialled, after DNS: a name
// for any form of an address that is not public is refused, whatever else the
// name stands for.
func TestANameForEveryFormOfAnAddressIsRefusedWhenDialled(t *testing.T) {
	var connections atomic.Int32
	at := port(t, &connections)
	p, c, d := named(t, nil)
	tried := 0
	for i, host := range refusedHosts {
		a, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil {
			continue // a spelling that no name server can answer with
		}
		tried++
		name := fmt.Sprintf("host%d.example", i)
		d.set(name, a)
		_, err = post(t, p, request("http://"+name+at, "{}"))
		if !errors.Is(err, egress.ErrRefused) || err.Error() != "address is not allowed" {
			t.Errorf("a name for %s: %v (%v)", host, err, errors.Unwrap(err))
		}
		if _, err := roundTrip(t, c.Transport(), "http://"+name+at); !errors.Is(err, egress.ErrRefused) {
			t.Errorf("a name for %s, by Transport: %v", host, err)
		}
	}
	if tried < 30 || connections.Load() > 0 {
		t.Errorf("%d addresses tried, %d connections made", tried, connections.Load())
	}
}

func roundTrip(t *testing.T, rt http.RoundTripper, url string) (int, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := rt.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

// events.md 5: the same for what stands in the URL itself, in decimal, octal
// and hexadecimal too, with a server behind it that would answer.
func TestEverySpellingOfAnAddressIsRefusedWhenPosted(t *testing.T) {
	var connections atomic.Int32
	at := port(t, &connections)
	p := egress.NewPoster(open(t, nil))
	t.Cleanup(p.Close)
	for _, host := range append([]string{"localhost", "LOCALHOST", "127.0.0.1.", "localhost."}, refusedHosts...) {
		_, err := post(t, p, request("http://"+host+at, "{}"))
		if err == nil || connections.Load() > 0 {
			t.Fatalf("%s: %v, %d connections", host, err, connections.Load())
		}
		if text := err.Error(); text != "address is not allowed" && !strings.HasPrefix(host, "127.0.0.1.") && !strings.HasSuffix(host, "localhost.") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// The same spellings do reach the server once loopback is open, as far as the
// system dials them: what refuses them above is the rule.
func TestTheRefusedSpellingsWouldHaveReachedTheServer(t *testing.T) {
	var connections atomic.Int32
	at := port(t, &connections)
	p, c, d := named(t, loopback)
	d.set("rebound.example", netip.MustParseAddr("127.0.0.1"))
	hosts := []string{"127.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "rebound.example"}
	for _, host := range hosts {
		if answer, err := post(t, p, request("http://"+host+at, "{}")); err != nil || answer.Status != 200 {
			t.Errorf("%s: %d, %v", host, answer.Status, err)
		}
		if status, err := roundTrip(t, c.Transport(), "http://"+host+at); err != nil || status != 200 {
			t.Errorf("%s, by Transport: %d, %v", host, status, err)
		}
	}
	if n := int(connections.Load()); n != 2*len(hosts) {
		t.Errorf("%d connections", n)
	}
}

// events.md 5: at each attempt: a name that changes its mind is refused.
func TestANameThatChangesItsMindIsRefused(t *testing.T) {
	var connections atomic.Int32
	at := port(t, &connections)
	p, _, d := named(t, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
	d.set("rebound.example", netip.MustParseAddr("127.0.0.1"))
	if _, err := post(t, p, request("http://rebound.example"+at, "{}")); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"127.0.0.2", "169.254.169.254", "::1"} {
		d.set("rebound.example", netip.MustParseAddr(to))
		if _, err := post(t, p, request("http://rebound.example"+at, "{}")); !errors.Is(err, egress.ErrRefused) {
			t.Errorf("now %s: %v", to, err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// A name with one address that is allowed and others that are not leads to the
// former only.
func TestOnlyTheAllowedAddressOfANameIsDialled(t *testing.T) {
	var connections atomic.Int32
	at := port(t, &connections)
	p, _, d := named(t, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
	d.set("mixed.example", netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.1"))
	if _, err := post(t, p, request("http://mixed.example"+at, "{}")); err != nil {
		t.Error(err)
	}
}

func TestWhatANameThatCannotBeLookedUpSays(t *testing.T) {
	p, _, d := named(t, nil)
	d.set("broken.example")
	for name, want := range map[string]string{"unknown.example": "no such host", "broken.example": "name lookup failed"} {
		if _, err := post(t, p, request("http://"+name+"/?key=secret", "{}")); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// A URL that only the form of is wrong says so, and does not repeat it.
func TestWhatABadURLSays(t *testing.T) {
	p := poster(t)
	for url, want := range map[string]string{
		"http://%zz/secret":               "not a URL",
		"ftp://example.com/secret":        "not an http or https URL",
		"http:///secret":                  "the URL has no host",
		"http://user:secret@example.com/": "the URL holds credentials",
	} {
		body := &closing{Reader: endless{}}
		r := request(url, "")
		r.Body, r.Size = body, 1<<20
		if _, err := post(t, p, r); err == nil || err.Error() != want || !body.closed.Load() {
			t.Errorf("%s: %v, want %s; closed = %v", url, err, want, body.closed.Load())
		}
	}
	r := request("http://127.0.0.1:1/", "{}")
	r.Header = map[string]string{"X": "a\nb: secret"}
	if _, err := post(t, p, r); err == nil || err.Error() != "header cannot be sent" {
		t.Errorf("%v", err)
	}
}

// A proxy of the environment would resolve names behind our back, and see what
// is sent.
func TestPostsAndStorageUseNoProxyOfTheEnvironment(t *testing.T) {
	if !underProxy(t) {
		return
	}
	p, c, d := named(t, nil)
	d.set("named.example", netip.MustParseAddr("192.0.2.1"))
	_, posted := post(t, p, request("http://named.example/", "{}"))
	_, stored := roundTrip(t, c.Transport(), "http://named.example/")
	for _, err := range []error{errors.Unwrap(posted), stored} {
		if !errors.Is(err, egress.ErrRefused) || !strings.Contains(err.Error(), "192.0.2.1") {
			t.Errorf("%v, want the address itself refused", err)
		}
	}
}

// underProxy runs the test alone in a process with a proxy in its environment,
// which package http reads only once, and reports whether this is that process.
func underProxy(t *testing.T) bool {
	t.Helper()
	const marker = "CHASQUI_TEST_UNDER_PROXY"
	if os.Getenv(marker) != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), marker+"=1", "HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("under a proxy: %v\n%s", err, out)
	}
	return false
}
