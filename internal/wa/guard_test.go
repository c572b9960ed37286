package wa_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"

	"go.mau.fi/whatsmeow"

	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/wa"
	"github.com/chasqui/chasqui/wasim"
)

func TestALiveEngineIsRefusedInASandboxProcess(t *testing.T) {
	r := newRig(t)
	if _, err := wa.NewEngine(r.devices, r.events, wa.Options{}); err == nil {
		t.Error("a live engine was made where the sandbox root is installed")
	}
}

func TestASandboxEngineIsRefusedWithoutItsRoot(t *testing.T) {
	r := newRig(t)
	r.open()
	defer setRoot(whatsmeow.WACertPubKey)
	setRoot(wa.LiveRoot)
	if _, err := wa.NewEngine(r.devices, r.events, wa.Options{HTTPClient: r.net.HTTPClient}); err == nil {
		t.Error("a sandbox engine was made where the live root is installed")
	}
	if _, err := wa.NewEngine(r.devices, r.events, wa.Options{}); err == nil {
		t.Error("a live engine was made in a process that has a sandbox engine")
	}
	if err := r.client.Connect(r.ctx()); err == nil {
		t.Error("a client connected after the root was changed")
	}
	if _, err := r.engine.Open(r.ctx(), r.spec, r.signals.add); err == nil {
		t.Error("a client was opened after the root was changed")
	}
}

func setRoot(root [32]byte) { whatsmeow.WACertPubKey = root }

// refusals is a dialer that reaches loopback only and remembers the rest.
type refusals struct {
	mu   sync.Mutex
	seen []string
}

func (r *refusals) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsLoopback() {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, address)
	return nil, errors.New("refused: " + address + " is not loopback")
}

// Everything a sandbox does, pairing, messages and media included, works with
// every other network refused, and does not even try to leave loopback.
func TestASandboxDialsNothingButLoopback(t *testing.T) {
	refused := &refusals{}
	transport := &http.Transport{DialContext: refused.DialContext, DialTLSContext: refused.DialContext}
	original, resolver := http.DefaultTransport, net.DefaultResolver
	http.DefaultTransport = transport
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: refused.DialContext}
	t.Cleanup(func() { http.DefaultTransport, net.DefaultResolver = original, resolver })

	r := newRig(t)
	r.spec.ProxyURL = "http://user:secret@proxy.example.com:3128" // stored, never used
	own, ana := r.net.Phone(ownNumber), r.net.Phone(anaNumber)
	r.link(own, instance.Settings{KeepOnlineStatus: true, AutoReadMessages: true})
	id := r.send(ana, ownNumber, wasim.Message{Media: &wasim.Media{Type: "image", Mimetype: "image/jpeg", Data: []byte("jpeg")}})
	if _, err := r.download(r.received(id).ref, 1000); err != nil {
		t.Errorf("Download: %v", err)
	}
	r.sendText(ana, "hi")
	r.restart()
	if err := r.client.Logout(r.ctx()); err != nil {
		t.Errorf("Logout: %v", err)
	}
	keeper := wa.NewVersionKeeper(r.engine, wa.KeeperOptions{})
	if err := keeper.Start(r.ctx()); err != nil {
		t.Errorf("VersionKeeper: %v", err)
	}
	if err := keeper.Stop(r.ctx()); err != nil {
		t.Error(err)
	}
	refused.mu.Lock()
	defer refused.mu.Unlock()
	if len(refused.seen) > 0 {
		t.Errorf("a sandbox tried to reach %v", refused.seen)
	}
}
