package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
)

const (
	getInstanceFailed   = "Failed to get instance"
	saveWebSocketFailed = "Failed to save websocket configuration"
	// closeByAPI is the WebSocket close code of clients closed through the API.
	closeByAPI = 4403
)

func (a *api) eventRoutes() {
	const tag = "Events"
	for _, spelling := range []string{"websocket", "setWebsocket"} {
		register(a, operation{
			method: "POST", path: "/api/events/" + spelling + "/{instance}", tag: tag,
			summary: "Set the WebSocket configuration", auth: authAny, body: bodyRequired,
			lookup: getInstanceFailed, failure: saveWebSocketFailed,
		}, a.setWebSocket)
	}
	register(a, operation{
		method: "GET", path: "/api/events/getWebsocket/{instance}", tag: tag,
		summary: "Read the WebSocket configuration", auth: authAny,
		lookup: getInstanceFailed, failure: "Failed to get websocket configuration",
	}, a.getWebSocket)
	register(a, operation{
		method: "POST", path: "/api/events/ticket/{instance}", tag: tag,
		summary: "Make a one-time ticket for a browser", auth: authAny, lookup: getInstanceFailed,
	}, a.createTicket)
	register(a, operation{
		method: "GET", path: "/api/events/clients/{instance}", tag: tag,
		summary: "List the connected WebSocket clients", auth: authAny, lookup: getInstanceFailed,
	}, a.listClients)
	register(a, operation{
		method: "DELETE", path: "/api/events/clients/{instance}", tag: tag,
		summary: "Close all WebSocket clients, or one", auth: authAny, lookup: getInstanceFailed,
		params: []param{{"id", "The client to close; without it all are closed"}},
	}, a.closeClients)
	register(a, operation{
		method: "GET", path: "/api/events/schema", tag: tag,
		summary: "JSON Schemas of the event types", auth: authNone,
	}, a.eventSchemas)
}

// WebSocketBody is the request of POST /api/events/websocket. It replaces the
// configuration whole.
type WebSocketBody struct {
	Enabled     *bool        `json:"enabled" required:"true" nullable:"false"`
	Events      []event.Type `json:"events,omitempty" enum:"message.exchange,message.status,call.update,group.flow,instance.state,label.update" doc:"Names of event types; absent or empty means all six"`
	MediaBase64 *bool        `json:"mediaBase64,omitempty"`
}

// WebSocketAnswer shows the configuration as persisted.
type WebSocketAnswer struct {
	Envelope
	WebSocket WebSocketView `json:"websocket"`
}

func (a *api) setWebSocket(ctx context.Context, c *call, b *WebSocketBody) (WebSocketAnswer, error) {
	events, problem := parseEvents(b.Events)
	if problem != "" {
		return WebSocketAnswer{}, invalidField("events", problem)
	}
	wanted := dispatch.WebSocket{Enabled: *b.Enabled, Events: []event.Type{}}
	if wanted.Enabled {
		wanted.Events, wanted.MediaBase64 = events, deref(b.MediaBase64)
	}
	stored, err := a.Channels.SetWebSocket(ctx, c.instance.ID, wanted)
	return WebSocketAnswer{
		Envelope:  success("WebSocket configuration updated"),
		WebSocket: viewWebSocket(stored),
	}, err
}

// parseEvents checks the names and drops repeats, keeping the order. The
// problem does not repeat what was sent.
func parseEvents(names []event.Type) (kept []event.Type, problem string) {
	kept = make([]event.Type, 0, len(names))
	for _, name := range names {
		if !name.Valid() {
			return nil, "must be among " + event.AllowedNames()
		}
		if !slices.Contains(kept, name) {
			kept = append(kept, name)
		}
	}
	return kept, ""
}

func (a *api) getWebSocket(ctx context.Context, c *call, _ *none) (WebSocketAnswer, error) {
	ws, found, err := a.Channels.WebSocket(ctx, c.instance.ID)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "WebSocket not configured for this instance")
	}
	return WebSocketAnswer{
		Envelope:  success("WebSocket configuration retrieved"),
		WebSocket: viewWebSocket(ws),
	}, err
}

// TicketAnswer holds a ticket for GET /ws/{instance}?ticket=. ExpiresIn is in
// seconds.
type TicketAnswer struct {
	Envelope
	Ticket    string `json:"ticket"`
	ExpiresIn int    `json:"expiresIn"`
}

func (a *api) createTicket(_ context.Context, c *call, _ *none) (TicketAnswer, error) {
	return TicketAnswer{
		Envelope:  success("Ticket created"),
		Ticket:    a.tickets.issue(c.principal, c.instance.Name),
		ExpiresIn: int(ticketLife / time.Second),
	}, nil
}

// ClientsAnswer lists the WebSocket clients of an instance.
type ClientsAnswer struct {
	Envelope
	Clients []ClientView `json:"clients" nullable:"false"`
	Meta    Meta         `json:"meta"`
}

// ClientView is one WebSocket client. Pending is how many messages wait for it.
type ClientView struct {
	ID            string    `json:"id"`
	RemoteAddress string    `json:"remoteAddress"`
	UserAgent     string    `json:"userAgent"`
	TokenType     string    `json:"tokenType" enum:"account,instance"`
	ConnectedAt   time.Time `json:"connectedAt"`
	FramesSent    int64     `json:"framesSent"`
	BytesSent     int64     `json:"bytesSent"`
	Pending       int       `json:"pending"`
}

func (a *api) listClients(_ context.Context, c *call, _ *none) (ClientsAnswer, error) {
	clients := a.Sockets.Clients(c.instance.ID)
	views := make([]ClientView, 0, len(clients))
	for _, client := range clients {
		client.ConnectedAt = stamp(client.ConnectedAt)
		views = append(views, ClientView(client))
	}
	return ClientsAnswer{
		Envelope: success(fmt.Sprintf("%d clients connected", len(views))),
		Clients:  views, Meta: Meta{Total: len(views)},
	}, nil
}

// ClosedAnswer says how many clients were closed.
type ClosedAnswer struct {
	Envelope
	Closed int `json:"closed"`
}

// closeClients closes all clients only if no ID is asked for at all: an empty
// one is a mistake of the caller's and matches nobody.
func (a *api) closeClients(_ context.Context, c *call, _ *none) (ClosedAnswer, error) {
	unknown := fault.New(fault.NotFound, "Client not found")
	id, one := c.query.Get("id"), c.query.Has("id")
	if one && id == "" {
		return ClosedAnswer{}, unknown
	}
	closed := a.Sockets.Close(c.instance.ID, id, closeByAPI)
	if one && closed == 0 {
		return ClosedAnswer{}, unknown
	}
	return ClosedAnswer{
		Envelope: success(fmt.Sprintf("%d clients disconnected", closed)),
		Closed:   closed,
	}, nil
}

// SchemasAnswer holds a JSON Schema for each event type.
type SchemasAnswer struct {
	Envelope
	Schemas map[event.Type]json.RawMessage `json:"schemas" nullable:"false"`
}

func (a *api) eventSchemas(context.Context, *call, *none) (SchemasAnswer, error) {
	return SchemasAnswer{Envelope: success("Event schemas retrieved"), Schemas: a.Schemas}, nil
}
