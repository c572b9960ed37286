package wa_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/store/sqlstore"
	_ "modernc.org/sqlite"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/wa"
	"github.com/chasqui/chasqui/wasim"
)

// patience is how long a test waits for something that should happen at once.
const patience = 20 * time.Second

const instanceID = "i-1"

// rig is an engine on a simulated network, with one instance.
type rig struct {
	t       *testing.T
	net     *wasim.Server
	devices *sqlstore.Container
	engine  *wa.Engine
	events  *recorder
	signals *signalLog
	client  instance.Client
	spec    instance.Spec
}

// newRig starts a network and an engine over an SQLite database as the gateway
// has it: one connection.
func newRig(t *testing.T, change ...func(*wa.Options)) *rig {
	t.Helper()
	return newRigOn(t, wasim.Start(t), change...)
}

// newRigOn is another gateway on the same network.
func newRigOn(t *testing.T, network *wasim.Server, change ...func(*wa.Options)) *rig {
	t.Helper()
	r := &rig{t: t, net: network, devices: openDevices(t, 1), events: newRecorder(), signals: newSignalLog()}
	opts := wa.Options{HTTPClient: network.HTTPClient, Logger: testLogger(t)}
	for _, f := range change {
		f(&opts)
	}
	engine, err := wa.NewEngine(r.devices, r.events, opts)
	if err != nil {
		t.Fatalf("NewEngine: %v", err)
	}
	r.engine = engine
	r.spec = instance.Spec{ID: instanceID, Name: "sales"}
	return r
}

func openDevices(t *testing.T, connections int) *sqlstore.Container {
	t.Helper()
	dsn := "file:" + filepath.Join(t.TempDir(), "wa.db") +
		"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatalf("open SQLite: %v", err)
	}
	db.SetMaxOpenConns(connections)
	t.Cleanup(func() { _ = db.Close() })
	devices := sqlstore.NewWithDB(db, "sqlite", nil)
	if err := devices.Upgrade(context.Background()); err != nil {
		t.Fatalf("create the library's tables: %v", err)
	}
	return devices
}

// open makes the client; it is closed when the test ends.
func (r *rig) open() {
	r.t.Helper()
	c, err := r.engine.Open(r.ctx(), r.spec, r.signals.add)
	if err != nil {
		r.t.Fatalf("Open: %v", err)
	}
	r.client = c
	r.t.Cleanup(c.Close)
}

func (r *rig) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.t.Cleanup(cancel)
	return ctx
}

func (r *rig) connect() {
	r.t.Helper()
	if err := r.client.Connect(r.ctx()); err != nil {
		r.t.Fatalf("Connect: %v", err)
	}
}

// link opens a client with the settings and lets the phone scan its QR code.
// It returns when the instance is logged in.
func (r *rig) link(phone *wasim.Phone, settings instance.Settings) {
	r.t.Helper()
	r.spec.Settings = settings
	r.open()
	r.connect()
	qr := r.signals.wait(r.t, instance.SignalQR)
	if _, err := phone.ScanQR(r.ctx(), qr.Codes[0]); err != nil {
		r.t.Fatalf("ScanQR: %v", err)
	}
	connected := r.signals.wait(r.t, instance.SignalConnected)
	r.spec.DeviceJID = connected.Login.DeviceJID
}

// reconnect does what the supervisor does after a connection broke.
func (r *rig) reconnect() {
	r.t.Helper()
	r.signals.wait(r.t, instance.SignalDisconnected)
	r.client.Disconnect()
	r.connect()
	r.signals.wait(r.t, instance.SignalConnected)
}

// restart closes the client and opens the stored login again.
func (r *rig) restart() {
	r.t.Helper()
	r.client.Close()
	r.open()
	r.connect()
	r.signals.wait(r.t, instance.SignalConnected)
}

func (r *rig) send(from *wasim.Phone, to string, m wasim.Message) string {
	r.t.Helper()
	id, err := from.Send(r.ctx(), to, m)
	if err != nil {
		r.t.Fatalf("Send: %v", err)
	}
	return id
}

// recorder is a publisher that keeps items in memory, drops repeated messages
// as the store does, and can be told to fail or panic.
type recorder struct {
	mu      sync.Mutex
	items   []dispatch.Item
	known   map[string]bool
	repeats int
	fail    func(dispatch.Item) error
	changed chan struct{}
}

func newRecorder() *recorder {
	return &recorder{known: make(map[string]bool), changed: make(chan struct{})}
}

