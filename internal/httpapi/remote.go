package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// proxies knows whose forwarded headers count.
type proxies []netip.Prefix

func (p proxies) trusts(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// peer is the address at the other end of the TCP connection; the zero address
// if there is none.
func peer(r *http.Request) netip.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Addr().Unmap().WithZone("")
}

// remote is the caller's address: the peer, or, if that is a trusted proxy, the
// last entry of X-Forwarded-For that is not one. Only this header is read: two
// spellings of one fact let a caller choose which is believed.
func (p proxies) remote(r *http.Request) netip.Addr {
	addr := peer(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && p.trusts(addr); i-- {
		next, ok := parseHop(hops[i])
		if !ok {
			break
		}
		addr = next
	}
	return addr
}

// parseHop reads an address that may carry a port.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return addr.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

// host is the name under which the caller reached us.
func (p proxies) host(r *http.Request) string {
	if forwarded := r.Header.Get("X-Forwarded-Host"); forwarded != "" && p.trusts(peer(r)) {
		first, _, _ := strings.Cut(forwarded, ",")
		return strings.TrimSpace(first)
	}
	return r.Host
}

// sameHost reports whether an origin names the given host, a missing port
// standing for the origin's default.
func sameHost(origin *url.URL, host string) bool {
	standard := map[string]string{"http": "80", "https": "443"}[origin.Scheme]
	if standard == "" || host == "" {
		return false
	}
	return strings.EqualFold(withPort(origin.Host, standard), withPort(host, standard))
}

func withPort(host, standard string) string {
	if name, port, err := net.SplitHostPort(host); err == nil {
		return net.JoinHostPort(name, port)
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), standard)
}
