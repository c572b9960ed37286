package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/config"
	"github.com/chasqui/chasqui/internal/fault"
)

// SocketName is the file of the socket inside the data folder.
const SocketName = "control.sock"

// maxBody bounds a request on the socket, in bytes.
const maxBody = 1 << 16

// Server answers the operator's commands. It is a lifecycle.Service.
type Server struct {
	path     string
	accounts *account.Service
	values   []config.Value
	log      *slog.Logger
	http     *http.Server
	done     chan struct{}
}

// NewServer returns a server for the data folder. values are what config print
// shows; secrets in them are redacted already.
func NewServer(data string, accounts *account.Service, values []config.Value, log *slog.Logger) *Server {
	return &Server{path: filepath.Join(data, SocketName), accounts: accounts, values: values, log: log}
}

// Start opens the socket. One that a killed server left behind is replaced; the
// data folder's lock makes sure that no living server uses it.
func (s *Server) Start(context.Context) error {
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("control socket: %w", err)
	}
	l, err := listenPrivate(s.path)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	s.http = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("control socket failed", "error", err)
		}
	}()
	return nil
}

// Stop closes and removes the socket.
func (s *Server) Stop(ctx context.Context) error {
	if s.http == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	<-s.done
	s.http = nil
	return err
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts", answer(s.list))
	mux.HandleFunc("POST /accounts", answer(s.create))
	mux.HandleFunc("POST /accounts/{name}/rotate", answer(s.rotate))
	mux.HandleFunc("POST /accounts/{name}/limit", answer(s.limit))
	mux.HandleFunc("DELETE /accounts/{name}", answer(s.delete))
	mux.HandleFunc("GET /config", answer(s.config))
	mux.HandleFunc("POST /memory/free", answer(s.freeMemory))
	return mux
}

// request is the body of every command; each uses the fields it needs.
type request struct {
	Name  string `json:"name,omitempty"`
	Token string `json:"token,omitempty"`
	Limit *int   `json:"limit,omitempty"`
}

// created answers create.
type created struct {
	Account account.Account `json:"account"`
	Token   string          `json:"token"`
}

func (s *Server) list(r *http.Request, _ request) (any, error) { return s.accounts.List(r.Context()) }

func (s *Server) create(r *http.Request, q request) (any, error) {
	a, token, err := s.accounts.Create(r.Context(), q.Name, q.Token, q.Limit)
	return created{Account: a, Token: token}, err
}

func (s *Server) rotate(r *http.Request, q request) (any, error) {
	return s.accounts.Rotate(r.Context(), r.PathValue("name"), q.Token)
}

func (s *Server) limit(r *http.Request, q request) (any, error) {
	return s.accounts.SetLimit(r.Context(), r.PathValue("name"), q.Limit)
}

// delete never refuses linked instances: a running server can unlink them.
func (s *Server) delete(r *http.Request, _ request) (any, error) {
	return nil, s.accounts.Delete(r.Context(), r.PathValue("name"), true)
}

func (s *Server) config(*http.Request, request) (any, error) { return s.values, nil }

// freeMemory collects garbage and gives memory back to the system, so that what
// the process really needs can be measured.
func (s *Server) freeMemory(*http.Request, request) (any, error) {
	debug.FreeOSMemory()
	return nil, nil
}

// answer turns a command into a handler: 200 with its result, or 400 with the
// fault's message; the socket's only reader is our own client.
func answer(command func(*http.Request, request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q request
		var out any
		err := decode(r, &q)
		if err == nil {
			out, err = command(r, q)
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			out = failureOf(err)
		}
		_ = json.NewEncoder(w).Encode(out) // the client is gone: nobody to tell
	}
}

// failure carries a fault over the socket.
type failure struct {
	Kind    fault.Kind     `json:"kind"`
	Message string         `json:"message"`
	Details []fault.Detail `json:"details,omitempty"`
}

// failureOf keeps the whole text of an error: its reader is the operator.
func failureOf(err error) failure {
	f := failure{Kind: fault.KindOf(err), Message: err.Error()}
	var known *fault.Error
	if errors.As(err, &known) {
		f.Details = known.Details
	}
	return f
}

func decode(r *http.Request, q *request) error {
	if r.ContentLength == 0 {
		return nil
	}
	return json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody)).Decode(q)
}