func (p *recorder) Publish(_ context.Context, id string, items ...dispatch.Item) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id != instanceID {
		return errors.New("unknown instance " + id)
	}
	for _, item := range items {
		if p.fail != nil {
			if err := p.fail(item); err != nil {
				return err
			}
		}
	}
	for _, item := range items {
		p.keep(item)
	}
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

func (p *recorder) keep(item dispatch.Item) {
	if m := item.Message; m != nil {
		key := m.ChatKey + "|" + m.SenderKey + "|" + m.ID
		former := cmp.Or(m.ChatLID, m.ChatKey) + "|" + cmp.Or(m.SenderLID, m.SenderKey) + "|" + m.ID
		if p.known[key] || p.known[former] {
			p.repeats++
			return
		}
		p.known[key] = !m.Placeholder
	}
	p.items = append(p.items, item)
}

// failWith makes Publish return what f returns; nil lets everything through.
func (p *recorder) failWith(f func(dispatch.Item) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = f
}

func (p *recorder) all() []dispatch.Item {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.items)
}

// wait returns the first item that matches.
func (p *recorder) wait(t *testing.T, what string, match func(dispatch.Item) bool) dispatch.Item {
	t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		items, changed := slices.Clone(p.items), p.changed
		p.mu.Unlock()
		if i := slices.IndexFunc(items, match); i >= 0 {
			return items[i]
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited for %s; got %d items", what, len(items))
		}
	}
}

// message waits for the message of that ID.
func (p *recorder) message(t *testing.T, id string) *event.Message {
	t.Helper()
	item := p.wait(t, "message "+id, func(i dispatch.Item) bool {
		m, ok := i.Data.(*event.Message)
		return ok && m.ID == id
	})
	return item.Data.(*event.Message)
}

// waitData returns the first payload of type T that matches.
func waitData[T event.Payload](t *testing.T, p *recorder, what string, match func(T) bool) T {
	t.Helper()
	item := p.wait(t, what, func(i dispatch.Item) bool {
		data, ok := i.Data.(T)
		return ok && match(data)
	})
	return item.Data.(T)
}

// count returns how many items match.
func (p *recorder) count(match func(dispatch.Item) bool) int {
	n := 0
	for _, item := range p.all() {
		if match(item) {
			n++
		}
	}
	return n
}

func isMessage(id string) func(dispatch.Item) bool {
	return func(i dispatch.Item) bool {
		m, ok := i.Data.(*event.Message)
		return ok && m.ID == id
	}
}

// signalLog collects signals; wait takes each one only once.
type signalLog struct {
	mu      sync.Mutex
	list    []instance.Signal
	next    int
	changed chan struct{}
}

func newSignalLog() *signalLog { return &signalLog{changed: make(chan struct{})} }

func (l *signalLog) add(s instance.Signal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, s)
	close(l.changed)
	l.changed = make(chan struct{})
}

// wait returns the next signal of that kind, passing over others.
func (l *signalLog) wait(t *testing.T, kind instance.SignalKind) instance.Signal {
	t.Helper()
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		for l.next < len(l.list) {
			s := l.list[l.next]
			l.next++
			if s.Kind == kind {
				l.mu.Unlock()
				return s
			}
		}
		all, changed := slices.Clone(l.list), l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited for signal %d; got %+v", kind, all)
		}
	}
}

// find returns the first signal of that kind, taken by wait or not.
func (l *signalLog) find(kind instance.SignalKind) (instance.Signal, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.list {
		if s.Kind == kind {
			return s, true
		}
	}
	return instance.Signal{}, false
}

// told waits for a profile that matches, taken by wait or not.
func (l *signalLog) told(t *testing.T, what string, match func(instance.Login) bool) {
	t.Helper()
	poll(t, what, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return slices.ContainsFunc(l.list, func(s instance.Signal) bool {
			return s.Kind == instance.SignalProfile && match(s.Login)
		})
	})
}

// profile waits until the push name has come, and with it the app state keys.
func (l *signalLog) profile(t *testing.T) {
	t.Helper()
	l.told(t, "the push name", func(login instance.Login) bool { return login.PushName != "" })
}

func (l *signalLog) kinds() []instance.SignalKind {
	l.mu.Lock()
	defer l.mu.Unlock()
	var kinds []instance.SignalKind
	for _, s := range l.list {
		kinds = append(kinds, s.Kind)
	}
	return kinds
}

// testLogger shows warnings of a failing test, until it ends: library
// goroutines may log later.
func testLogger(t *testing.T) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(w.close)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct {
	mu sync.Mutex
	t  *testing.T
}

func (w *testWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Logf("%s", p)
	}
	return len(p), nil
}
