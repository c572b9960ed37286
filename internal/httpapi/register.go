package httpapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
)

// operation describes one route: how it is reached, by whom, and what it
// answers when something unknown goes wrong.
type operation struct {
	method, path string
	tag, summary string
	params       []param
	auth         authRule
	body         bodyUse
	status       int  // of success; 0: 200
	creates      bool // counts in the bucket of instance/new
	unlimited    bool // exempt from rate limits
	queryToken   bool // ?token= and ?ticket= count
	// failure is the text of an unknown error of the handler, lookup that of
	// one while the instance is fetched. Empty: Internal server error. A text
	// that ends in ": " is completed with a reason that may be shown.
	failure, lookup string
	// namesProblem appends the first problem of a body to the message.
	namesProblem bool
}

// success is the status of an answer that is none of an error.
func (op *operation) success() int { return cmp.Or(op.status, http.StatusOK) }

// param is a query parameter, for the documentation.
type param struct{ name, doc string }

// scoped reports whether the path names an instance.
func (op *operation) scoped() bool { return strings.HasSuffix(op.path, "/{instance}") }

// call is a request that passed the checks. instance is set on routes that
// name one.
type call struct {
	request   *http.Request
	principal Principal
	instance  instance.Instance
	query     url.Values
}

// none is the body of operations that take none.
type none struct{}

// streamed is an answer that is too large to be built in memory and sends
// itself.
type streamed interface {
	serve(a *api, w http.ResponseWriter, r *http.Request)
}

// handler does the work of an operation whose body is a B and answers an R.
type handler[B, R any] func(ctx context.Context, c *call, body *B) (R, error)

// register mounts an operation behind the checks of the contract: token, rate
// limit, instance, body; the first failure answers. It documents the operation
// as well. Nothing reaches users but what passes through here.
func register[B, R any](a *api, op operation, handle handler[B, R]) {
	a.describe(&op, reflect.TypeFor[B](), reflect.TypeFor[R]())
	a.mount(&op, func(w http.ResponseWriter, r *http.Request) {
		c, err := a.admit(w, r, &op)
		if err != nil {
			a.fail(w, r, err, failureText(op.lookup, err))
			return
		}
		var body B
		if op.body != bodyIgnored {
			if err := decodeBody(w, r, op.body, &body); err != nil {
				a.fail(w, r, op.nameProblem(err), fault.MsgInternal)
				return
			}
		}
		answer, err := handle(r.Context(), c, &body)
		if err != nil {
			a.fail(w, r, err, failureText(op.failure, err))
			return
		}
		if s, ok := any(answer).(streamed); ok {
			s.serve(a, w, r)
			return
		}
		a.write(w, r, op.success(), answer)
	})
}

func failureText(text string, err error) string {
	switch {
	case text == "":
		return fault.MsgInternal
	case strings.HasSuffix(text, ": "):
		return text + fault.Reason(err)
	}
	return text
}

// nameProblem makes "Invalid request body" say the first problem, where the
// module wants it.
func (op *operation) nameProblem(err error) error {
	var f *fault.Error
	if !op.namesProblem || !errors.As(err, &f) || f.Message != fault.MsgBody || len(f.Details) == 0 {
		return err
	}
	named := *f
	named.Message = f.Message + ": " + f.Details[0].Field + " " + f.Details[0].Reason
	return &named
}

// mount puts a handler on its method and path. The path with an empty instance
// segment, with or without its slash, is the same operation.
func (a *api) mount(op *operation, handle http.HandlerFunc) {
	a.handle(op, op.path, handle)
	if op.scoped() {
		base := strings.TrimSuffix(op.path, "/{instance}")
		a.handle(op, base+"/{$}", handle)
		a.handle(op, base, handle)
	}
}

// handle registers through huma's adapter, so that the document and the mux
// cannot disagree about a path.
func (a *api) handle(op *operation, path string, handle http.HandlerFunc) {
	a.methods[path] = append(a.methods[path], op.method)
	a.huma.Adapter().Handle(&huma.Operation{Method: op.method, Path: path}, func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		handle(w, r)
	})
}

// admit makes the checks before the body and writes the rate limit's headers.
func (a *api) admit(w http.ResponseWriter, r *http.Request, op *operation) (*call, error) {
	if a.Health.Draining() {
		return nil, fault.ShuttingDown()
	}
	name := r.PathValue("instance")
	c := &call{request: r, query: r.URL.Query()}
	var err error
	if op.auth != authNone {
		c.principal, err = a.authorize(r, op, name)
		if err != nil && fault.KindOf(err) != fault.Unauthorized {
			return nil, internal(err)
		}
	}
	if limited := a.charge(w, r, op, c.principal); limited != nil {
		return nil, limited
	}
	if err != nil || !op.scoped() {
		return c, err
	}
	c.instance, err = a.instanceOf(r.Context(), c.principal, name)
	return c, err
}

// authorize returns who calls, if their token is for this path.
func (a *api) authorize(r *http.Request, op *operation, name string) (Principal, error) {
	p, err := a.identify(r.Context(), credentialOf(r, op.queryToken), name)
	if err != nil {
		return Principal{}, err
	}
	if err := p.mayUse(op, name); err != nil {
		return Principal{}, err
	}
	return p, nil
}

// internal hides an error of the token look-up behind the common text, which
// differs from that of the instance look-up.
func internal(err error) error { return fault.Wrap(fault.Internal, fault.MsgInternal, err) }

// charge counts the request: for its token, or, without a valid one, for its
// address.
func (a *api) charge(w http.ResponseWriter, r *http.Request, op *operation, p Principal) error {
	limiter, key := a.limits.address, a.proxies.remote(r).String()
	switch {
	case op.unlimited:
		return nil
	case p.TokenID != "" && op.creates:
		limiter, key = a.limits.create, p.TokenID
	case p.TokenID != "":
		limiter, key = a.limits.token, p.TokenID
	}
	if limiter == nil {
		return nil
	}
	now := time.Now()
	q := limiter.take(key, now)
	q.announce(w.Header())
	if !q.allowed {
		return fault.TooManyRequests(max(q.reset.Sub(now), time.Second))
	}
	return nil
}

// instanceOf fetches the instance that the path names.
func (a *api) instanceOf(ctx context.Context, p Principal, name string) (instance.Instance, error) {
	switch {
	case name == "":
		return instance.Instance{}, fault.New(fault.Invalid, "Instance name is required")
	case p.TokenType == TokenInstance:
		return p.own, nil
	case !namePattern.MatchString(name):
		return instance.Instance{}, fault.InstanceNotFound()
	}
	return a.Instances.Get(ctx, p.AccountID, name)
}
