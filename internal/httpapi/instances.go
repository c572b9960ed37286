package httpapi

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"rsc.io/qr"

	"github.com/chasqui/chasqui/internal/instance"
)

func (a *api) instanceRoutes() {
	const tag = "Instances"
	register(a, operation{
		method: "POST", path: "/api/instance/new", tag: tag, summary: "Create an instance",
		auth: authAccount, body: bodyRequired, status: http.StatusCreated, creates: true,
		failure: "Failed to create instance: ",
	}, a.createInstance)
	register(a, operation{
		method: "GET", path: "/api/instance/list", tag: tag, summary: "List instances and their state",
		params: []param{{"instanceName", "One name or a comma list; empty means all"}},
		auth:   authAny,
	}, a.listInstances)
	register(a, operation{
		method: "GET", path: "/api/instance/connect/{instance}", tag: tag,
		summary: "Connect, with a QR or pairing code if no phone is linked",
		params: []param{
			{"number", "Phone number: asks for a pairing code instead of a QR code"},
			{"history", "Days of history to ask for at first pairing, 1 to 365"},
		},
		auth: authAny, failure: "Failed to connect: ",
	}, a.connect)
	register(a, operation{
		method: "POST", path: "/api/instance/reconnect/{instance}", tag: tag, summary: "Resume the stored login",
		auth: authAny, failure: "Failed to reconnect: ",
	}, a.reconnect)
	register(a, operation{
		method: "DELETE", path: "/api/instance/logout/{instance}", tag: tag, summary: "Unlink the device",
		auth: authAny, failure: "Failed to logout instance",
	}, a.logout)
	register(a, operation{
		method: "DELETE", path: "/api/instance/delete/{instance}", tag: tag, summary: "Remove the instance and all of its data",
		auth: authAccount, failure: "Failed to delete instance: ",
	}, a.deleteInstance)
	register(a, operation{
		method: "POST", path: "/api/instance/rotateToken/{instance}", tag: tag, summary: "Replace the instance's token",
		auth: authAccount, body: bodyOptional,
	}, a.rotateToken)
	a.configRoutes(tag)
}

// ListAnswer is the answer of GET /api/instance/list, ordered by name.
type ListAnswer struct {
	Envelope
	Instances []InstanceView `json:"instances" nullable:"false"`
	Meta      Meta           `json:"meta"`
}

// Meta counts what a list holds.
type Meta struct {
	Total int `json:"total"`
}

func (a *api) listInstances(ctx context.Context, c *call, _ *none) (ListAnswer, error) {
	list := []instance.Instance{c.principal.own}
	if c.principal.TokenType == TokenAccount {
		var err error
		if list, err = a.Instances.List(ctx, c.principal.AccountID, splitNames(c.query["instanceName"])); err != nil {
			return ListAnswer{}, err
		}
	}
	views := make([]InstanceView, 0, len(list))
	for _, in := range list {
		view, err := a.viewOf(ctx, in)
		if err != nil {
			return ListAnswer{}, err
		}
		views = append(views, view)
	}
	message := fmt.Sprintf("%d Instances found", len(views))
	if len(views) == 1 {
		message = "1 Instance found"
	}
	return ListAnswer{Envelope: success(message), Instances: views, Meta: Meta{Total: len(views)}}, nil
}

