package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/httpapi"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/internal/webhook"
)

// The tokens of the world.
const (
	acmeToken    = "acme-account-token"
	rivalToken   = "rival-account-token"
	salesToken   = "sales-instance-token"
	supportToken = "support-instance-token"
)

// secretCause is the text of every injected error. No answer may hold it.
const secretCause = "pq: password authentication failed for user chasqui"

var birth = time.Date(2026, 9, 1, 12, 0, 0, 123456789, time.UTC)

// world is a small real implementation of everything that the API speaks to:
// two accounts, acme with the instances sales and support, rival with sales.
type world struct {
	mu         sync.Mutex // guards what follows
	accounts   map[string]account.Account
	instances  []instance.Instance
	configs    map[string]dispatch.WebSocket
	clients    map[string][]httpapi.Client
	webhooks   map[string][]webhook.Webhook  // by instance, sorted by label
	deliveries map[string][]webhook.Delivery // by instance, newest first
	buckets    map[string]media.BucketConfig // by instance
	file       worldFile                     // of every message that has one
	open       int                           // files that were not closed
	failing    map[string]error              // by method
	starting   bool
	draining   bool
	full       bool
	status     map[string]instance.Status
	result     instance.ConnectResult
	warning    string
	asked      []any // requests that reached the services, in order
	owners     []httpapi.Owner
}

// worldFile is the content of a file.
type worldFile interface {
	io.ReaderAt
	Size() int64
}

func newWorld() *world {
	limit := 3
	in := func(id, acc, name, token string) instance.Instance {
		return instance.Instance{
			ID: id, AccountID: acc, Name: name, Token: token,
			Settings: instance.DefaultSettings(), CreatedAt: birth, UpdatedAt: birth,
		}
	}
	return &world{
		accounts: map[string]account.Account{
			acmeToken:  {ID: "acc-acme", Name: "acme", InstanceLimit: &limit},
			rivalToken: {ID: "acc-rival", Name: "rival"},
		},
		instances: []instance.Instance{
			in("id-sales", "acc-acme", "sales", salesToken),
			in("id-support", "acc-acme", "support", supportToken),
			in("id-rival", "acc-rival", "sales", "rival-instance-token"),
		},
		configs:    map[string]dispatch.WebSocket{},
		clients:    map[string][]httpapi.Client{},
		webhooks:   map[string][]webhook.Webhook{},
		deliveries: map[string][]webhook.Delivery{},
		buckets:    map[string]media.BucketConfig{},
		file:       bytes.NewReader([]byte("\xff\xd8\xff\xe0\x00\x10JFIF")),
		failing:    map[string]error{},
		status:     map[string]instance.Status{},
	}
}

// lock takes the mutex and returns the injected error of a method.
func (w *world) lock(method string) (unlock func(), err error) {
	w.mu.Lock()
	return w.mu.Unlock, w.failing[method]
}

// note remembers a request that reached a service. The caller holds the lock.
func (w *world) note(request any) {
	const enough = 100 // a fuzzer sends millions
	if len(w.asked) < enough {
		w.asked = append(w.asked, request)
	}
}

type accounts struct{ *world }

func (w accounts) Authenticate(_ context.Context, token string) (account.Account, error) {
	unlock, err := w.lock("Accounts.Authenticate")
	defer unlock()
	if a, ok := w.accounts[token]; ok || err != nil {
		return a, err
	}
	return account.Account{}, fault.InvalidToken()
}

func (w accounts) Summarize(_ context.Context, id string) (account.Summary, error) {
	unlock, err := w.lock("Accounts.Summarize")
	defer unlock()
	s := account.Summary{}
	for _, a := range w.accounts {
		if a.ID == id {
			s.Account = a
		}
	}
	for _, in := range w.instances {
		if in.AccountID == id {
			s.InstancesUsed++
		}
	}
	return s, err
}

type instances struct{ *world }

