package httpapi

import (
	"context"

	"github.com/chasqui/chasqui/internal/fault"
)

func (a *api) accountRoutes() {
	register(a, operation{
		method: "GET", path: "/api/account", tag: "Account", summary: "Read the account and its quota",
		auth: authAccount,
	}, a.getAccount)
}

// AccountAnswer is the answer of GET /api/account.
type AccountAnswer struct {
	Envelope
	Account AccountView `json:"account"`
}

// AccountView is an account. A null limit means none.
type AccountView struct {
	Name          string `json:"name"`
	InstanceLimit *int   `json:"instanceLimit"`
	InstancesUsed int    `json:"instancesUsed"`
}

func (a *api) getAccount(ctx context.Context, c *call, _ *none) (AccountAnswer, error) {
	s, err := a.Accounts.Summarize(ctx, c.principal.AccountID)
	return AccountAnswer{
		Envelope: success("Account retrieved successfully"),
		Account:  AccountView{Name: s.Name, InstanceLimit: s.InstanceLimit, InstancesUsed: s.InstancesUsed},
	}, err
}

// chatwootRoutes exist so that clients get the contract's answer until the
// integration is built.
func (a *api) chatwootRoutes() {
	for _, route := range []struct{ method, name string }{
		{"POST", "set"}, {"GET", "list"}, {"DELETE", "delete"},
	} {
		register(a, operation{
			method: route.method, path: "/api/chatwoot/" + route.name + "/{instance}",
			tag: "Chatwoot", summary: "Not available yet", auth: authAny,
		}, chatwootUnavailable)
	}
}

func chatwootUnavailable(context.Context, *call, *none) (Envelope, error) {
	return Envelope{}, fault.New(fault.Unavailable, noGateway)
}
