package instance_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ourJID    = "5511999999999@s.whatsapp.net"
	ourDevice = "5511999999999:7@s.whatsapp.net"
)

var ourLogin = instance.Login{DeviceJID: ourDevice, LID: "1234567890:7@lid", PushName: "Sales"}

// sixCodes is what WhatsApp offers to a new device.
var sixCodes = []string{"code1", "code2", "code3", "code4", "code5", "code6"}

// client is a small WhatsApp: it answers a dial by the engine's script and says
// what the test makes it say.
type client struct {
	engine *engine
	spec   instance.Spec
	signal func(instance.Signal)

	said sync.Mutex // one signal at a time; Disconnect waits for it

	mu       sync.Mutex // guards what follows
	up       bool
	closed   bool
	proxy    string
	device   string
	settings instance.Settings
	asked    []time.Time
	phoned   int
	proxied  int // calls of SetProxy
}

// say reports a signal while the connection is up.
func (c *client) say(s instance.Signal) {
	c.said.Lock()
	defer c.said.Unlock()
	if c.isUp() {
		c.signal(s)
	}
}

func (c *client) isUp() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up
}

func (c *client) Connect(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return errors.New("connect after close")
	}
	if c.up {
		c.mu.Unlock()
		return errors.New("connected twice")
	}
	c.up = true
	c.mu.Unlock()
	c.engine.dialing.Add(1)
	err := c.engine.dialed(ctx, c)
	c.engine.dialing.Add(-1)
	if err != nil {
		c.Disconnect()
	}
	return err
}

func (c *client) Disconnect() {
	c.mu.Lock()
	was := c.up
	c.up = false
	c.mu.Unlock()
	c.said.Lock()
	defer c.said.Unlock()
	if was && c.engine.parting != nil {
		c.engine.parting(c)
	}
}

func (c *client) Close() {
	c.Disconnect()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

func (c *client) Logout(ctx context.Context) error {
	if !c.isUp() {
		return errors.New("logout without a connection")
	}
	return c.engine.loggedOut(ctx, c)
}

func (c *client) PairPhone(ctx context.Context, number string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phoned++
	return c.engine.pairCode(c.phoned, number)
}

func (c *client) Apply(_ context.Context, s instance.Settings) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settings = s
}

func (c *client) SetProxy(url string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.up {
		return errors.New("proxy changed while connected")
	}
	c.proxy = url
	c.proxied++
	return nil
}

func (c *client) AskPhone(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, time.Now())
	return nil
}

func (c *client) Presence() string { return "available" }

// engine makes clients. Its functions are the script; nil ones behave well.
type engine struct {
	connect func(ctx context.Context, c *client) error
	logout  func(ctx context.Context, c *client) error
	parting func(c *client)
	phone   func(try int, number string) (string, error)
	dialing atomic.Int32 // dials in progress

	mu      sync.Mutex // guards what follows
	clients []*client
	dials   []time.Time
	forgot  []string
	logouts int
	openErr error
}

func (e *engine) Open(_ context.Context, spec instance.Spec, signal func(instance.Signal)) (instance.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.openErr != nil {
		return nil, e.openErr
	}
	c := &client{engine: e, spec: spec, signal: signal, proxy: spec.ProxyURL, device: spec.DeviceJID}
	e.clients = append(e.clients, c)
	return c, nil
}

func (e *engine) Forget(_ context.Context, device string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgot = append(e.forgot, device)
	return nil
}

func (e *engine) dialed(ctx context.Context, c *client) error {
	e.mu.Lock()
	e.dials = append(e.dials, time.Now())
	script := e.connect
	e.mu.Unlock()
	if script == nil {
		script = welcome
	}
	return script(ctx, c)
}

