package app

import (
	"context"
	"net/http"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/httpapi"
	"github.com/chasqui/chasqui/internal/hub"
	"github.com/chasqui/chasqui/internal/instance"
)

// observer tells the dispatcher, the library and the hub about instances.
type observer struct{ p *parts }

// InstanceOpened implements instance.Observer.
func (o observer) InstanceOpened(ctx context.Context, in instance.Instance) error {
	if err := o.p.library.OpenInstance(ctx, in.ID, in.Name); err != nil {
		return err
	}
	return o.p.dispatcher.Open(ctx, origin(in))
}

// InstanceTokenChanged implements instance.Observer: sockets opened with the
// old token are closed, those of the account stay.
func (o observer) InstanceTokenChanged(ctx context.Context, in instance.Instance) error {
	err := o.p.dispatcher.Open(ctx, origin(in))
	o.p.hub.RevokeInstance(in.ID)
	return err
}

// InstanceDeleted implements instance.Observer. The rows are gone already, those
// of webhooks and files with them.
func (o observer) InstanceDeleted(ctx context.Context, in instance.Instance) {
	o.p.hub.Forget(in.ID)
	o.p.dispatcher.Close(in.ID)
	if err := o.p.library.DeleteInstance(ctx, in.ID); err != nil {
		o.p.log.ErrorContext(ctx, "files of a deleted instance stay on the disk", "instance_id", in.ID, "error", err)
	}
}

func origin(in instance.Instance) dispatch.Origin {
	return dispatch.Origin{InstanceID: in.ID, Name: in.Name, Token: in.Token}
}

// sockets gives the API the hub, in the API's own words.
type sockets struct{ hub *hub.Hub }

// Serve implements httpapi.Sockets.
func (s sockets) Serve(w http.ResponseWriter, r *http.Request, instanceID string, by httpapi.Owner) error {
	return s.hub.Serve(w, r, instanceID, hub.Owner(by))
}

// Count implements httpapi.Sockets.
func (s sockets) Count(instanceID string) int { return s.hub.Count(instanceID) }

// Full implements httpapi.Sockets.
func (s sockets) Full(instanceID string) bool { return s.hub.Full(instanceID) }

// Clients implements httpapi.Sockets.
func (s sockets) Clients(instanceID string) []httpapi.Client {
	clients := s.hub.Clients(instanceID)
	out := make([]httpapi.Client, len(clients))
	for i, c := range clients {
		out[i] = httpapi.Client(c)
	}
	return out
}

// Close implements httpapi.Sockets.
func (s sockets) Close(instanceID, clientID string, code int) int {
	return s.hub.Close(instanceID, clientID, code)
}
