package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/chasqui/chasqui/internal/config"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/hub"
)

// requestGrace is how long requests that run may go on once the server stops. It
// is longer than a send is given, and leaves time to close what lies below.
const requestGrace = 7 * time.Second

// webServer serves HTTP or HTTPS on the configured address.
type webServer struct {
	opts    config.Options
	handler http.Handler
	log     *slog.Logger
	url     atomic.Pointer[string] // set once the port is known
	server  *http.Server
	cut     context.CancelCauseFunc // ends the requests' contexts
	done    chan struct{}
	certs   *certificates // nil without TLS
}

// Start opens the port; requests are served from here on.
func (s *webServer) Start(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.opts.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	scheme := "http"
	if s.opts.TLSCert != "" {
		scheme = "https"
		if s.certs, err = newCertificates(s.opts.TLSCert, s.opts.TLSKey, s.log); err != nil {
			return errors.Join(err, l.Close())
		}
		l = tls.NewListener(hub.Listener(l), s.certs.config())
	}
	s.setURL(scheme, l.Addr())
	requests, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	s.cut = cut
	s.server = &http.Server{
		BaseContext:       func(net.Listener) context.Context { return requests },
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		// A WebSocket is upgraded from HTTP/1.1; HTTP/2 would hide the socket.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the HTTP server failed", "error", err)
		}
	}()
	return nil
}

// Stop lets running requests finish, ends the contexts of those that take longer
// than requestGrace, and cuts them when ctx ends.
func (s *webServer) Stop(ctx context.Context) error {
	if s.server == nil {
		return nil
	}
	late := time.AfterFunc(requestGrace, func() { s.cut(fault.ShuttingDown()) })
	defer s.cut(nil)
	defer late.Stop()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	<-s.done
	if s.certs != nil {
		s.certs.stop()
	}
	s.server = nil
	return err
}

func (s *webServer) setURL(scheme string, addr net.Addr) {
	host, _, err := net.SplitHostPort(s.opts.Listen)
	_, port, err2 := net.SplitHostPort(addr.String())
	if err != nil || err2 != nil {
		host, port = addr.String(), ""
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = hostName()
	}
	url := scheme + "://" + net.JoinHostPort(host, port)
	s.url.Store(&url)
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}

// URL returns the address with the real port, "" before Start.
func (s *webServer) URL() string {
	if u := s.url.Load(); u != nil {
		return *u
	}
	return ""
}

// baseURL is what events and links give as the server's address.
func (s *webServer) baseURL() string {
	if s.opts.BaseURL != "" {
		return strings.TrimSuffix(s.opts.BaseURL, "/")
	}
	return s.URL()
}

// certificates holds a certificate that is read again on SIGHUP.
type certificates struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]
	hangups           chan os.Signal
	done              chan struct{}
}

func newCertificates(certFile, keyFile string, log *slog.Logger) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile, log: log, hangups: make(chan os.Signal, 1), done: make(chan struct{})}
	if err := c.load(); err != nil {
		return nil, err
	}
	signal.Notify(c.hangups, syscall.SIGHUP)
	go func() {
		defer close(c.done)
		for range c.hangups {
			if err := c.load(); err != nil {
				log.Error("the old certificate stays in use", "error", err)
				continue
			}
			log.Info("certificate read again")
		}
	}()
	return c, nil
}

func (c *certificates) load() error {
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("tls.cert: %w", err)
	}
	c.current.Store(&cert)
	return nil
}

func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

func (c *certificates) stop() {
	signal.Stop(c.hangups)
	close(c.hangups)
	<-c.done
}