func (w instances) Create(_ context.Context, accountID string, limit *int, req instance.New) (instance.Instance, error) {
	unlock, err := w.lock("Instances.Create")
	defer unlock()
	w.note(req)
	used := 0
	for _, in := range w.instances {
		switch {
		case in.Token == req.Token:
			return instance.Instance{}, fault.New(fault.Conflict, "Token already in use")
		case in.AccountID == accountID && in.Name == req.Name:
			return instance.Instance{}, fault.New(fault.Conflict, "Instance already exists")
		case in.AccountID == accountID:
			used++
		}
	}
	switch {
	case err != nil:
		return instance.Instance{}, err
	case req.Name == "":
		return instance.Instance{}, fault.New(fault.Invalid, "Instance name is required")
	case limit != nil && used >= *limit:
		return instance.Instance{}, fault.New(fault.Forbidden, "Account instance quota exceeded")
	case req.Token == "":
		req.Token = "drawn-token-of-" + req.Name
	}
	in := instance.Instance{
		ID: "id-" + req.Name, AccountID: accountID, Name: req.Name, Token: req.Token,
		Settings: req.Settings, Proxy: req.Proxy, CreatedAt: birth, UpdatedAt: birth,
	}
	w.instances = append(w.instances, in)
	return in, nil
}

func (w instances) Get(_ context.Context, accountID, name string) (instance.Instance, error) {
	unlock, err := w.lock("Instances.Get")
	defer unlock()
	for _, in := range w.instances {
		if in.AccountID == accountID && in.Name == name {
			return in, err
		}
	}
	return instance.Instance{}, cmpError(err, fault.InstanceNotFound())
}

