package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/config"
	"github.com/chasqui/chasqui/internal/lifecycle"
)

// Config is what the process is made of. Options must have been checked.
type Config struct {
	Options config.Options
	Sandbox *config.Sandbox // nil: live, against WhatsApp
	Values  []config.Value  // the options with their sources, for config print
	Version string
	Logger  *slog.Logger
	Stderr  io.Writer // where a generated token is shown, if it is a terminal
}

// App is one running gateway.
type App struct {
	parts *parts
	stack *lifecycle.Stack
}

// Start builds a gateway on its data folder and starts it. When it fails, what
// was opened is closed again.
func Start(ctx context.Context, cfg Config) (*App, error) {
	p, err := assemble(ctx, cfg)
	if err != nil {
		return nil, err
	}
	a := &App{parts: p, stack: p.stack()}
	if err := a.stack.Start(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

// Stop closes everything in reverse: no new requests, sockets closed with 1001,
// clients disconnected but not logged out, the database last.
func (a *App) Stop(ctx context.Context) error {
	a.parts.health.drain()
	// Requests that wait for a code or for their turn would hold up the server.
	a.parts.instances.Drain()
	a.parts.messages.Drain()
	return a.stack.Stop(ctx)
}

// URL is where the gateway listens, with its real port.
func (a *App) URL() string { return a.parts.web.URL() }

// Run starts a gateway, says on stdout that it listens, and stops it within
// stopTime once the context has ended.
func Run(ctx context.Context, cfg Config, stdout io.Writer, stopTime time.Duration) error {
	a, err := Start(ctx, cfg)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "chasqui listening on %s\n", a.URL())
	if err == nil {
		<-ctx.Done()
	}
	return StopWithin(a, stopTime, err)
}

// StopWithin stops the gateway in at most d and returns err joined with what
// went wrong.
func StopWithin(a *App, d time.Duration, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return errors.Join(err, a.Stop(ctx))
}

// NewToken draws a token for an account.
func NewToken() string { return account.NewToken() }
