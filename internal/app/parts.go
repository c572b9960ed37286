package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.mau.fi/whatsmeow/store/sqlstore"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/blob"
	"github.com/chasqui/chasqui/internal/chat"
	"github.com/chasqui/chasqui/internal/config"
	"github.com/chasqui/chasqui/internal/control"
	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/egress"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/httpapi"
	"github.com/chasqui/chasqui/internal/hub"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/internal/seal"
	"github.com/chasqui/chasqui/internal/store"
	"github.com/chasqui/chasqui/internal/telemetry"
	"github.com/chasqui/chasqui/internal/wa"
	"github.com/chasqui/chasqui/internal/wa/walog"
	"github.com/chasqui/chasqui/internal/webhook"
)

// databaseName is the SQLite file inside the data folder; keyName the file of
// the encryption key.
const (
	databaseName = "chasqui.db"
	keyName      = "encryption.key"
)

// parts are the pieces of one gateway, in the order in which they are built.
type parts struct {
	cfg        Config
	log        *slog.Logger
	lock       *folderLock
	db         *store.DB
	hub        *hub.Hub
	network    *network // nil when live
	outbound   *egress.Client
	disk       *blob.Disk
	library    *media.Library
	keeper     *media.Keeper
	versions   *wa.VersionKeeper
	engine     *wa.Engine
	dispatcher *dispatch.Dispatcher
	instances  *instance.Service
	accounts   *account.Service
	poster     *egress.Poster
	webhooks   *webhook.Service
	worker     *webhook.Worker
	filler     *webhook.Filler
	messages   *message.Service
	health     *health
	web        *webServer
}

// assemble builds the parts. What it opens is closed again when it fails.
func assemble(ctx context.Context, cfg Config) (*parts, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p := &parts{cfg: cfg, log: cfg.Logger}
	if err := os.MkdirAll(cfg.Options.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	p.lock = newFolderLock(cfg.Options.Data)
	if err := p.lock.Start(ctx); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if err := p.build(ctx); err != nil {
		p.release(context.WithoutCancel(ctx))
		return nil, err
	}
	return p, nil
}

// build makes everything on the locked data folder.
func (p *parts) build(ctx context.Context) (err error) {
	if p.db, err = openStore(ctx, p.cfg.Options, p.log); err != nil {
		return err
	}
	if err := checkLogins(ctx, p.db, p.cfg.Options.Data, p.cfg.Sandbox != nil); err != nil {
		return err
	}
	if p.network, err = newNetwork(p.cfg.Sandbox, p.log); err != nil {
		return err
	}
	if err := p.buildEngine(ctx); err != nil {
		return err
	}
	if err := p.buildServices(); err != nil {
		return err
	}
	return p.buildWeb()
}

// release closes what assemble had opened before it failed.
func (p *parts) release(ctx context.Context) {
	stop := func(name string, err error) {
		if err != nil {
			p.log.Warn("closing after a failed start", "part", name, "error", err)
		}
	}
	if p.network != nil {
		stop("network", p.network.Stop(ctx))
	}
	if p.disk != nil {
		stop("files", p.disk.Close())
	}
	if p.db != nil {
		stop("store", p.db.Close())
	}
	stop("lock", p.lock.Stop(ctx))
}

// openStore opens the database of a data folder with its encryption key.
func openStore(ctx context.Context, opts config.Options, log *slog.Logger) (*store.DB, error) {
	key, err := encryptionKey(opts)
	if err != nil {
		return nil, err
	}
	box, err := seal.New(key)
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Options{
		Path: filepath.Join(opts.Data, databaseName), Box: box, Sync: opts.StoreSync, Logger: log,
	})
}

func encryptionKey(opts config.Options) ([]byte, error) {
	if opts.EncryptionKey != "" {
		return seal.ParseKey(opts.EncryptionKey)
	}
	return seal.LoadOrCreateKeyFile(filepath.Join(opts.Data, keyName))
}