// welcome logs a known device in and offers codes to a new one.
func welcome(_ context.Context, c *client) error {
	c.mu.Lock()
	device := c.device
	c.mu.Unlock()
	if device == "" {
		c.say(instance.Signal{Kind: instance.SignalQR, Codes: sixCodes})
		return nil
	}
	c.say(instance.Signal{Kind: instance.SignalConnected, Login: instance.Login{DeviceJID: device}})
	return nil
}

// nothing connects and then stays silent.
func nothing(context.Context, *client) error { return nil }

func (e *engine) loggedOut(ctx context.Context, c *client) error {
	e.mu.Lock()
	e.logouts++
	script := e.logout
	e.mu.Unlock()
	if script != nil {
		return script(ctx, c)
	}
	return nil
}

func (e *engine) pairCode(try int, number string) (string, error) {
	if e.phone != nil {
		return e.phone(try, number)
	}
	return "ABCD-EFG" + string(rune('0'+try)), nil
}

func (e *engine) script(f func(ctx context.Context, c *client) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.connect = f
}

// last is the client that was opened last.
func (e *engine) last() *client {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.clients[len(e.clients)-1]
}

func (e *engine) dialCount() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.dials)
}

// open returns how many clients were not closed.
func (e *engine) open() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.clients {
		c.mu.Lock()
		if !c.closed {
			n++
		}
		c.mu.Unlock()
	}
	return n
}

// memory is a store, a publisher and an observer in memory.
type memory struct {
	mu     sync.Mutex // guards all
	byID   map[string]instance.Instance
	states []event.State
	log    []string // calls of the observer and states, in order
	fail   error    // of the next writes
}

func newMemory(list ...instance.Instance) *memory {
	m := &memory{byID: map[string]instance.Instance{}}
	for _, in := range list {
		m.byID[in.ID] = in
	}
	return m
}

func (m *memory) CreateInstance(_ context.Context, in instance.Instance, limit *int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	count := 0
	for _, other := range m.byID {
		if other.Token == in.Token {
			return fault.New(fault.Conflict, "Token already in use")
		}
		if other.AccountID != in.AccountID {
			continue
		}
		if count++; other.Name == in.Name {
			return fault.New(fault.Conflict, "Instance already exists")
		}
	}
	if limit != nil && count >= *limit {
		return fault.New(fault.Forbidden, "Account instance quota exceeded")
	}
	m.byID[in.ID] = in
	return m.fail
}

func (m *memory) find(match func(instance.Instance) bool) (instance.Instance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, in := range m.byID {
		if match(in) {
			return in, nil
		}
	}
	return instance.Instance{}, fault.InstanceNotFound()
}

func (m *memory) GetInstance(_ context.Context, account, name string) (instance.Instance, error) {
	return m.find(func(in instance.Instance) bool { return in.AccountID == account && in.Name == name })
}

func (m *memory) GetInstanceByToken(_ context.Context, token string) (instance.Instance, error) {
	return m.find(func(in instance.Instance) bool { return in.Token == token })
}

