package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path"
	"reflect"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
)

var namePattern = regexp.MustCompile(instance.NamePattern)

// api is the state that the routes share.
type api struct {
	Deps
	opts    Options
	log     *slog.Logger
	huma    huma.API
	mux     *http.ServeMux
	methods map[string][]string // of each path, for 405
	limits  limiters
	tickets *tickets
	proxies proxies
	origins origins
	started time.Time
}

// New returns the handler of the whole HTTP surface. The error names a missing
// dependency.
func New(deps Deps, opts Options) (http.Handler, error) {
	a, err := newAPI(deps, opts)
	if err != nil {
		return nil, err
	}
	if err := a.routes(); err != nil {
		return nil, err
	}
	return withBodyDeadline(withRequestID(a.recovering(a.origins.cors(a.canonical(a.mux))))), nil
}

func newAPI(deps Deps, opts Options) (*api, error) {
	if err := deps.complete(); err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.BaseURL == nil {
		opts.BaseURL = func() string { return "" }
	}
	mux := http.NewServeMux()
	proxies := proxies(opts.TrustedProxies)
	return &api{
		Deps: deps, opts: opts, log: opts.Logger, mux: mux,
		huma:    humago.New(mux, newDocument(opts.Version)),
		methods: make(map[string][]string),
		limits:  newLimiters(opts.RateLimits), tickets: newTickets(), proxies: proxies,
		origins: origins{allowed: opts.AllowedOrigins, proxies: proxies, baseURL: opts.BaseURL},
		started: time.Now(),
	}, nil
}

// complete reports missing parts and makes sure of a schema for each type.
func (d *Deps) complete() error {
	for name, part := range map[string]any{
		"Accounts": d.Accounts, "Instances": d.Instances, "Channels": d.Channels,
		"Webhooks": d.Webhooks, "Messages": d.Messages, "Buckets": d.Buckets, "Chats": d.Chats, "Sockets": d.Sockets, "Health": d.Health,
	} {
		if part == nil {
			return errors.New("httpapi: Deps." + name + " is missing")
		}
	}
	schemas := make(map[event.Type]json.RawMessage)
	for _, t := range event.Types() {
		schemas[t] = json.RawMessage("{}")
	}
	maps.Copy(schemas, d.Schemas)
	d.Schemas = schemas
	return nil
}

// routes registers everything. The catch-all of /api/ is registered by itself,
// so that nothing mounted at / later can swallow the API's 404 and 405.
func (a *api) routes() error {
	a.instanceRoutes()
	a.accountRoutes()
	a.eventRoutes()
	a.webhookRoutes()
	a.messageRoutes()
	a.chatRoutes()
	a.chatwootRoutes()
	a.describe(&websocketOp, reflect.TypeFor[none](), reflect.TypeFor[none]())
	a.mount(&websocketOp, a.serveWebSocket)
	a.operatorRoutes()
	if a.opts.Docs {
		if err := a.documentRoutes(); err != nil {
			return err
		}
	}
	if a.Sandbox != nil {
		a.mux.HandleFunc("/sandbox", a.serveSandbox)
		a.mux.HandleFunc("/sandbox/", a.serveSandbox)
	}
	for path, methods := range a.methods {
		a.mux.HandleFunc(path, a.refuse(fault.MethodNotAllowed, "Method not allowed", methods))
	}
	unknown := a.refuse(fault.NotFound, "Not found", nil)
	for _, path := range []string{"/api", "/api/", "/"} {
		a.mux.HandleFunc(path, unknown)
	}
	return nil
}

func notFound() error { return fault.New(fault.NotFound, "Not found") }

// refuse answers what no route takes. It counts like any other request: for the
// token if there is a valid one, else for the address.
func (a *api) refuse(kind fault.Kind, message string, methods []string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if len(methods) > 0 {
			w.Header().Set("Allow", strings.Join(methods, ", "))
		}
		err := a.countRefused(w, r)
		if err == nil {
			err = fault.New(kind, message)
		}
		a.fail(w, r, err, fault.MsgInternal)
	}
}

// countRefused charges a request that no route takes.
func (a *api) countRefused(w http.ResponseWriter, r *http.Request) error {
	if a.Health.Draining() {
		return fault.ShuttingDown()
	}
	caller, err := a.identify(r.Context(), credentialOf(r, false), "")
	if err != nil && fault.KindOf(err) != fault.Unauthorized {
		return internal(err)
	}
	return a.charge(w, r, &operation{}, caller)
}

// canonical answers paths with empty or dot segments itself: http.ServeMux
// would redirect them, in its own format.
func (a *api) canonical(next http.Handler) http.Handler {
	unknown := a.refuse(fault.NotFound, "Not found", nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.URL.EscapedPath()
		clean := path.Clean("/" + asked)
		if clean != "/" && strings.HasSuffix(asked, "/") {
			clean += "/"
		}
		if clean != asked || r.Method == http.MethodConnect {
			unknown(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// recovering turns a panic into the answer to an unknown error.
func (a *api) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause) // net/http's own way to drop a connection
			}
			a.fail(w, r, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()), fault.MsgInternal)
		}()
		next.ServeHTTP(w, r)
	})
}
