package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	maxBody       = 128 << 20 // bytes: a 64 MiB file as base64 and more
	maxHeader     = 64 << 10
	headerTimeout = 10 * time.Second
	stopTime      = 2 * time.Second
)

// Options say where to listen and what to do with deliveries.
type Options struct {
	Listen string
	Secret string // whsec_…; "": signatures are not checked
	Plan
	Count int // Run ends after so many accepted deliveries; 0: it goes on
	// Raw prints the body of each accepted delivery once, one a line, and
	// nothing else: the line that says where it listens goes to Notes.
	Raw   bool
	Color bool
	Out   io.Writer // deliveries
	Notes io.Writer // what is remarkable about them
}

// Receiver receives webhooks.
type Receiver struct {
	opts   Options
	enough chan struct{} // closed when Run is to end

	// mu guards what follows and keeps the lines of one delivery together.
	mu       sync.Mutex
	history  *history
	accepted int
	over     bool  // enough is closed
	err      error // of writing to Out

	noting sync.Mutex // one note at a time; taken within mu
}

// New checks the options and returns a receiver.
func New(opts Options) (*Receiver, error) {
	if err := errors.Join(checkSecret(opts.Secret), opts.check()); err != nil {
		return nil, err
	}
	if opts.Count < 0 {
		return nil, errors.New("count: must not be negative")
	}
	return &Receiver{opts: opts, enough: make(chan struct{}), history: newHistory()}, nil
}

// Run says where it listens and receives until the context ends or enough
// deliveries came (nil), or an error of listening or printing.
func (r *Receiver) Run(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", r.opts.Listen)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{
		Handler:           r,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: headerTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	r.ready(l.Addr())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	case <-r.enough:
	}
	cancel() // whoever stalls an answer
	stopping, done := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer done()
	if server.Shutdown(stopping) != nil {
		_ = server.Close() // what still sends after that is cut off
	}
	err = <-served
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(err, r.err)
}

func (r *Receiver) ready(at net.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.opts.Out
	if r.opts.Raw {
		out = r.opts.Notes
	}
	if _, err := fmt.Fprintf(out, "chasqui hook listening on http://%s\n", at); err != nil {
		r.end(err)
	}
}

// end makes Run return err. The caller holds mu.
func (r *Receiver) end(err error) {
	r.err = errors.Join(r.err, err)
	if !r.over {
		r.over = true
		close(r.enough)
	}
}

// print writes to Out; if that fails the receiver ends. The caller holds mu.
func (r *Receiver) print(text string) error {
	_, err := io.WriteString(r.opts.Out, text)
	if err != nil {
		r.end(err)
	}
	return err
}

// note says something beside the deliveries.
func (r *Receiver) note(format string, args ...any) {
	r.noting.Lock()
	defer r.noting.Unlock()
	_, _ = fmt.Fprintf(r.opts.Notes, "hook: "+format+"\n", args...) // notes are best effort
}
