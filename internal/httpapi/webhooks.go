package httpapi

import (
	"context"
	"log/slog"
	"strings"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/webhook"
)

const saveWebhookFailed = "Failed to save webhook configuration"

func (a *api) webhookRoutes() {
	const tag = "Events"
	register(a, operation{
		method: "POST", path: "/api/events/webhook/{instance}", tag: tag,
		summary: "Set a webhook, by its label", auth: authAny, body: bodyRequired,
		lookup: getInstanceFailed, failure: saveWebhookFailed,
	}, a.setWebhook)
	// One path with two shapes of answer: a list, or with ?label= one webhook.
	register(a, operation{
		method: "GET", path: "/api/events/getWebhook/{instance}", tag: tag,
		summary: "List the webhooks, or read one", auth: authAny,
		lookup: getInstanceFailed, failure: "Failed to get webhook configuration",
		params: []param{{"label", "The webhook to read; without it all are listed"}},
	}, a.getWebhook)
	register(a, operation{
		method: "GET", path: "/api/events/deliveries/{instance}", tag: tag,
		summary: "Read the delivery log, newest first", auth: authAny, lookup: getInstanceFailed,
		params: []param{
			{"label", "Only deliveries of this webhook"},
			{"state", "pending, delivered or dead"},
			{"event", "Only deliveries of this event type"},
			{"cursor", "meta.nextCursor of the page before; a page may be short of limit and not the last"},
			{"limit", "Deliveries on a page, 1 to 200; 50 without it"},
		},
	}, a.listDeliveries)
	register(a, operation{
		method: "POST", path: "/api/events/redeliver/{instance}", tag: tag,
		summary: "Send a delivery again, or all dead ones of a webhook", auth: authAny, body: bodyRequired,
		lookup: getInstanceFailed,
	}, a.redeliver)
}

// WebhookBody is the request of POST /api/events/webhook. It replaces the
// webhook of its label whole, but for the secret.
type WebhookBody struct {
	Label         *string           `json:"label,omitempty" doc:"1 to 64 of A-Z a-z 0-9 _ . -; default if absent"`
	Enabled       *bool             `json:"enabled" required:"true" nullable:"false"`
	URL           *string           `json:"url,omitempty" doc:"Absolute, http or https; required when enabled"`
	Authorization *string           `json:"authorization,omitempty" doc:"Sent verbatim as the Authorization header"`
	ByEvents      *bool             `json:"byEvents,omitempty" doc:"Append the event's name to the path of the URL"`
	Events        []event.Type      `json:"events,omitempty" enum:"message.exchange,message.status,call.update,group.flow,instance.state,label.update" doc:"Names of event types; absent or empty means all six"`
	MediaBase64   *bool             `json:"mediaBase64,omitempty"`
	Secret        kept[string]      `json:"secret,omitempty" doc:"whsec_ and the base64 of 24 to 64 bytes: deliveries are signed with it. Absent keeps the stored one, null removes it"`
	Headers       map[string]string `json:"headers,omitempty" doc:"Up to 20 extra headers"`
	Ordering      *string           `json:"ordering,omitempty" enum:"strict,relaxed" doc:"What may overtake a failed delivery; strict if absent"`
}

// WebhookConfigView is a webhook with everything that can be set, but for the
// secret, and how it is doing. Reason is why it is paused, or why its receiver
// had it disabled.
type WebhookConfigView struct {
	WebhookView
	SecretSet bool              `json:"secretSet"`
	Headers   map[string]string `json:"headers" nullable:"false"`
	Ordering  string            `json:"ordering" enum:"strict,relaxed"`
	Paused    bool              `json:"paused"`
	Reason    *string           `json:"reason"`
}

// WebhookAnswer shows one webhook as persisted.
type WebhookAnswer struct {
	Envelope
	Webhook WebhookConfigView `json:"webhook"`
}

// WebhooksAnswer shows one webhook if one was asked for, else all by label.
type WebhooksAnswer struct {
	Envelope
	Webhook  *WebhookConfigView   `json:"webhook,omitempty"`
	Webhooks *[]WebhookConfigView `json:"webhooks,omitempty"`
}

func (a *api) setWebhook(ctx context.Context, c *call, b *WebhookBody) (WebhookAnswer, error) {
	stored, err := a.Webhooks.Set(ctx, c.instance.ID, webhook.Set{
		Label: b.Label, Enabled: b.Enabled, URL: b.URL, Authorization: b.Authorization,
		ByEvents: b.ByEvents, Events: b.Events, MediaBase64: b.MediaBase64,
		Secret: b.Secret.value, SecretGiven: b.Secret.given, Headers: b.Headers, Ordering: b.Ordering,
	})
	return WebhookAnswer{
		Envelope: success("Webhook configuration updated"),
		Webhook:  viewWebhookConfig(stored),
	}, err
}

