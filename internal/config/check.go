package config

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	tokenPattern   = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]{16,256}$`)
	versionPattern = regexp.MustCompile(`^\d+\.\d+\.\d+$`)
)

// Check reports everything that is wrong with the options, each error naming
// its key and what is allowed. Values of secrets are never repeated.
func (o *Options) Check() error {
	var errs []error
	bad := func(key, reason string) { errs = append(errs, fmt.Errorf("%s: %s", key, reason)) }
	if _, _, err := net.SplitHostPort(o.Listen); err != nil {
		bad("listen", "must be host:port")
	}
	if o.NATSURL != "" {
		bad("nats_url", "not available yet")
	}
	if o.BaseURL != "" && !isHTTPURL(o.BaseURL) {
		bad("base_url", "must be an http or https URL")
	}
	if o.AccountToken != "" && !tokenPattern.MatchString(o.AccountToken) {
		bad("account_token", "must be 16 to 256 of [A-Za-z0-9._~+/=-]")
	}
	if o.WhatsappVersion != "" && !versionPattern.MatchString(o.WhatsappVersion) {
		bad("whatsapp.version", "must be three numbers, as 2.3000.123")
	}
	errs = append(errs, o.CheckStorage(), o.checkTLS(), o.checkNetworks(), o.checkOrigins(), o.checkNumbers(), o.checkWebhooks(), o.checkProxy())
	return errors.Join(errs...)
}

// CheckStorage checks the options that say where the accounts are.
func (o *Options) CheckStorage() error {
	var errs []error
	if o.DatabaseURL != "" {
		errs = append(errs, errors.New("database_url: not available yet"))
	}
	if o.EncryptionKey != "" && !isKey(o.EncryptionKey) {
		errs = append(errs, errors.New("encryption_key: must be 32 bytes as base64 or hex"))
	}
	return errors.Join(errs...)
}

func (o *Options) checkTLS() error {
	if (o.TLSCert == "") != (o.TLSKey == "") {
		return errors.New("tls.cert: must be given together with tls.key")
	}
	for key, path := range map[string]string{"tls.cert": o.TLSCert, "tls.key": o.TLSKey} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func (o *Options) checkNetworks() error {
	_, err := Networks("trusted_proxies", o.TrustedProxies)
	_, err2 := Networks("egress.allow_networks", o.EgressAllowNetworks)
	return errors.Join(err, err2)
}

// Networks parses a list of networks or single addresses.
func Networks(key string, list List) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(list))
	for _, word := range list {
		if addr, err := netip.ParseAddr(word); err == nil {
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(word)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is neither an address nor a network such as 10.0.0.0/8", key, word)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func (o *Options) checkOrigins() error {
	for _, origin := range o.AllowedOrigins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Host == "" || u.Path != "" || u.Scheme == "") {
			return fmt.Errorf("allowed_origins: %q must be scheme://host[:port] or *", origin)
		}
	}
	return nil
}

func (o *Options) checkNumbers() error {
	var errs []error
	for key, n := range map[string]*int{
		"rate_limit": &o.RateLimit, "rate_limit_new": o.RateLimitNew, "rate_limit_address": o.RateLimitAddress,
		"websocket.max_clients": &o.WebsocketMaxClients, "send.rate": o.SendRate, "send.burst": &o.SendBurst,
	} {
		if n != nil && *n < 0 {
			errs = append(errs, fmt.Errorf("%s: must not be negative", key))
		}
	}
	for key, n := range map[string]int{"webhook.pool": o.WebhookPool, "webhook.slow_pool": o.WebhookSlowPool} {
		if n < 1 {
			errs = append(errs, fmt.Errorf("%s: must be at least 1", key))
		}
	}
	for key, d := range map[string]Duration{
		"websocket.ping": o.WebsocketPing, "websocket.timeout": o.WebsocketTimeout, "websocket.stall": o.WebsocketStall,
		"media.wait": o.MediaWait, "media.webhook_wait": o.MediaWebhookWait,
		"webhook.retention": o.WebhookRetention, "webhook.pause_after": o.WebhookPauseAfter,
	} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s: must be more than 0", key))
		}
	}
	return errors.Join(errs...)
}

// maxWebhookTimeout leaves room in a lease, which has to outlast an attempt.
const maxWebhookTimeout = Duration(30 * time.Second)

func (o *Options) checkWebhooks() error {
	var errs []error
	if o.WebhookTimeout <= 0 || o.WebhookTimeout > maxWebhookTimeout {
		errs = append(errs, fmt.Errorf("webhook.timeout: must be more than 0 and at most %s", durationText(maxWebhookTimeout)))
	}
	if len(o.WebhookSchedule) == 0 || slices.Min(o.WebhookSchedule) <= 0 {
		errs = append(errs, errors.New("webhook.schedule: must be pauses of more than 0, such as 5s,30s,2m"))
	}
	return errors.Join(errs...)
}

func (o *Options) checkProxy() error {
	if o.WhatsappProxy == "" {
		return nil
	}
	u, err := url.Parse(o.WhatsappProxy)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5") {
		return errors.New("whatsapp.proxy: must be an http, https or socks5 URL")
	}
	return nil
}

// Check reports a network address that is not on this machine.
func (s *Sandbox) Check() error {
	if s.Network == "" {
		return nil
	}
	u, err := url.Parse(s.Network)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return errors.New("network: must be http://127.0.0.1:PORT")
	}
	if !IsLoopback(u.Hostname()) {
		return errors.New("network: must be on loopback, http://127.0.0.1:PORT")
	}
	return nil
}

// CheckLoopback reports a host:port that is not on this machine.
func CheckLoopback(key, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil || !IsLoopback(host) {
		return fmt.Errorf("%s: must be host:port on loopback, such as 127.0.0.1:0", key)
	}
	return nil
}

// IsLoopback reports whether host is a loopback address or localhost.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || (err == nil && addr.IsLoopback())
}

func isHTTPURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

func isKey(s string) bool {
	if b, err := hex.DecodeString(s); err == nil && len(b) == 32 {
		return true
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(s); err == nil && len(b) == 32 {
			return true
		}
	}
	return false
}