// buildEngine makes the WhatsApp engine, which publishes through the dispatcher
// that downloads through the engine.
func (p *parts) buildEngine(ctx context.Context) error {
	opts := p.cfg.Options
	devices := sqlstore.NewWithDB(p.db.WhatsApp(), "sqlite3", walog.New(p.log.With("part", "sqlstore"), nil))
	if err := devices.Upgrade(ctx); err != nil {
		return fmt.Errorf("whatsapp tables: %w", err)
	}
	engineOpts := wa.Options{
		Logger: p.log, Version: opts.WhatsappVersion, ServerProxy: opts.WhatsappProxy, DeviceName: opts.WhatsappDeviceName,
		Names: p.db, Messages: p.db, Labels: p.db, Unclean: !p.db.WasClean(),
	}
	if p.network != nil {
		engineOpts.HTTPClient = p.network.httpClient
		engineOpts.ServerProxy = ""
	}
	var err error
	if p.engine, err = wa.NewEngine(devices, publisher{p}, engineOpts); err != nil {
		return err
	}
	if p.network == nil && opts.WhatsappVersion == "" {
		p.versions = wa.NewVersionKeeper(p.engine, wa.KeeperOptions{})
	}
	return nil
}

// publisher breaks the circle between engine and dispatcher.
type publisher struct{ p *parts }

// Publish implements wa.Publisher.
func (b publisher) Publish(ctx context.Context, instanceID string, items ...dispatch.Item) error {
	return b.p.dispatcher.Publish(ctx, instanceID, items...)
}

func (p *parts) buildServices() error {
	opts := p.cfg.Options
	p.hub = hub.New(tuneHub(hub.Options{
		Ping: time.Duration(opts.WebsocketPing), Timeout: time.Duration(opts.WebsocketTimeout), Stall: time.Duration(opts.WebsocketStall),
		MaxClients: opts.WebsocketMaxClients, LagMemory: int64(opts.WebsocketLagMemory), Compression: opts.WebsocketCompression, Logger: p.log,
	}))
	p.web = &webServer{opts: opts, log: p.log}
	p.outbound = p.egress()
	if err := p.buildMedia(); err != nil {
		return err
	}
	p.dispatcher = dispatch.New(p.db, streams{p.hub}, p.library, dispatch.Options{
		Logger: p.log, BaseURL: p.web.baseURL, IncludeToken: opts.EventsIncludeToken,
		MediaWait: time.Duration(opts.MediaWait), MediaMax: int64(opts.MediaBase64Max), Memory: media.NewBudget(int64(opts.MediaMemory)),
		Links: p.library, Followers: p.followers(),
	})
	p.buildWebhooks()
	p.instances = instance.NewService(p.db, p.engine, p.dispatcher, observer{p}, p.instanceOptions())
	p.accounts = account.NewService(p.db, p.instances, func(accountID string) { p.hub.RevokeAccount(accountID) })
	p.messages = message.NewService(p.db, p.engine, egress.NewPreviewer(p.outbound), message.Options{
		Logger: p.log, Rate: p.sendRate(), Burst: opts.SendBurst,
	})
	p.health = &health{db: p.db}
	return nil
}

func (p *parts) instanceOptions() instance.Options {
	o := instance.Options{
		Logger: p.log, ServerProxy: p.cfg.Options.WhatsappProxy, IgnoreProxies: p.network != nil,
		CheckProxyHost: egress.CheckHost,
	}
	if p.network != nil && p.network.own() {
		o.RefusedLoginReason = "the simulated network was restarted"
	}
	return o
}

// sendRate is send.rate, whose default is off in a sandbox.
func (p *parts) sendRate() int {
	switch {
	case p.cfg.Options.SendRate != nil:
		return *p.cfg.Options.SendRate
	case p.network != nil:
		return 0
	}
	return 60
}

