package httpapi

import (
	"context"
	"time"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/webhook"
)

// The views are the JSON that users see of an instance. A nil block is absent.

// WebhookView is one webhook. Authorization is null when none is set.
type WebhookView struct {
	Label         string       `json:"label"`
	Enabled       bool         `json:"enabled"`
	URL           string       `json:"url"`
	Authorization *string      `json:"authorization"`
	ByEvents      bool         `json:"byEvents"`
	Events        []event.Type `json:"events" nullable:"false" enum:"message.exchange,message.status,call.update,group.flow,instance.state,label.update"`
	MediaBase64   bool         `json:"mediaBase64"`
}

// WebSocketView is the WebSocket configuration. No events means all six.
type WebSocketView struct {
	Enabled     bool         `json:"enabled"`
	Events      []event.Type `json:"events" nullable:"false" enum:"message.exchange,message.status,call.update,group.flow,instance.state,label.update"`
	MediaBase64 bool         `json:"mediaBase64"`
}

// ChatwootView is the Chatwoot block; Status and Error are set where it failed.
type ChatwootView struct {
	Enabled bool   `json:"enabled"`
	Status  string `json:"status,omitempty"`
	Error   string `json:"error,omitempty"`
}

// S3View is the media bucket. SecretKey is never shown.
type S3View struct {
	Enabled    bool    `json:"enabled"`
	Region     string  `json:"region"`
	Bucket     string  `json:"bucket"`
	AccessKey  string  `json:"accessKey"`
	SecretKey  *string `json:"secretKey"`
	Endpoint   string  `json:"endpoint"`
	PathPrefix string  `json:"pathPrefix"`
}

// ProxyView is the proxy without its password; all but Enabled are null when
// there is none.
type ProxyView struct {
	Enabled  bool    `json:"enabled"`
	Host     *string `json:"host"`
	Port     *string `json:"port"`
	Protocol *string `json:"protocol"`
	Username *string `json:"username"`
}

// ConnectionView is the live side of an instance. DisplayStatus is the state
// for people.
type ConnectionView struct {
	State          instance.State `json:"state"`
	NumberJID      *string        `json:"numberJid"`
	PresenceStatus string         `json:"presenceStatus" enum:"available,unavailable,composing"`
	DisplayStatus  string         `json:"displayStatus"`
}

// ProfileView is how the linked account presents itself.
type ProfileView struct {
	Name         string  `json:"name"`
	PictureURL   *string `json:"pictureUrl"`
	IsBusiness   bool    `json:"isBusiness"`
	BusinessName *string `json:"businessName"`
}

// CreatedView is an instance as its creation answers it: the blocks that were
// asked for and no others.
type CreatedView struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Token     string         `json:"token"`
	Status    instance.State `json:"status"`
	NumberJID *string        `json:"numberJid"`
	Webhook   *WebhookView   `json:"webhook,omitempty"`
	WebSocket *WebSocketView `json:"websocket,omitempty"`
	Chatwoot  *ChatwootView  `json:"chatwoot,omitempty"`
	Proxy     *ProxyView     `json:"proxy,omitempty"`
	Settings  *SettingsView  `json:"settings,omitempty"`
	S3        *S3View        `json:"s3,omitempty"`
	CreatedAt time.Time      `json:"createdAt"`
	UpdatedAt time.Time      `json:"updatedAt"`
}

// SettingsView is the seven settings.
type SettingsView instance.Settings

// InstanceView is an instance with everything about it.
type InstanceView struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Token      string         `json:"token"`
	Status     instance.State `json:"status"`
	NumberJID  *string        `json:"numberJid"`
	Connection ConnectionView `json:"connection"`
	Profile    ProfileView    `json:"profile"`
	Webhook    WebhookView    `json:"webhook"`
	WebSocket  WebSocketView  `json:"websocket"`
	Chatwoot   ChatwootView   `json:"chatwoot"`
	Proxy      ProxyView      `json:"proxy"`
	Settings   SettingsView   `json:"settings"`
	S3         S3View         `json:"s3"`
	CreatedAt  time.Time      `json:"createdAt"`
	UpdatedAt  time.Time      `json:"updatedAt"`
}

// viewOf gathers what list shows of one instance.
func (a *api) viewOf(ctx context.Context, in instance.Instance) (InstanceView, error) {
	ws, _, err := a.Channels.WebSocket(ctx, in.ID)
	if err != nil {
		return InstanceView{}, err
	}
	hook, err := a.defaultWebhook(ctx, in.ID)
	if err != nil {
		return InstanceView{}, err
	}
	bucket, err := a.viewBucket(ctx, in.ID)
	if err != nil {
		return InstanceView{}, err
	}
	status := a.Instances.Status(in)
	return InstanceView{
		ID: in.ID, Name: in.Name, Token: in.Token,
		Status: status.State, NumberJID: optional(status.NumberJID),
		Connection: viewConnection(status),
		Profile:    viewProfile(in.Login),
		Webhook:    hook,
		WebSocket:  viewWebSocket(ws),
		Proxy:      viewProxy(in.Proxy),
		Settings:   SettingsView(in.Settings),
		S3:         bucket,
		CreatedAt:  stamp(in.CreatedAt), UpdatedAt: stamp(in.UpdatedAt),
	}, nil
}

func viewConnection(s instance.Status) ConnectionView {
	v := ConnectionView{
		State: s.State, NumberJID: optional(s.NumberJID),
		PresenceStatus: s.Presence, DisplayStatus: displayStatus(s.State),
	}
	if v.PresenceStatus == "" {
		v.PresenceStatus = "unavailable"
	}
	return v
}

func displayStatus(s instance.State) string {
	switch s {
	case instance.Connecting:
		return "Connecting"
	case instance.Connected:
		return "Connected"
	case instance.LoggedOut:
		return "Logged out"
	}
	return "Disconnected"
}

func viewProfile(l instance.Login) ProfileView {
	return ProfileView{
		Name: l.PushName, PictureURL: optional(l.PictureURL),
		IsBusiness: l.BusinessName != "", BusinessName: optional(l.BusinessName),
	}
}

// viewWebSocket shows the zero configuration as a disabled one.
func viewWebSocket(ws dispatch.WebSocket) WebSocketView {
	v := WebSocketView(ws)
	if v.Events == nil {
		v.Events = []event.Type{}
	}
	return v
}

func viewProxy(p instance.Proxy) ProxyView {
	return ProxyView{
		Enabled: p.Enabled, Host: optional(p.Host), Port: optional(p.Port),
		Protocol: optional(p.Protocol), Username: optional(p.Username),
	}
}

func disabledWebhook() WebhookView {
	return WebhookView{Label: webhook.DefaultLabel, Events: []event.Type{}}
}
