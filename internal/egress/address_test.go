package egress_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/chasqui/chasqui/internal/egress"
)

// refusedHosts are spellings of addresses that are not public.
var refusedHosts = []string{
	"127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
	"100.64.0.1", "100.100.100.200", "169.254.169.254", "168.63.129.16", "224.0.0.1", "239.255.255.255",
	"255.255.255.255", "240.0.0.1", "192.0.0.192", "198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1",
	"127.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1", "0xA9FEA9FE", "2852039166",
	"[::]", "[::1]", "[fe80::1]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]",
	"[100::1]", "[3fff::1]",
	"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", // IPv4-mapped
	"[::127.0.0.1]",                          // IPv4-compatible
	"[::ffff:0:10.0.0.1]",                    // SIIT
	"[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", // 6to4
	"[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", // NAT64
	"[2001:0:4136:e378:8000:63bf:3fff:fdd2]",                       // Teredo
	"[2606:4700::5efe:10.0.0.1]", "[2606:4700::200:5efe:10.0.0.1]", // ISATAP
}

var publicHosts = []string{
	"example.com", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.32.0.1", "172.15.0.1", "169.253.1.1",
	"223.255.255.255", "16843009", "[2606:4700::1111]", "[2002:101:101::1]", "[64:ff9b::101:101]",
}

// events.md: loopback, link-local, private, multicast and the cloud metadata
// addresses are refused at set time, in whatever form they are written.
func TestCheckURLRefusesEveryFormOfAnAddressThatIsNotPublic(t *testing.T) {
	c := egress.New(nil)
	for _, host := range refusedHosts {
		if err := c.CheckURL("http://" + host + ":8080/x"); !errors.Is(err, egress.ErrRefused) {
			t.Errorf("%s: %v, want it refused", host, err)
		}
	}
	for _, host := range publicHosts {
		if err := c.CheckURL("https://" + host + "/x"); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestCheckURLRefusesForms(t *testing.T) {
	c := egress.New(nil)
	for _, raw := range []string{
		"", "example.com", "//example.com", "ftp://example.com", "file:///etc/passwd", "http://", "http:///x",
		"http://user:secret@example.com/", "gopher://1.1.1.1", "http://exa mple.com", "javascript:alert(1)",
	} {
		err := c.CheckURL(raw)
		if err == nil {
			t.Errorf("%q passed", raw)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error repeats credentials: %v", raw, err)
		}
	}
}

// events.md: unless the operator opens their networks in egress.allow_networks.
func TestAllowedNetworks(t *testing.T) {
	c := egress.New([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")})
	tests := map[string]bool{
		"10.1.2.3": true, "[::ffff:10.1.2.3]": true, "[fd12::1]": true, "[64:ff9b::a01:203]": true,
		"127.0.0.1": false, "192.168.0.1": false, "[::1]": false, "[fc00::1]": false,
	}
	for host, want := range tests {
		if err := c.CheckURL("http://" + host); (err == nil) != want {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// rest.md, Proxy: the host must not be link-local or a metadata address;
// private addresses are allowed there.
func TestCheckHost(t *testing.T) {
	for _, host := range []string{
		"169.254.1.1", "169.254.169.254", "0xA9FEA9FE", "2852039166", "169.16689662", "0251.0376.0251.0376",
		"fe80::1", "fe80::1%eth0", "[fe80::1]", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "2002:a9fe:a9fe::",
		"64:ff9b::a9fe:a9fe", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192",
		"metadata.google.internal", "METADATA.google.internal.", "metadata", "instance-data",
	} {
		if egress.CheckHost(host) == nil {
			t.Errorf("%s passed", host)
		}
	}
	for _, host := range []string{
		"proxy.example.com", "localhost", "127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd00::1", "1.1.1.1",
		"169.255.0.1", "2606:4700::1",
	} {
		if err := egress.CheckHost(host); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// FuzzAddressForms wraps every IPv4 address in every IPv6 form: what is refused
// plain must be refused wrapped, and what is allowed plain is allowed wrapped.
func FuzzAddressForms(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "169.254.169.254", "10.0.0.1", "8.8.8.8", "100.64.0.1", "255.255.255.255"} {
		a := netip.MustParseAddr(s).As4()
		f.Add(a[0], a[1], a[2], a[3])
	}
	c := egress.New(nil)
	refused := func(a netip.Addr) bool {
		return c.CheckURL("http://"+netip.AddrPortFrom(a, 80).String()) != nil
	}
	f.Fuzz(func(t *testing.T, b0, b1, b2, b3 byte) {
		plain := netip.AddrFrom4([4]byte{b0, b1, b2, b3})
		want := refused(plain)
		forms := map[string][16]byte{
			"mapped":     {10: 0xff, 0xff, b0, b1, b2, b3},
			"6to4":       {0x20, 0x02, b0, b1, b2, b3, 15: 1},
			"NAT64":      {0, 0x64, 0xff, 0x9b, 12: b0, b1, b2, b3},
			"translated": {8: 0xff, 0xff, 0, 0, b0, b1, b2, b3},
			"ISATAP":     {0x26, 0x06, 0x47, 10: 0x5e, 0xfe, b0, b1, b2, b3},
		}
		for name, form := range forms {
			if got := refused(netip.AddrFrom16(form)); got != want {
				t.Errorf("%s of %s: refused = %v, plain = %v", name, plain, got, want)
			}
		}
	})
}

// FuzzCheckURL looks for a URL that makes the check panic, or that passes with
// an address in it which is not public.
func FuzzCheckURL(f *testing.F) {
	for _, host := range append(refusedHosts, publicHosts...) {
		f.Add("http://" + host + "/")
	}
	c := egress.New(nil)
	private := netip.MustParsePrefix("127.0.0.0/8")
	f.Fuzz(func(t *testing.T, raw string) {
		if c.CheckURL(raw) != nil {
			return
		}
		host := strings.TrimPrefix(strings.TrimPrefix(raw, "http://"), "https://")
		host, _, _ = strings.Cut(host, "/")
		if a, err := netip.ParseAddr(host); err == nil && private.Contains(a.Unmap()) {
			t.Errorf("%q passed", raw)
		}
	})
}

// FuzzCheckHost looks for a host that makes the check panic or loop.
func FuzzCheckHost(f *testing.F) {
	f.Add("0xA9FEA9FE")
	f.Add("[fe80::1%25eth0]")
	f.Fuzz(func(_ *testing.T, host string) { _ = egress.CheckHost(host) })
}