// streams gives the dispatcher the hub's streams.
type streams struct{ hub *hub.Hub }

// Stream implements dispatch.Streams.
func (s streams) Stream(instanceID string) dispatch.Stream { return s.hub.Stream(instanceID) }

func (p *parts) buildWeb() error {
	opts := p.cfg.Options
	proxies, err := config.Networks("trusted_proxies", opts.TrustedProxies)
	if err != nil {
		return err
	}
	schemas := map[event.Type]json.RawMessage{}
	for name, schema := range event.Schemas() {
		schemas[event.Type(name)] = schema
	}
	deps := httpapi.Deps{
		Accounts: p.accounts, Instances: p.instances, Channels: p.dispatcher, Webhooks: p.webhooks, Messages: p.messages,
		Buckets: p.library, Chats: chat.NewService(p.db, p.engine, p.library),
		Sockets: sockets{p.hub}, Health: p.health, Metrics: telemetry.NewMetrics(p.counters()), Schemas: schemas,
	}
	if p.network != nil {
		deps.Sandbox = p.sandboxRoutes()
	}
	p.web.handler, err = httpapi.New(deps, httpapi.Options{
		RateLimits:     httpapi.Limits{Token: &opts.RateLimit, New: opts.RateLimitNew, Address: opts.RateLimitAddress},
		TrustedProxies: proxies, AllowedOrigins: opts.AllowedOrigins, BaseURL: p.web.baseURL,
		Docs: opts.Docs, MetricsToken: opts.MetricsToken, Version: p.cfg.Version, Logger: p.log,
	})
	return err
}

// stack is the order of starting; stopping is the reverse.
func (p *parts) stack() *lifecycle.Stack {
	s := lifecycle.NewStack()
	s.Push("lock", lifecycle.Funcs{OnStop: p.lock.Stop})
	s.Push("store", lifecycle.Funcs{
		OnStart: p.db.MarkRunning,
		OnStop: func(ctx context.Context) error {
			if err := p.db.MarkClean(ctx); err != nil {
				return err
			}
			return p.db.Close()
		},
	})
	s.Push("checkpoints", store.NewCheckpointer(p.db, p.log))
	s.Push("retention", store.NewSweeper(p.db, store.SweeperOptions{
		Retention:        time.Duration(p.cfg.Options.StoreRetention),
		WebhookRetention: time.Duration(p.cfg.Options.WebhookRetention), Logger: p.log,
	}))
	s.Push("egress", lifecycle.Funcs{OnStop: p.stopEgress})
	if p.network != nil {
		s.Push("network", p.network)
	}
	if p.versions != nil {
		s.Push("version", p.versions)
	}
	s.Push("files", lifecycle.Funcs{OnStop: p.stopFiles})
	s.Push("dispatcher", lifecycle.Funcs{OnStop: p.dispatcher.Stop})
	s.Push("instances", lifecycle.Funcs{OnStart: p.instances.Start, OnStop: p.instances.Stop})
	s.Push("webhooks", p.worker)
	s.Push("webhook bodies", p.filler)
	s.Push("buckets", p.keeper)
	s.Push("old files", media.NewSweeper(p.library, media.SweeperOptions{
		Retention: time.Duration(p.cfg.Options.MediaRetention), Logger: p.log,
	}))
	s.Push("messages", lifecycle.Funcs{OnStop: p.messages.Stop})
	s.Push("first account", &firstAccount{
		accounts: p.accounts, configured: p.cfg.Options.AccountToken, data: p.cfg.Options.Data, stderr: p.cfg.Stderr, log: p.log,
	})
	s.Push("control socket", control.NewServer(p.cfg.Options.Data, p.accounts, p.cfg.Values, p.log))
	p.pushInjection(s)
	s.Push("HTTP server", p.web)
	s.Push("WebSockets", lifecycle.Funcs{OnStop: p.hub.Stop})
	s.Push("health", p.health)
	return s
}
