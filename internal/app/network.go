package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/chasqui/chasqui/internal/sandbox"
	"github.com/chasqui/chasqui/wasim"
)

// firstStanza is the time that a network of its own leaves a client for its
// keys: client libraries of any kind may come there.
const firstStanza = 40 * time.Millisecond

// RunNetwork serves the simulated WhatsApp network alone until ctx ends. Its
// /sandbox routes need no token.
func RunNetwork(ctx context.Context, listen string, stdout io.Writer, log *slog.Logger) error {
	server, err := wasim.New(wasim.Options{Listen: listen, Logger: log, FewPreKeys: true, FirstStanza: firstStanza})
	if err != nil {
		return err
	}
	server.Handle("/sandbox/", sandbox.New(server, sandbox.Options{Logger: log}))
	if _, err := fmt.Fprintf(stdout, "chasqui network listening on %s\n", server.URL()); err != nil {
		return err
	}
	<-ctx.Done()
	return server.Close()
}
