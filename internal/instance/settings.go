package instance

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chasqui/chasqui/internal/fault"
)

const (
	maxRejectMessage = 1024 // characters
	maxPort          = 65535
)

// UpdateSettings applies the patch at once and returns all seven settings.
func (s *Service) UpdateSettings(ctx context.Context, in Instance, p SettingsPatch) (Settings, error) {
	if p == (SettingsPatch{}) {
		return Settings{}, fault.InvalidBody(fault.Detail{Field: "body", Reason: "at least one setting is required"})
	}
	if details := checkSettings(p.over(Settings{})); details != nil {
		return Settings{}, fault.InvalidBody(details...)
	}
	v, err := s.supervisor(in.ID)
	if err != nil {
		return Settings{}, err
	}
	return call(ctx, v, func() (Settings, error) { return v.updateSettings(p) })
}

func (v *supervisor) updateSettings(p SettingsPatch) (Settings, error) {
	now, settings := time.Now().UTC(), p.over(v.rec.Settings)
	if err := v.svc.store.UpdateSettings(v.svc.base, v.id, settings, now); err != nil {
		return Settings{}, fault.Of(err, "Failed to update settings configuration")
	}
	v.update(func(in *Instance) { in.Settings, in.UpdatedAt = settings, now })
	if v.client != nil {
		v.client.Apply(v.svc.base, settings)
	}
	return settings, nil
}

// over returns s with the fields of the patch changed.
func (p SettingsPatch) over(s Settings) Settings {
	set(&s.AutoRejectCalls, p.AutoRejectCalls)
	set(&s.CallRejectMessage, p.CallRejectMessage)
	set(&s.IgnoreGroupMessages, p.IgnoreGroupMessages)
	set(&s.KeepOnlineStatus, p.KeepOnlineStatus)
	set(&s.AutoReadMessages, p.AutoReadMessages)
	set(&s.DisableHistorySync, p.DisableHistorySync)
	set(&s.IgnoreStatus, p.IgnoreStatus)
	return s
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

func checkSettings(s Settings) []fault.Detail {
	if utf8.RuneCountInString(s.CallRejectMessage) <= maxRejectMessage {
		return nil
	}
	return []fault.Detail{{
		Field: "callRejectMessage", Reason: fmt.Sprintf("at most %d characters", maxRejectMessage),
	}}
}

// SetProxy stores the proxy; it applies from the next connect. Protocol may be
// in any case; a disabled proxy is stored empty.
func (s *Service) SetProxy(ctx context.Context, in Instance, p Proxy) (Proxy, error) {
	p, err := s.checkProxy(p, "")
	if err != nil {
		return Proxy{}, err
	}
	v, err := s.supervisor(in.ID)
	if err != nil {
		return Proxy{}, err
	}
	return call(ctx, v, func() (Proxy, error) { return v.setProxy(p) })
}

func (v *supervisor) setProxy(p Proxy) (Proxy, error) {
	now := time.Now().UTC()
	if err := v.svc.store.UpdateProxy(v.svc.base, v.id, p, now); err != nil {
		return Proxy{}, fault.Of(err, "Failed to update proxy configuration")
	}
	v.update(func(in *Instance) { in.Proxy, in.UpdatedAt = p, now })
	return p, nil
}

// checkProxy returns the proxy in its canonical form, or every fault in it.
// prefix is what the route puts before the names of the fields: in
// POST /api/instance/new host is called proxyHost.
func (s *Service) checkProxy(p Proxy, prefix string) (Proxy, error) {
	if !p.Enabled {
		return Proxy{}, nil
	}
	p.Protocol = strings.ToLower(p.Protocol)
	var details []fault.Detail
	wrong := func(field, reason string) {
		if prefix != "" {
			field = prefix + strings.ToUpper(field[:1]) + field[1:]
		}
		details = append(details, fault.Detail{Field: field, Reason: reason})
	}
	if reason := s.proxyHostFault(p.Host); reason != "" {
		wrong("host", reason)
	}
	if port, err := strconv.ParseUint(p.Port, 10, 16); err != nil || port == 0 {
		wrong("port", fmt.Sprintf("must be a port number, 1 to %d, as a string", maxPort))
	}
	switch p.Protocol {
	case "http", "https", "socks5":
	default:
		wrong("protocol", "must be http, https or socks5")
	}
	if len(details) > 0 {
		return Proxy{}, fault.InvalidBody(details...)
	}
	return p, nil
}

// proxyHostFault says what is wrong with a proxy's host, nothing if it is a
// name or an address that may be used.
func (s *Service) proxyHostFault(host string) string {
	switch {
	case host == "":
		return "is required"
	case net.ParseIP(host) == nil && strings.Trim(host, hostLetters) != "":
		return "must be a host name or an IP address"
	case s.opts.CheckProxyHost != nil:
		if err := s.opts.CheckProxyHost(host); err != nil {
			return err.Error()
		}
	}
	return ""
}

const hostLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

// proxyURL is what the client is given for an instance's proxy: that one, else
// the server's. It may hold credentials.
func (s *Service) proxyURL(p Proxy) string {
	switch {
	case s.opts.IgnoreProxies:
		return ""
	case !p.Enabled:
		return s.opts.ServerProxy
	}
	u := url.URL{Scheme: p.Protocol, Host: net.JoinHostPort(p.Host, p.Port)}
	if p.Username != "" || p.Password != "" {
		u.User = url.UserPassword(p.Username, p.Password)
	}
	return u.String()
}
