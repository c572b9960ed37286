package app

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/chasqui/chasqui/internal/config"
	"github.com/chasqui/chasqui/internal/egress"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/httpapi"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/sandbox"
	"github.com/chasqui/chasqui/wasim"
)

// network is the simulated WhatsApp network that a sandbox speaks to: one of
// its own, or one in another process.
type network struct {
	server *wasim.Server // nil: in another process
	url    string
}

// newNetwork opens the network of a sandbox, nil for a live gateway. From here
// on this process trusts the simulated network, and never the real one.
func newNetwork(opts *config.Sandbox, log *slog.Logger) (*network, error) {
	if opts == nil {
		return nil, nil
	}
	wasim.Install()
	if opts.Network != "" {
		return &network{url: opts.Network}, nil
	}
	server, err := wasim.New(wasim.Options{Logger: log, FewPreKeys: true})
	if err != nil {
		return nil, err
	}
	return &network{server: server, url: server.URL()}, nil
}

func (n *network) own() bool { return n.server != nil }

func (n *network) httpClient() *http.Client { return wasim.HTTPClient(n.url) }

// Start has nothing to do: the network runs since it was made.
func (n *network) Start(context.Context) error { return nil }

// Stop closes the sandbox's own network.
func (n *network) Stop(context.Context) error {
	if n.server == nil {
		return nil
	}
	return n.server.Close()
}

// sandboxRoutes are the gateway's own /sandbox routes.
func (p *parts) sandboxRoutes() http.Handler {
	opts := sandbox.Options{Resolver: resolver{p.instances}, Logger: p.log}
	if p.network.own() {
		return sandbox.New(p.network.server, opts)
	}
	return sandbox.Forward(p.network.url, opts)
}

// resolver finds what the {instance} forms of the sandbox's routes mean.
type resolver struct{ instances *instance.Service }

// QRCode implements sandbox.Resolver.
func (r resolver) QRCode(ctx context.Context, name string) (string, error) {
	in, err := r.find(ctx, name)
	if err != nil {
		return "", err
	}
	code, ok := r.instances.QRCode(in)
	if !ok {
		return "", fault.New(fault.Conflict, "The instance shows no QR code; call connect first")
	}
	return code, nil
}

// DeviceJID implements sandbox.Resolver.
func (r resolver) DeviceJID(ctx context.Context, name string) (string, error) {
	in, err := r.find(ctx, name)
	if err != nil {
		return "", err
	}
	if !in.Login.Linked() {
		return "", fault.New(fault.Conflict, "The instance is not linked to a phone")
	}
	return in.Login.DeviceJID, nil
}

func (r resolver) find(ctx context.Context, name string) (instance.Instance, error) {
	who, ok := httpapi.PrincipalFrom(ctx)
	if !ok {
		return instance.Instance{}, fault.InvalidToken()
	}
	return r.instances.Get(ctx, who.AccountID, name)
}

// egress is the client for addresses that users give. A sandbox may reach
// loopback by default.
func (p *parts) egress() *egress.Client {
	allowed, err := config.Networks("egress.allow_networks", p.cfg.Options.EgressAllowNetworks)
	if err != nil { // checked with the other options: only a caller's mistake comes here
		p.log.Error("no extra networks are allowed", "error", err)
	}
	if len(allowed) == 0 && p.network != nil {
		allowed = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	return egress.New(allowed)
}
