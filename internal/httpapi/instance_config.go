package httpapi

import (
	"context"

	"github.com/chasqui/chasqui/internal/instance"
)

func (a *api) configRoutes(tag string) {
	const (
		getSettingsFailed = "Failed to get settings configuration"
		getProxyFailed    = "Failed to get proxy configuration"
	)
	register(a, operation{
		method: "GET", path: "/api/instance/getSettings/{instance}", tag: tag, summary: "Read the settings",
		auth: authAny, lookup: getSettingsFailed, failure: getSettingsFailed,
	}, getSettings)
	register(a, operation{
		method: "POST", path: "/api/instance/settings/{instance}", tag: tag, summary: "Change any of the settings",
		auth: authAny, body: bodyRequired, failure: "Failed to update settings configuration",
	}, a.updateSettings)
	register(a, operation{
		method: "GET", path: "/api/instance/getProxy/{instance}", tag: tag, summary: "Read the proxy",
		auth: authAny, lookup: getProxyFailed, failure: getProxyFailed,
	}, getProxy)
	register(a, operation{
		method: "POST", path: "/api/instance/proxy/{instance}", tag: tag, summary: "Set or clear the proxy",
		auth: authAny, body: bodyRequired, failure: "Failed to update proxy configuration",
	}, a.setProxy)
	a.bucketRoutes(tag)
}

// SettingsBody is any subset of the seven settings.
type SettingsBody struct {
	AutoRejectCalls     *bool   `json:"autoRejectCalls,omitempty"`
	CallRejectMessage   *string `json:"callRejectMessage,omitempty" doc:"At most 1024 characters; empty means none"`
	IgnoreGroupMessages *bool   `json:"ignoreGroupMessages,omitempty"`
	KeepOnlineStatus    *bool   `json:"keepOnlineStatus,omitempty"`
	AutoReadMessages    *bool   `json:"autoReadMessages,omitempty"`
	DisableHistorySync  *bool   `json:"disableHistorySync,omitempty" doc:"Read at pairing only"`
	IgnoreStatus        *bool   `json:"ignoreStatus,omitempty"`
}

// apply changes the settings that the body names.
func (b SettingsBody) apply(s *instance.Settings) {
	set(&s.AutoRejectCalls, b.AutoRejectCalls)
	set(&s.CallRejectMessage, b.CallRejectMessage)
	set(&s.IgnoreGroupMessages, b.IgnoreGroupMessages)
	set(&s.KeepOnlineStatus, b.KeepOnlineStatus)
	set(&s.AutoReadMessages, b.AutoReadMessages)
	set(&s.DisableHistorySync, b.DisableHistorySync)
	set(&s.IgnoreStatus, b.IgnoreStatus)
}

func set[T any](dst *T, given *T) {
	if given != nil {
		*dst = *given
	}
}

// SettingsAnswer shows all seven settings.
type SettingsAnswer struct {
	Envelope
	Settings SettingsView `json:"settings"`
}

func getSettings(_ context.Context, c *call, _ *none) (SettingsAnswer, error) {
	return SettingsAnswer{
		Envelope: success("Settings retrieved successfully"),
		Settings: SettingsView(c.instance.Settings),
	}, nil
}

func (a *api) updateSettings(ctx context.Context, c *call, b *SettingsBody) (SettingsAnswer, error) {
	settings, err := a.Instances.UpdateSettings(ctx, c.instance, instance.SettingsPatch(*b))
	return SettingsAnswer{
		Envelope: success("Settings updated successfully"),
		Settings: SettingsView(settings),
	}, err
}

// ProxyBody is the request of POST /api/instance/proxy. Enabled needs host,
// port and protocol; disabled clears all.
type ProxyBody struct {
	Enabled  *bool   `json:"enabled" required:"true" nullable:"false"`
	Host     *string `json:"host,omitempty"`
	Port     port    `json:"port,omitempty"`
	Protocol *string `json:"protocol,omitempty" doc:"http, https or socks5"`
	Username *string `json:"username,omitempty"`
	Password *string `json:"password,omitempty" doc:"Never shown again"`
}

// ProxyAnswer shows the proxy without its password.
type ProxyAnswer struct {
	Envelope
	Proxy ProxyView `json:"proxy"`
}

func getProxy(_ context.Context, c *call, _ *none) (ProxyAnswer, error) {
	return ProxyAnswer{
		Envelope: success("Proxy configuration retrieved successfully"),
		Proxy:    viewProxy(c.instance.Proxy),
	}, nil
}

func (a *api) setProxy(ctx context.Context, c *call, b *ProxyBody) (ProxyAnswer, error) {
	var wanted instance.Proxy
	if deref(b.Enabled) {
		wanted = instance.Proxy{
			Enabled: true, Host: deref(b.Host), Port: string(b.Port),
			Protocol: deref(b.Protocol), Username: deref(b.Username), Password: deref(b.Password),
		}
	}
	stored, err := a.Instances.SetProxy(ctx, c.instance, wanted)
	return ProxyAnswer{
		Envelope: success("Proxy configuration updated successfully"),
		Proxy:    viewProxy(stored),
	}, err
}
