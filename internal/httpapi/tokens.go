package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
)

// maxToken is the longest token there can be; a longer one needs no look-up.
const maxToken = 256

// Principal is who makes a request, known by a valid token.
type Principal struct {
	AccountID string
	TokenType string // TokenAccount or TokenInstance
	TokenID   string // account.HashToken of the token

	token   string
	account account.Account   // of a TokenAccount
	own     instance.Instance // of a TokenInstance
}

type principalKey struct{}

// PrincipalFrom returns who makes the request that ctx belongs to.
func PrincipalFrom(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}

// authRule says which tokens an operation takes.
type authRule uint8

const (
	authNone    authRule = iota
	authAccount          // TokenAccount only
	authAny              // TokenAccount or TokenInstance
)

// credential is what a request offers as proof: a token or a ticket.
type credential struct {
	token  string
	ticket string
}

// credentialOf returns the first credential present and ignores the others.
// The query counts only where the route allows it. An empty value is none.
func credentialOf(r *http.Request, query bool) credential {
	if t := r.Header.Get("token"); t != "" {
		return credential{token: t}
	}
	if t := bearer(r); t != "" {
		return credential{token: t}
	}
	if !query {
		return credential{}
	}
	if t := r.URL.Query().Get("token"); t != "" {
		return credential{token: t}
	}
	return credential{ticket: r.URL.Query().Get("ticket")}
}

// bearer is the token of the Authorization header; another scheme is none.
func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// missingToken is the answer to a request without any credential.
func missingToken() error {
	return fault.InvalidToken(
		fault.Detail{Field: "token", Reason: "missing"},
		fault.Detail{Field: "token", Reason: "send it as header: token: <token>"},
		fault.Detail{Field: "token", Reason: "or as header: Authorization: Bearer <token>"},
		fault.Detail{Field: "token", Reason: "or, only on GET /ws/{instance}, in the query: ?token=<token>"},
	)
}

// identify finds out who offers the credential. name is the instance that a
// ticket must have been made for.
func (a *api) identify(ctx context.Context, c credential, name string) (Principal, error) {
	if c.ticket != "" {
		token, ok := a.tickets.redeem(c.ticket, name)
		if !ok {
			return Principal{}, fault.InvalidToken()
		}
		c.token = token
	}
	if c.token == "" {
		return Principal{}, missingToken()
	}
	if len(c.token) > maxToken {
		return Principal{}, fault.InvalidToken()
	}
	return a.lookUp(ctx, c.token)
}

// lookUp finds the account or the instance that a token belongs to.
func (a *api) lookUp(ctx context.Context, token string) (Principal, error) {
	p := Principal{TokenID: account.HashToken(token), token: token}
	acc, err := a.Accounts.Authenticate(ctx, token)
	if err == nil {
		p.AccountID, p.TokenType, p.account = acc.ID, TokenAccount, acc
		return p, nil
	}
	if !nobodys(err) {
		return Principal{}, err
	}
	own, err := a.Instances.Authenticate(ctx, token)
	if err == nil {
		p.AccountID, p.TokenType, p.own = own.AccountID, TokenInstance, own
		return p, nil
	}
	if !nobodys(err) {
		return Principal{}, err
	}
	return Principal{}, fault.InvalidToken()
}

// nobodys reports whether err says that a token is unknown, and not that the
// look-up failed.
func nobodys(err error) bool {
	kind := fault.KindOf(err)
	return kind == fault.Unauthorized || kind == fault.NotFound
}

// mayUse applies the matrix of tokens and paths. A token of an instance opens
// that instance's paths alone; the answer reveals nothing about others.
func (p Principal) mayUse(op *operation, name string) error {
	if p.TokenType == TokenAccount {
		return nil
	}
	if op.auth == authAccount || op.scoped() && name != p.own.Name {
		return fault.InvalidToken()
	}
	return nil
}
