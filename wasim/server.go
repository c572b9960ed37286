package wasim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/util/keys"
)

// Options of a server. The zero value is useful.
type Options struct {
	// Listen is a loopback address with a port, 0 for a free one. Default 127.0.0.1:0.
	Listen string
	// Logger takes what the server has to say, stanzas at a level below debug. Nil discards it.
	Logger *slog.Logger
	// FewPreKeys tells a client that has uploaded no prekeys that one is left. whatsmeow then uploads 50 instead of
	// 812, which takes a quarter of the time.
	FewPreKeys bool
	// FirstStanza is how long the first stanza after a handshake is held back, unless the client sends one before.
	// whatsmeow needs no time; a client that derives its keys aside from reading needs some 40 ms.
	FirstStanza time.Duration
}

// TB is the part of testing.TB that Start needs.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// Server is a simulated WhatsApp network: the servers, and the people and phones on them. All methods may be called
// from several goroutines.
type Server struct {
	log    *slog.Logger
	router *router
	mux    *http.ServeMux
	http   *http.Server
	url    string
	static *keys.KeyPair
	chain  []byte
	now    func() time.Time

	fewPreKeys  bool
	firstStanza time.Duration
	refTimes    refTimes

	accounts *accountTable
	pairings *pairingTable
	arrivals *arrivals
	stats    counters
	sequence atomic.Uint64
	*features

	downUntil atomic.Int64 // Unix nanoseconds: connections are refused until then

	ctx    context.Context // ends when the server closes
	cancel context.CancelFunc
	tasks  sync.WaitGroup // connections and phones at work

	closeMu sync.Mutex // guards closed, so that nothing begins while Close waits
	closed  bool
}

// Start runs a server for a test, installs the sandbox root and closes the server when the test ends. Clients are told
// that few prekeys are left.
func Start(tb TB) *Server {
	tb.Helper()
	Install()
	s, err := New(Options{FewPreKeys: true})
	if err != nil {
		tb.Fatalf("start the simulated network: %v", err)
		return nil
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Logf("close the simulated network: %v", err)
		}
	})
	return s
}

// New starts a server. It refuses to listen on anything but loopback.
func New(o Options) (*Server, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen address: %w", err)
	}
	if !isLoopback(host) {
		return nil, fmt.Errorf("the simulated network listens on loopback only, not on %q", o.Listen)
	}
	quietSignalLibrary(o.Logger) // first: the library makes its own logger at its first use
	s := &Server{
		log: o.Logger, mux: http.NewServeMux(), static: keys.NewKeyPair(), now: time.Now,
		fewPreKeys: o.FewPreKeys, firstStanza: o.FirstStanza, refTimes: realRefTimes,
		pairings: newPairingTable(), arrivals: newArrivals(),
	}
	s.accounts = newAccountTable(s)
	s.features = newFeatures(s)
	s.router = newRouter()
	if s.chain, err = certificateChain(s.static, s.now()); err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.Background()) //nolint:forbidigo // a server outlives the call that makes it; Close ends it
	return s, s.listen(o.Listen)
}

func (s *Server) listen(address string) error {
	listener, err := (&net.ListenConfig{}).Listen(s.ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.url = "http://" + listener.Addr().String()
	s.mux.HandleFunc("/ws/chat", s.serveWebSocket)
	s.http = &http.Server{Handler: s.mux, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), ReadHeaderTimeout: 10 * time.Second}
	s.tasks.Go(func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("listener ended", "error", err)
		}
	})
	return nil
}

// Handle adds a route to the server's listener, with the patterns of http.ServeMux. It panics on a pattern that
// collides with another.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// URL is the server's base address, such as http://127.0.0.1:41234.
func (s *Server) URL() string { return s.url }

// HTTPClient is an HTTP client that sends every request to this server, whatever its host.
func (s *Server) HTTPClient() *http.Client { return HTTPClient(s.url) }

// Attach points all three HTTP clients of a whatsmeow client (before login, websocket, media) at this server.
func (s *Server) Attach(c *whatsmeow.Client) {
	h := s.HTTPClient()
	c.SetPreLoginHTTPClient(h)
	c.SetWebsocketHTTPClient(h)
	c.SetMediaHTTPClient(h)
}

// Close ends all connections and waits for everything the server runs. Closing twice is harmless.
func (s *Server) Close() error {
	s.closeMu.Lock()
	s.closed = true
	s.closeMu.Unlock()
	s.cancel()
	err := s.http.Close()
	s.tasks.Wait()
	return err
}

// begin registers something the server waits for in Close; tasks.Done ends it. It reports false when the server is
// closed.
func (s *Server) begin() bool {
	s.closeMu.Lock()
	defer s.closeMu.Unlock()
	if s.closed {
		return false
	}
	s.tasks.Add(1)
	return true
}

// spawn runs f on a goroutine that Close waits for; f ends when s.ctx does. It reports false when the server is
// closed.
func (s *Server) spawn(f func()) bool {
	if !s.begin() {
		return false
	}
	go func() {
		defer s.tasks.Done()
		f()
	}()
	return true
}

// down reports whether new connections are refused.
func (s *Server) down() bool { return s.now().UnixNano() < s.downUntil.Load() }

// nextID is an identifier for a stanza that the server starts.
func (s *Server) nextID() string { return "s-" + strconv.FormatUint(s.sequence.Add(1), 10) }

// Stats are counters since the server started.
type Stats struct {
	Frames   int64 // stanzas received from clients
	Messages int64 // messages received from clients and phones
	Receipts int64 // receipts received from clients and phones
	Unknown  int64 // stanzas and queries that nothing handles
}

type counters struct{ frames, messages, receipts, unknown atomic.Int64 }

// Stats reads the counters.
func (s *Server) Stats() Stats {
	return Stats{
		Frames: s.stats.frames.Load(), Messages: s.stats.messages.Load(),
		Receipts: s.stats.receipts.Load(), Unknown: s.stats.unknown.Load(),
	}
}
