package sandbox

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/wasim"
)

// Resolver knows the gateway's instances. The account is the context's. Errors
// that are faults are answered as they are.
type Resolver interface {
	// QRCode is the QR string that the instance shows now.
	QRCode(ctx context.Context, instance string) (qr string, err error)
	// DeviceJID is the address of the device that the instance is linked as.
	DeviceJID(ctx context.Context, instance string) (jid string, err error)
}

// Options of the routes. The zero value is useful.
type Options struct {
	Resolver Resolver     // nil: bodies that name an instance are answered 400
	Logger   *slog.Logger // nil: discarded
}

func (o Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

// New returns the routes below /sandbox, played in a network of this process.
func New(server *wasim.Server, opts Options) http.Handler {
	s := &sandbox{network: server, log: opts.logger()}
	return resolveInstances(opts.Resolver, s.log, s.routes())
}

// sandbox plays the routes in one network.
type sandbox struct {
	network *wasim.Server
	log     *slog.Logger
}

// action handles one route. The answer becomes the body of a success; a nil
// answer is one without content.
type action func(r *http.Request) (answer, error)

// answer is the content of a success and its status, 200 if zero.
type answer struct {
	status int
	fields map[string]any
}

// methods are a path's actions by HTTP method.
type methods map[string]action

func (s *sandbox) routes() http.Handler {
	mux := http.NewServeMux()
	for path, m := range map[string]methods{
		"/sandbox/phones":                    {http.MethodPost: s.addPhone, http.MethodGet: s.listPhones},
		"/sandbox/phones/{number}/scan":      {http.MethodPost: s.scan},
		"/sandbox/phones/{number}/code":      {http.MethodPost: s.enterCode},
		"/sandbox/phones/{number}/unlink":    {http.MethodPost: s.unlink},
		"/sandbox/phones/{number}/messages":  {http.MethodPost: s.sendMessage, http.MethodGet: s.listMessages},
		"/sandbox/phones/{number}/receipts":  {http.MethodPost: s.sendReceipt},
		"/sandbox/phones/{number}/presence":  {http.MethodPost: s.setPresence},
		"/sandbox/phones/{number}/calls":     {http.MethodPost: s.call},
		"/sandbox/phones/{number}/labels":    {http.MethodPost: s.label},
		"/sandbox/groups":                    {http.MethodPost: s.createGroup},
		"/sandbox/groups/{jid}":              {http.MethodPut: s.updateGroup},
		"/sandbox/groups/{jid}/participants": {http.MethodPost: s.changeParticipants},
		"/sandbox/faults":                    {http.MethodPost: s.makeFault},
		"/sandbox/load":                      {http.MethodPost: s.makeLoad},
	} {
		mux.HandleFunc(path, s.serve(m))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeFault(w, s.log, fault.New(fault.NotFound, "Not found"))
	})
	return mux
}

func (s *sandbox) serve(m methods) http.HandlerFunc {
	allowed := make([]string, 0, len(m))
	for method := range m {
		allowed = append(allowed, method)
	}
	slices.Sort(allowed)
	return func(w http.ResponseWriter, r *http.Request) {
		do := m[r.Method]
		if do == nil {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			writeFault(w, s.log, fault.New(fault.MethodNotAllowed, "Method not allowed"))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		out, err := do(r)
		if err != nil {
			writeFault(w, s.log, err)
			return
		}
		writeSuccess(w, out)
	}
}
