package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/telemetry"
)

// tokenFileName is where a generated token is left when nobody watches.
const tokenFileName = "account-token"

// firstAccount makes sure that somebody can use a fresh gateway.
type firstAccount struct {
	accounts   *account.Service
	configured string
	data       string
	stderr     io.Writer
	log        *slog.Logger
}

// Start applies the configured token, or makes the account default with a
// generated one when there is no account at all.
func (f *firstAccount) Start(ctx context.Context) error {
	if f.configured != "" {
		_, err := f.accounts.ApplyConfigured(ctx, f.configured)
		return err
	}
	list, err := f.accounts.List(ctx)
	if err != nil || len(list) > 0 {
		return err
	}
	_, token, err := f.accounts.Create(ctx, "default", "", nil)
	if err != nil {
		return err
	}
	return f.hand(token)
}

// Stop has nothing to do.
func (f *firstAccount) Stop(context.Context) error { return nil }

// hand shows the token once on a terminal, or leaves it in a private file and
// logs the path alone.
func (f *firstAccount) hand(token string) error {
	if f.stderr != nil && telemetry.IsTerminal(f.stderr) {
		_, err := fmt.Fprintf(f.stderr, "Token of the account \"default\", shown this once: %s\n", token)
		return err
	}
	path := filepath.Join(f.data, tokenFileName)
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		return err
	}
	f.log.Info("the token of the account default was written to a file", "path", path)
	return nil
}