func cmpError(err error, otherwise *fault.Error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func (w instances) Authenticate(_ context.Context, token string) (instance.Instance, error) {
	unlock, err := w.lock("Instances.Authenticate")
	defer unlock()
	for _, in := range w.instances {
		if in.Token == token {
			return in, err
		}
	}
	return instance.Instance{}, cmpError(err, fault.InstanceNotFound())
}

func (w instances) List(_ context.Context, accountID string, names []string) ([]instance.Instance, error) {
	unlock, err := w.lock("Instances.List")
	defer unlock()
	var found []instance.Instance
	for _, in := range w.instances {
		if in.AccountID == accountID && (len(names) == 0 || slices.Contains(names, in.Name)) {
			found = append(found, in)
		}
	}
	if len(names) == 1 && len(found) == 0 {
		return nil, fault.InstanceNotFound()
	}
	return found, err
}

func (w instances) Status(in instance.Instance) instance.Status {
	unlock, _ := w.lock("")
	defer unlock()
	if s, ok := w.status[in.ID]; ok {
		return s
	}
	return instance.Status{State: instance.Disconnected}
}

func (w instances) Connect(_ context.Context, _ instance.Instance, req instance.ConnectRequest) (instance.ConnectResult, error) {
	unlock, err := w.lock("Instances.Connect")
	defer unlock()
	w.note(req)
	return w.result, err
}

func (w instances) Reconnect(context.Context, instance.Instance) error {
	unlock, err := w.lock("Instances.Reconnect")
	defer unlock()
	return err
}

func (w instances) Logout(context.Context, instance.Instance) (string, error) {
	unlock, err := w.lock("Instances.Logout")
	defer unlock()
	return w.warning, err
}

func (w instances) Delete(_ context.Context, gone instance.Instance) error {
	unlock, err := w.lock("Instances.Delete")
	defer unlock()
	w.instances = slices.DeleteFunc(w.instances, func(in instance.Instance) bool { return in.ID == gone.ID && err == nil })
	return err
}

func (w instances) UpdateSettings(_ context.Context, in instance.Instance, p instance.SettingsPatch) (instance.Settings, error) {
	unlock, err := w.lock("Instances.UpdateSettings")
	defer unlock()
	w.note(p)
	s := in.Settings
	if p.AutoRejectCalls != nil {
		s.AutoRejectCalls = *p.AutoRejectCalls
	}
	if p.CallRejectMessage != nil {
		s.CallRejectMessage = *p.CallRejectMessage
	}
	w.change(in.ID, func(in *instance.Instance) { in.Settings = s })
	return s, err
}

func (w *world) change(id string, change func(*instance.Instance)) {
	for i := range w.instances {
		if w.instances[i].ID == id {
			change(&w.instances[i])
		}
	}
}

func (w instances) SetProxy(_ context.Context, in instance.Instance, p instance.Proxy) (instance.Proxy, error) {
	unlock, err := w.lock("Instances.SetProxy")
	defer unlock()
	w.note(p)
	if err == nil {
		w.change(in.ID, func(in *instance.Instance) { in.Proxy = p })
	}
	return p, err
}

func (w instances) RotateToken(_ context.Context, in instance.Instance, token string) (instance.Instance, error) {
	unlock, err := w.lock("Instances.RotateToken")
	defer unlock()
	if token == "" {
		token = "drawn-token-of-" + in.Name
	}
	in.Token = token
	if err == nil {
		w.change(in.ID, func(in *instance.Instance) { in.Token = token })
	}
	return in, err
}

type channels struct{ *world }

func (w channels) WebSocket(_ context.Context, id string) (dispatch.WebSocket, bool, error) {
	unlock, err := w.lock("Channels.WebSocket")
	defer unlock()
	ws, found := w.configs[id]
	return ws, found, err
}

func (w channels) SetWebSocket(_ context.Context, id string, ws dispatch.WebSocket) (dispatch.WebSocket, error) {
	unlock, err := w.lock("Channels.SetWebSocket")
	defer unlock()
	if err == nil {
		w.configs[id] = ws
	}
	return ws, err
}

type messages struct{ *world }

func (w messages) SendText(_ context.Context, _ string, t message.Text) (message.Answer, error) {
	unlock, err := w.lock("Messages.SendText")
	defer unlock()
	w.note(t)
	chat := message.Recipient{JID: t.Number + "@s.whatsapp.net", Type: event.ChatPrivate}
	if strings.HasSuffix(t.Number, "@g.us") {
		chat = message.Recipient{JID: t.Number, Type: event.ChatGroup, Name: "Dev Team"}
	}
	return message.Answer{
		ID: "3EB0C431D2A1F09B7E6A55", Type: "text", Content: t.Message, Timestamp: birth, Source: "api", Chat: chat,
		Sender:   message.Recipient{JID: "5511999999999@s.whatsapp.net", LID: "1234567890@lid"},
		Mentions: t.Mention, ReplyTo: t.ReplyTo,
	}, err
}

type sockets struct{ *world }

func (w sockets) Serve(rw http.ResponseWriter, _ *http.Request, id string, by httpapi.Owner) error {
	unlock, err := w.lock("Sockets.Serve")
	defer unlock()
	if err != nil {
		return err
	}
	w.owners = append(w.owners, by)
	rw.Header().Set("X-Served", id)
	rw.WriteHeader(http.StatusSwitchingProtocols)
	return nil
}

func (w sockets) Count(id string) int { return len(w.Clients(id)) }

func (w sockets) Full(string) bool {
	unlock, _ := w.lock("")
	defer unlock()
	return w.full
}

func (w sockets) Clients(id string) []httpapi.Client {
	unlock, _ := w.lock("")
	defer unlock()
	return slices.Clone(w.clients[id])
}

func (w sockets) Close(id, client string, code int) int {
	unlock, _ := w.lock("")
	defer unlock()
	w.note(code)
	before := len(w.clients[id])
	w.clients[id] = slices.DeleteFunc(w.clients[id], func(c httpapi.Client) bool { return client == "" || c.ID == client })
	return before - len(w.clients[id])
}

type health struct{ *world }

func (w health) Database(context.Context) error {
	unlock, err := w.lock("Health.Database")
	defer unlock()
	return err
}

func (w health) Starting() bool { return w.starting }
func (w health) Draining() bool { return w.draining }

// deps joins the parts of the world.
func (w *world) deps() httpapi.Deps {
	return httpapi.Deps{
		Accounts: accounts{w}, Instances: instances{w}, Channels: channels{w},
		Webhooks: hooks{w}.service(), Buckets: buckets{w}, Chats: chats{w}.service(), Messages: messages{w}, Sockets: sockets{w}, Health: health{w},
		Metrics: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "chasqui_up 1\n") }),
	}
}

// api returns the handler over the world.
func (w *world) api(t testing.TB, opts httpapi.Options) http.Handler {
	t.Helper()
	h, err := httpapi.New(w.deps(), opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return h
}

// failWith makes a method of the world fail with an error that is no fault.
func (w *world) fail(method string) { w.failing[method] = errors.New(secretCause) }

// request makes a request; headers are "Name: value" lines.
func request(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	return r
}

// do sends a request and checks what holds for every answer.
func do(t testing.TB, h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if strings.Contains(rec.Body.String(), secretCause) {
		t.Errorf("%s %s shows the text of an unknown error: %s", r.Method, r.URL, rec.Body)
	}
	if rec.Header().Get("X-Request-Id") == "" {
		t.Errorf("%s %s: no X-Request-Id", r.Method, r.URL)
	}
	if strings.Contains(rec.Body.String(), "$schema") {
		t.Errorf("%s %s: the body holds $schema", r.Method, r.URL)
	}
	return rec
}

// logger collects what the API logs.
func logger(into io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(into, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
