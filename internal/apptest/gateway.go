package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/chasqui/chasqui/internal/app"
	"github.com/chasqui/chasqui/internal/config"
	"github.com/chasqui/chasqui/internal/sandbox"
	"github.com/chasqui/chasqui/wasim"
)

// Token is the token of the account default in every test gateway.
const Token = "apptest-account-token"

// Patience is how long a test waits for a fact before it fails.
const Patience = 20 * time.Second

// Gateway is a running gateway and the network that it speaks to.
type Gateway struct {
	App     *app.App
	Network *wasim.Server
	Data    string
	t       testing.TB
	config  app.Config
}

// Start boots a sandbox gateway on a fresh folder, with the options changed by
// flags ("--rate-limit", "0"). Rate limits are off unless a flag sets them. It
// stops with the test.
func Start(t testing.TB, flags ...string) *Gateway {
	t.Helper()
	network := wasim.Start(t)
	return start(t, network, network.URL(), logger(t), flags)
}

// StartLogged is Start with everything logged to w, down to debug.
func StartLogged(t testing.TB, w io.Writer, flags ...string) *Gateway {
	t.Helper()
	network := wasim.Start(t)
	log := slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return start(t, network, network.URL(), log, flags)
}

// StartBehind is Start with a front between the gateway and its network.
func StartBehind(t testing.TB, flags ...string) (*Gateway, *Front) {
	t.Helper()
	network := wasim.Start(t)
	front := NewFront(t, network.URL())
	return start(t, network, front.url, logger(t), flags), front
}

func start(t testing.TB, network *wasim.Server, url string, log *slog.Logger, flags []string) *Gateway {
	t.Helper()
	g := &Gateway{Network: network, Data: dataFolder(t), t: t}
	g.Network.Handle("/sandbox/", sandbox.New(g.Network, sandbox.Options{}))
	base := []string{"--listen", "127.0.0.1:0", "--data", g.Data, "--account-token", Token, "--rate-limit", "0"}
	g.config = app.Config{
		Options: Options(t, append(base, flags...)...),
		Sandbox: &config.Sandbox{Network: url},
		Version: "test", Logger: log,
	}
	g.Boot()
	t.Cleanup(g.Shutdown)
	return g
}

// Options parses flags as the command line does.
func Options(t testing.TB, flags ...string) config.Options {
	t.Helper()
	var line struct {
		config.Options `embed:""`
	}
	parser, err := kong.New(&line, kong.Exit(func(int) { t.Fatal("the parser wanted to exit") }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(flags); err != nil {
		t.Fatal(err)
	}
	if err := line.Check(); err != nil {
		t.Fatal(err)
	}
	return line.Options
}

// dataFolder makes a folder with a short path, since the control socket's
// address is limited to about 100 bytes.
func dataFolder(t testing.TB) string {
	dir, err := os.MkdirTemp("", "chasqui-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "data")
}

func logger(t testing.TB) *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// Boot starts the gateway again on the same folder and network.
func (g *Gateway) Boot() {
	g.t.Helper()
	if err := g.TryBoot(); err != nil {
		g.t.Fatal(err)
	}
}

// TryBoot is Boot that returns what went wrong.
func (g *Gateway) TryBoot() error {
	a, err := app.Start(context.Background(), g.config)
	if err == nil {
		g.App = a
	}
	return err
}

// Shutdown stops the gateway cleanly; a second call does nothing.
func (g *Gateway) Shutdown() {
	if g.App == nil {
		return
	}
	if err := app.StopWithin(g.App, 15*time.Second, nil); err != nil {
		g.t.Errorf("stop: %v", err)
	}
	g.App = nil
}

// URL returns the address of a path on the gateway.
func (g *Gateway) URL(path string) string { return g.App.URL() + path }

// Answer is what the gateway answered.
type Answer struct {
	Status int
	Header http.Header
	Body   map[string]any
	Raw    []byte
}

// Do sends a request with a token ("" for none) and a body that may be nil.
func (g *Gateway) Do(method, path, token string, body any) Answer {
	g.t.Helper()
	payload := []byte(nil)
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			g.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, g.URL(path), bytes.NewReader(payload))
	if err != nil {
		g.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("token", token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	a := Answer{Status: res.StatusCode, Header: res.Header}
	if a.Raw, err = io.ReadAll(res.Body); err != nil {
		g.t.Fatal(err)
	}
	_ = json.Unmarshal(a.Raw, &a.Body) // some answers are no JSON
	return a
}

// Must is Do with the account's token for requests that have to succeed.
func (g *Gateway) Must(method, path string, body any) map[string]any {
	g.t.Helper()
	a := g.Do(method, path, Token, body)
	if a.Status >= 300 {
		g.t.Fatalf("%s %s: %d %s", method, path, a.Status, a.Raw)
	}
	return a.Body
}

// Create makes an instance with its WebSocket open to all events and returns
// its token.
func (g *Gateway) Create(name string, more map[string]any) string {
	g.t.Helper()
	body := map[string]any{"name": name, "websocketEnabled": true}
	for k, v := range more {
		body[k] = v
	}
	return g.Must("POST", "/api/instance/new", body)["data"].(map[string]any)["token"].(string)
}

// Link connects an instance to the simulated phone of the given number and
// waits until it is connected.
func (g *Gateway) Link(name, number string) *wasim.Phone {
	g.t.Helper()
	qr := g.Must("GET", "/api/instance/connect/"+name, nil)["qrCode"].(string)
	phone := g.Network.Phone(number)
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if _, err := phone.ScanQR(ctx, qr); err != nil {
		g.t.Fatal(err)
	}
	g.WaitConnected(name)
	return phone
}

// WaitConnected waits until list says that the instance is connected.
func (g *Gateway) WaitConnected(name string) { g.WaitState(name, "connected") }

// WaitState waits until list gives the instance that connection state.
func (g *Gateway) WaitState(name, state string) {
	g.t.Helper()
	last := ""
	Eventually(g.t, func() bool {
		list := g.Must("GET", "/api/instance/list?instanceName="+name, nil)["instances"].([]any)
		last = list[0].(map[string]any)["status"].(string)
		return last == state
	}, func() string { return "instance " + name + " is " + last + ", waiting for " + state })
}

// Eventually polls until ok, or fails the test with what it waited for.
func Eventually(t testing.TB, ok func() bool, waiting func() string) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("gave up after %s: %s", Patience, waiting())
		}
		<-tick.C
	}
}
