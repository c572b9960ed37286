package httpapi

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
)

const noGateway = "integration gateway not configured"

// CreateBody is the request of POST /api/instance/new. The blocks of webhook,
// websocket and chatwoot never stop the creation, so their fields are loose.
type CreateBody struct {
	Name  *string `json:"name" nullable:"false" doc:"1 to 100 of A-Z a-z 0-9 _ . -, beginning with a letter or digit"`
	Token *string `json:"token,omitempty" doc:"16 to 256 of A-Z a-z 0-9 . _ ~ + / = -; drawn at random if absent"`

	ProxyEnabled  *bool   `json:"proxyEnabled,omitempty"`
	ProxyHost     *string `json:"proxyHost,omitempty"`
	ProxyPort     port    `json:"proxyPort,omitempty"`
	ProxyProtocol *string `json:"proxyProtocol,omitempty" doc:"http, https or socks5"`
	ProxyUsername *string `json:"proxyUsername,omitempty"`
	ProxyPassword *string `json:"proxyPassword,omitempty"`

	WebhookEnabled       loose[bool]         `json:"webhookEnabled,omitempty" doc:"Sets the webhook labelled default"`
	WebhookURL           loose[*string]      `json:"webhookURL,omitempty" doc:"Absolute, http or https"`
	WebhookAuthorization loose[*string]      `json:"webhookAuthorization,omitempty" doc:"Sent verbatim as the Authorization header"`
	WebhookByEvents      loose[bool]         `json:"webhookByEvents,omitempty" doc:"Append the event's name to the path of the URL"`
	WebhookEvents        loose[[]event.Type] `json:"webhookEvents,omitempty" doc:"Names of event types; empty means all six"`
	WebhookMediaBase64   loose[bool]         `json:"webhookMediaBase64,omitempty"`

	WebSocketEnabled     loose[bool]         `json:"websocketEnabled,omitempty"`
	WebSocketEvents      loose[[]event.Type] `json:"websocketEvents,omitempty" doc:"Names of event types; empty means all six"`
	WebSocketMediaBase64 loose[bool]         `json:"websocketMediaBase64,omitempty"`

	SettingsBody

	S3Block

	ChatwootEnabled loose[bool] `json:"chatwootEnabled,omitempty" doc:"Not available yet"`
}

// CreateAnswer is the answer of POST /api/instance/new. Data repeats the token
// for clients that look there.
type CreateAnswer struct {
	Envelope
	Instance CreatedView `json:"instance"`
	Data     TokenData   `json:"data"`
	Warnings []Warning   `json:"warnings,omitempty"`
}

// TokenData holds a token.
type TokenData struct {
	Token string `json:"token"`
}

func (a *api) createInstance(ctx context.Context, c *call, b *CreateBody) (CreateAnswer, error) {
	bucket, err := a.checkBucket(ctx, b.S3Block)
	if err != nil {
		return CreateAnswer{}, err
	}
	in, err := a.Instances.Create(ctx, c.principal.AccountID, c.principal.account.InstanceLimit, b.request())
	if err != nil {
		return CreateAnswer{}, err
	}
	if err := a.addBucket(ctx, in, bucket); err != nil {
		return CreateAnswer{}, err
	}
	status := a.Instances.Status(in)
	answer := CreateAnswer{
		Envelope: success("Instance created successfully"),
		Instance: CreatedView{
			ID: in.ID, Name: in.Name, Token: in.Token,
			Status: status.State, NumberJID: optional(status.NumberJID),
			CreatedAt: stamp(in.CreatedAt), UpdatedAt: stamp(in.UpdatedAt),
		},
		Data: TokenData{Token: in.Token},
	}
	if bucket.Enabled {
		view := viewS3(bucket)
		answer.Instance.S3 = &view
	}
	a.addBlocks(ctx, b, in, &answer)
	return answer, nil
}

// request translates what the instance itself is made of.
func (b *CreateBody) request() instance.New {
	req := instance.New{Name: deref(b.Name), Token: deref(b.Token), Settings: instance.DefaultSettings()}
	b.apply(&req.Settings)
	if deref(b.ProxyEnabled) {
		req.Proxy = instance.Proxy{
			Enabled: true, Host: deref(b.ProxyHost), Port: string(b.ProxyPort),
			Protocol: deref(b.ProxyProtocol), Username: deref(b.ProxyUsername), Password: deref(b.ProxyPassword),
		}
	}
	return req
}

// addBlocks stores the optional blocks and shows those that were asked for.
func (a *api) addBlocks(ctx context.Context, b *CreateBody, in instance.Instance, answer *CreateAnswer) {
	view := &answer.Instance
	if in.Proxy.Enabled {
		proxy := viewProxy(in.Proxy)
		view.Proxy = &proxy
	}
	if b.SettingsBody != (SettingsBody{}) {
		settings := SettingsView(in.Settings)
		view.Settings = &settings
	}
	if asked(b.WebhookEnabled) {
		view.Webhook = a.addWebhook(ctx, b, in, answer)
	}
	if asked(b.WebSocketEnabled) {
		view.WebSocket = a.addWebSocket(ctx, b, in, answer)
	}
	if asked(b.ChatwootEnabled) {
		view.Chatwoot = &ChatwootView{Status: "error", Error: noGateway}
		answer.warn("chatwootEnabled", cmp.Or(b.ChatwootEnabled.problem, noGateway))
	}
}

// addWebSocket stores the block, unless something is wrong with it: then the
// instance stays and nothing of the block is kept.
func (a *api) addWebSocket(ctx context.Context, b *CreateBody, in instance.Instance, answer *CreateAnswer) *WebSocketView {
	view := viewWebSocket(dispatch.WebSocket{})
	events, problem := parseEvents(b.WebSocketEvents.value)
	before := len(answer.Warnings)
	answer.warn("websocketEnabled", b.WebSocketEnabled.problem)
	answer.warn("websocketEvents", cmp.Or(b.WebSocketEvents.problem, problem))
	answer.warn("websocketMediaBase64", b.WebSocketMediaBase64.problem)
	if len(answer.Warnings) > before {
		return &view
	}
	stored, err := a.Channels.SetWebSocket(ctx, in.ID, dispatch.WebSocket{
		Enabled: true, Events: events, MediaBase64: b.WebSocketMediaBase64.value,
	})
	if err != nil {
		a.log.ErrorContext(ctx, "websocket block not stored", slog.String("instance", in.ID),
			slog.Any("error", err), requestAttr(ctx))
		answer.warn("websocketEnabled", saveWebSocketFailed)
		return &view
	}
	view = viewWebSocket(stored)
	return &view
}

// warn adds a warning unless the reason is empty.
func (c *CreateAnswer) warn(field, reason string) {
	if reason != "" {
		c.Warnings = append(c.Warnings, Warning{Field: field, Reason: reason})
	}
}

// asked reports whether a block was asked for, be it wrongly.
func asked(enabled loose[bool]) bool { return enabled.value || enabled.problem != "" }

// deref is the value of an optional field, its zero if absent.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
