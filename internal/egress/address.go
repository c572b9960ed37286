package egress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ErrRefused says that an address is not public and not in an allowed network.
var ErrRefused = errors.New("address is not allowed")

// special is every network that is not the public internet: the IANA
// special-purpose registries for IPv4 and IPv6, multicast, and the addresses at
// which clouds serve credentials to their machines.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
	"172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
	"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"224.0.0.0/4", "240.0.0.0/4",
	"168.63.129.16/32", // Azure's wire server
	"::/127",           // unspecified and loopback
	"64:ff9b:1::/48",   // NAT64 of the local operator, RFC 8215
	"100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16",
	"fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

// linkLocal and metadata are what even a proxy must not be.
var (
	linkLocal = prefixes("169.254.0.0/16", "fe80::/10")
	metadata  = prefixes("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::254/128")
)

// metadataNames are the names under which clouds serve credentials.
var metadataNames = map[string]bool{
	"metadata": true, "metadata.google.internal": true, "metadata.goog": true,
	"instance-data": true, "instance-data.ec2.internal": true, "metadata.azure.internal": true,
	"metadata.tencentyun.com": true, "metadata.platformequinix.com": true,
}

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func contains(networks []netip.Prefix, a netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// check refuses an address that is not public. An IPv6 address that stands for
// an IPv4 one is refused as that one would be.
func check(a netip.Addr, allow []netip.Prefix) error {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return ErrRefused
	}
	if contains(allow, a) {
		return nil
	}
	if contains(special, a) {
		return fmt.Errorf("%w: %s is not a public address", ErrRefused, a)
	}
	if inner, ok := embedded(a); ok {
		return check(inner, allow)
	}
	return nil
}

// The forms in which an IPv6 address carries an IPv4 one, by which a router or
// the kernel may reach it.
var (
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052
	compatible = netip.MustParsePrefix("::/96")           // RFC 4291, deprecated
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765, SIIT
)

const (
	isatap       = 0x00005efe // RFC 5214: interface identifier of a private address
	isatapPublic = 0x02005efe
)

func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	marker := binary.BigEndian.Uint32(b[8:12])
	switch {
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case nat64.Contains(a), compatible.Contains(a), translated.Contains(a),
		marker == isatap, marker == isatapPublic:
		return netip.AddrFrom4([4]byte(b[12:16])), true
	}
	return netip.Addr{}, false
}

// CheckHost refuses hosts that must not be used even as a proxy: link-local
// addresses and those at which clouds serve credentials, however they are
// spelled. It does no look-up. The error's text may be shown.
func CheckHost(host string) error {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if metadataNames[name] {
		return errors.New("must not be a metadata address")
	}
	a, ok := parseHost(name)
	if !ok {
		return nil
	}
	for {
		a = a.Unmap().WithZone("")
		switch {
		case contains(linkLocal, a):
			return errors.New("must not be a link-local address")
		case contains(metadata, a):
			return errors.New("must not be a metadata address")
		}
		inner, ok := embedded(a)
		if !ok {
			return nil
		}
		a = inner
	}
}

// parseHost reads an address as a resolver would: also in brackets, and in the
// old forms of IPv4 (inet_aton: fewer than four parts, octal, hexadecimal).
func parseHost(host string) (netip.Addr, bool) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a, true
	}
	return parseOldIPv4(host)
}

func parseOldIPv4(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, part := range parts {
		// Base 0 also takes the prefixes 0b and 0o, and underscores, which
		// inet_aton does not: too many readings here are on the safe side.
		n, err := strconv.ParseUint(part, 0, 32)
		if err != nil {
			return netip.Addr{}, false
		}
		last := i == len(parts)-1
		width := 8
		if last {
			width = 8 * (5 - len(parts))
		}
		if n >= 1<<width {
			return netip.Addr{}, false
		}
		sum = sum<<width | n
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(sum))
	return netip.AddrFrom4(b), true
}