// splitNames reads comma lists, spaces allowed.
func splitNames(values []string) []string {
	var names []string
	for _, name := range strings.Split(strings.Join(values, ","), ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// ConnectAnswer is the answer of GET /api/instance/connect: a QR code, a
// pairing code or, already connected, the instance. ExpiresIn is in seconds.
type ConnectAnswer struct {
	Envelope
	QRCode       string         `json:"qrCode,omitempty" doc:"What the QR image holds, exactly as WhatsApp gave it"`
	QRCodeBase64 string         `json:"qrCodeBase64,omitempty" doc:"PNG as a data URL"`
	PairingCode  string         `json:"pairingCode,omitempty"`
	Status       string         `json:"status" enum:"qr,connecting,connected"`
	ExpiresIn    *int           `json:"expiresIn,omitempty"`
	Instance     *ConnectedView `json:"instance,omitempty"`
}

// ConnectedView names the number that an instance is connected as.
type ConnectedView struct {
	Name      string  `json:"name"`
	NumberJID *string `json:"numberJid"`
}

func (a *api) connect(ctx context.Context, c *call, _ *none) (ConnectAnswer, error) {
	days, err := historyDays(c.query)
	if err != nil {
		return ConnectAnswer{}, err
	}
	req := instance.ConnectRequest{Number: c.query.Get("number"), HistoryDays: days}
	result, err := a.Instances.Connect(ctx, c.instance, req)
	if err != nil {
		return ConnectAnswer{}, err
	}
	switch {
	case result.Connected:
		number := optional(a.Instances.Status(c.instance).NumberJID)
		return ConnectAnswer{
			Envelope: success("Instance already connected"), Status: "connected",
			Instance: &ConnectedView{Name: c.instance.Name, NumberJID: number},
		}, nil
	case result.PairingCode != "":
		return ConnectAnswer{
			Envelope: success("Pairing code generated"), Status: "connecting",
			PairingCode: result.PairingCode, ExpiresIn: &result.ExpiresIn,
		}, nil
	}
	image, err := qrDataURL(result.QRCode)
	return ConnectAnswer{
		Envelope: success("QR code generated"), Status: "qr",
		QRCode: result.QRCode, QRCodeBase64: image, ExpiresIn: &result.ExpiresIn,
	}, err
}

// historyDays reads ?history=; absent is 0.
func historyDays(query url.Values) (int, error) {
	text := query.Get("history")
	if text == "" {
		return 0, nil
	}
	days, err := strconv.Atoi(text)
	if err != nil || days < 1 || days > 365 {
		return 0, invalidField("history", "must be a number of days from 1 to 365")
	}
	return days, nil
}

// qrDataURL draws the code as a PNG.
func qrDataURL(text string) (string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", fmt.Errorf("draw QR code: %w", err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG()), nil
}

// StatusAnswer is an answer with nothing but a state.
type StatusAnswer struct {
	Envelope
	Status string `json:"status"`
}

func (a *api) reconnect(ctx context.Context, c *call, _ *none) (StatusAnswer, error) {
	err := a.Instances.Reconnect(ctx, c.instance)
	return StatusAnswer{Envelope: success("Reconnect initiated"), Status: "connecting"}, err
}

// GoneAnswer is the answer of logout and delete.
type GoneAnswer struct {
	Envelope
	Instance GoneView  `json:"instance"`
	Warnings []Warning `json:"warnings,omitempty"`
}

// GoneView is what became of the instance.
type GoneView struct {
	Status string `json:"status" enum:"loggedout,deleted"`
}

func (a *api) logout(ctx context.Context, c *call, _ *none) (GoneAnswer, error) {
	warning, err := a.Instances.Logout(ctx, c.instance)
	answer := GoneAnswer{Envelope: success("Instance logged out"), Instance: GoneView{Status: string(instance.LoggedOut)}}
	if warning != "" {
		answer.Warnings = []Warning{{Field: "device", Reason: warning}}
	}
	return answer, err
}

func (a *api) deleteInstance(ctx context.Context, c *call, _ *none) (GoneAnswer, error) {
	err := a.Instances.Delete(ctx, c.instance)
	return GoneAnswer{Envelope: success("Instance deleted"), Instance: GoneView{Status: "deleted"}}, err
}

// RotateBody is the request of POST /api/instance/rotateToken.
type RotateBody struct {
	Token *string `json:"token,omitempty" doc:"16 to 256 of A-Z a-z 0-9 . _ ~ + / = -; drawn at random if absent"`
}

// RotateAnswer shows the new token.
type RotateAnswer struct {
	Envelope
	Instance NamedToken `json:"instance"`
}

// NamedToken is an instance and its token.
type NamedToken struct {
	Name  string `json:"name"`
	Token string `json:"token"`
}

func (a *api) rotateToken(ctx context.Context, c *call, b *RotateBody) (RotateAnswer, error) {
	in, err := a.Instances.RotateToken(ctx, c.instance, deref(b.Token))
	return RotateAnswer{
		Envelope: success("Instance token rotated"),
		Instance: NamedToken{Name: in.Name, Token: in.Token},
	}, err
}