func (a *api) getWebhook(ctx context.Context, c *call, _ *none) (WebhooksAnswer, error) {
	answer := WebhooksAnswer{Envelope: success("Webhook configuration retrieved")}
	if c.query.Has("label") {
		w, err := a.Webhooks.Get(ctx, c.instance.ID, c.query.Get("label"))
		view := viewWebhookConfig(w)
		answer.Webhook = &view
		return answer, err
	}
	list, err := a.Webhooks.List(ctx, c.instance.ID)
	views := make([]WebhookConfigView, 0, len(list))
	for _, w := range list {
		views = append(views, viewWebhookConfig(w))
	}
	answer.Webhooks = &views
	return answer, err
}

// viewWebhook is what instances show of a webhook.
func viewWebhook(w webhook.Webhook) WebhookView {
	return WebhookView{
		Label: w.Label, Enabled: w.Enabled, URL: w.URL, Authorization: w.Authorization,
		ByEvents: w.ByEvents, Events: w.Events, MediaBase64: w.MediaBase64,
	}
}

func viewWebhookConfig(w webhook.Webhook) WebhookConfigView {
	return WebhookConfigView{
		WebhookView: viewWebhook(w),
		SecretSet:   w.Secret != "", Headers: w.Headers, Ordering: string(w.Ordering),
		Paused: w.Paused, Reason: optional(w.Reason),
	}
}

// defaultWebhook is the webhook that list shows: the one labelled default, or a
// disabled one if it was never configured.
func (a *api) defaultWebhook(ctx context.Context, instanceID string) (WebhookView, error) {
	w, err := a.Webhooks.Get(ctx, instanceID, webhook.DefaultLabel)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return disabledWebhook(), nil
	case err != nil:
		return WebhookView{}, err
	}
	return viewWebhook(w), nil
}

// addWebhook stores the block of a new instance, unless something is wrong with
// it: then the instance stays and nothing of the block is kept.
func (a *api) addWebhook(ctx context.Context, b *CreateBody, in instance.Instance, answer *CreateAnswer) *WebhookView {
	view := disabledWebhook()
	before := len(answer.Warnings)
	answer.warn("webhookEnabled", b.WebhookEnabled.problem)
	answer.warn("webhookURL", b.WebhookURL.problem)
	answer.warn("webhookAuthorization", b.WebhookAuthorization.problem)
	answer.warn("webhookByEvents", b.WebhookByEvents.problem)
	answer.warn("webhookEvents", b.WebhookEvents.problem)
	answer.warn("webhookMediaBase64", b.WebhookMediaBase64.problem)
	if len(answer.Warnings) > before {
		return &view
	}
	enabled := true
	stored, err := a.Webhooks.Set(ctx, in.ID, webhook.Set{
		Enabled: &enabled, URL: b.WebhookURL.value, Authorization: b.WebhookAuthorization.value,
		ByEvents: &b.WebhookByEvents.value, Events: b.WebhookEvents.value, MediaBase64: &b.WebhookMediaBase64.value,
	})
	if err != nil {
		a.warnOfWebhook(ctx, in.ID, err, answer)
		return &view
	}
	view = viewWebhook(stored)
	return &view
}

// warnOfWebhook says what kept the block from being stored, in the names of the
// block's fields.
func (a *api) warnOfWebhook(ctx context.Context, instanceID string, err error, answer *CreateAnswer) {
	f := fault.Of(err, saveWebhookFailed)
	switch {
	case f.Kind == fault.Internal:
		a.log.ErrorContext(ctx, "webhook block not stored", slog.String("instance", instanceID),
			slog.Any("error", f.Cause), requestAttr(ctx))
		answer.warn("webhookEnabled", f.Message)
	case len(f.Details) == 0: // the address is refused
		answer.warn("webhookURL", f.Message)
	}
	for _, d := range f.Details {
		answer.warn(blockField(d.Field), d.Reason)
	}
}

// blockField is the name of a webhook's field in the block of a new instance:
// events[0] is webhookEvents.
func blockField(name string) string {
	name, _, _ = strings.Cut(name, "[")
	if name == "url" {
		return "webhookURL"
	}
	return "webhook" + strings.ToUpper(name[:1]) + name[1:]
}