func (m *memory) ListInstances(_ context.Context, account string) ([]instance.Instance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []instance.Instance
	for _, in := range m.byID {
		if account == "" || in.AccountID == account {
			out = append(out, in)
		}
	}
	slices.SortFunc(out, func(a, b instance.Instance) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func (m *memory) change(id string, f func(in *instance.Instance)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	in, ok := m.byID[id]
	if !ok {
		return fault.InstanceNotFound()
	}
	if m.fail != nil {
		return m.fail
	}
	f(&in)
	m.byID[id] = in
	return nil
}

func (m *memory) UpdateSettings(_ context.Context, id string, s instance.Settings, _ time.Time) error {
	return m.change(id, func(in *instance.Instance) { in.Settings = s })
}

func (m *memory) UpdateProxy(_ context.Context, id string, p instance.Proxy, _ time.Time) error {
	return m.change(id, func(in *instance.Instance) { in.Proxy = p })
}

func (m *memory) UpdateToken(_ context.Context, id, token string, _ time.Time) error {
	return m.change(id, func(in *instance.Instance) { in.Token = token })
}

func (m *memory) UpdateLogin(_ context.Context, id string, l instance.Login, loggedOut bool, _ time.Time) error {
	return m.change(id, func(in *instance.Instance) { in.Login, in.LoggedOut = l, loggedOut })
}

func (m *memory) UpdatePhoneSeen(_ context.Context, id string, at time.Time) error {
	return m.change(id, func(in *instance.Instance) { in.PhoneSeen = at })
}

func (m *memory) DeleteInstance(_ context.Context, id string) error {
	if err := m.change(id, func(*instance.Instance) {}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byID, id)
	return nil
}

func (m *memory) PublishState(_ context.Context, _ string, s *event.State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states = append(m.states, *s)
	m.log = append(m.log, s.State)
	return nil
}

func (m *memory) note(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, what)
}

func (m *memory) InstanceOpened(_ context.Context, in instance.Instance) error {
	m.note("opened " + in.Name)
	return nil
}

func (m *memory) InstanceTokenChanged(_ context.Context, in instance.Instance) error {
	m.note("token of " + in.Name)
	return nil
}

func (m *memory) InstanceDeleted(_ context.Context, in instance.Instance) {
	m.note("deleted " + in.Name)
}

func (m *memory) failing(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// stored is the record as it would be after a restart.
func (m *memory) stored(id string) instance.Instance {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.byID[id]
}

// taken returns the state events since the last call.
func (m *memory) taken() []event.State {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.states
	m.states = nil
	return out
}

// names returns the states since the last call.
func (m *memory) names() []string {
	var out []string
	for _, s := range m.taken() {
		out = append(out, s.State)
	}
	return out
}

func (m *memory) history() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.log)
}

// world is a running service with one instance, "sales", in a bubble of fake
// time.
type world struct {
	*testing.T
	*memory
	engine *engine
	svc    *instance.Service
	in     instance.Instance
}

// unlinked and linked are the instance before and after pairing.
func unlinked() instance.Instance {
	return instance.Instance{
		ID: "id-1", AccountID: "acme", Name: "sales", Token: "0123456789abcdef",
		Settings: instance.DefaultSettings(),
	}
}

func linked() instance.Instance {
	in := unlinked()
	in.Login = ourLogin
	return in
}

// within runs a test in fake time: in is stored before the service starts, and
// prepare may script the engine before.
func within(t *testing.T, in instance.Instance, opts instance.Options, prepare func(e *engine), test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, memory: newMemory(in), engine: &engine{}, in: in}
		if prepare != nil {
			prepare(w.engine)
		}
		w.svc = instance.NewService(w.memory, w.engine, w.memory, w.memory, opts)
		if err := w.svc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		test(w)
		if err := w.svc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if n := w.engine.open(); n != 0 {
			t.Errorf("%d clients still open after Stop", n)
		}
	})
}

// connect calls Connect and fails the test on an error.
func (w *world) connect(req instance.ConnectRequest) instance.ConnectResult {
	w.Helper()
	got, err := w.svc.Connect(w.Context(), w.in, req)
	if err != nil {
		w.Fatalf("Connect: %v", err)
	}
	synctest.Wait()
	return got
}

// say makes the last client report something and waits for the outcome.
func (w *world) say(s instance.Signal) {
	w.engine.last().say(s)
	synctest.Wait()
}

func (w *world) state() instance.State { return w.svc.Status(w.in).State }

// wantStates compares the state events since the last call.
func (w *world) wantStates(want ...string) {
	w.Helper()
	if got := w.names(); !slices.Equal(got, want) {
		w.Errorf("states = %v, want %v", got, want)
	}
}

// after lets fake time pass.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func wantFault(t *testing.T, err error, kind fault.Kind, message string) {
	t.Helper()
	if !errors.Is(err, fault.New(kind, message)) {
		t.Errorf("error = %v (kind %d), want %q (kind %d)", err, fault.KindOf(err), message, kind)
	}
}
