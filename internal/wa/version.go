package wa

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
)

// versionSlot holds the web version that clients announce. It is kept here, and
// not in whatsmeow's package variables, because connections read it any time.
type versionSlot struct {
	current atomic.Pointer[store.WAVersionContainer] // nil: the built-in one
	pinned  atomic.Bool
}

// pin fixes the version for good.
func (v *versionSlot) pin(version string) error {
	parsed, err := store.ParseVersion(version)
	if err != nil {
		return err
	}
	v.current.Store(&parsed)
	v.pinned.Store(true)
	return nil
}

func (v *versionSlot) get() store.WAVersionContainer {
	if p := v.current.Load(); p != nil {
		return *p
	}
	return store.GetWAVersion()
}

// raise replaces the version by a newer one.
func (v *versionSlot) raise(latest store.WAVersionContainer) bool {
	if v.pinned.Load() || !v.get().LessThan(latest) {
		return false
	}
	v.current.Store(&latest)
	return true
}

// WebVersion returns the web version that the engine's clients announce.
func (e *Engine) WebVersion() string { return e.version.get().String() }

// KeeperOptions tune a VersionKeeper.
type KeeperOptions struct {
	Interval time.Duration // default 24 h
	// HTTPClient asks for the version; nil: through the engine's server proxy.
	HTTPClient *http.Client
}

// VersionKeeper keeps a live engine's web version current: WhatsApp refuses
// clients that are too old. With a pinned version, or in a sandbox, it does
// nothing.
type VersionKeeper struct {
	engine *Engine
	opts   KeeperOptions
	log    *slog.Logger

	mu     sync.Mutex // guards cancel
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// NewVersionKeeper returns a keeper that is not running yet.
func NewVersionKeeper(engine *Engine, opts KeeperOptions) *VersionKeeper {
	if opts.Interval == 0 {
		opts.Interval = 24 * time.Hour
	}
	return &VersionKeeper{engine: engine, opts: opts, log: engine.log}
}

// Start asks for the version now and then at the interval, in the background.
// Starting twice has no effect.
func (k *VersionKeeper) Start(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cancel != nil || k.engine.sandbox != nil || k.engine.version.pinned.Load() {
		return nil
	}
	client := k.opts.HTTPClient
	if client == nil {
		transport, err := k.engine.transport(k.engine.opts.ServerProxy)
		if err != nil {
			return err
		}
		client = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k.cancel = cancel
	k.done.Go(func() { k.run(ctx, client) })
	return nil
}

// Stop ends the keeper and waits for it. It may come before Start, and twice.
func (k *VersionKeeper) Stop(context.Context) error {
	k.mu.Lock()
	cancel := k.cancel
	k.cancel = nil
	k.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	k.done.Wait()
	return nil
}

func (k *VersionKeeper) run(ctx context.Context, client *http.Client) {
	ticker := time.NewTicker(k.opts.Interval)
	defer ticker.Stop()
	for {
		if err := k.refresh(ctx, client); err != nil && ctx.Err() == nil {
			k.log.Warn("the current web version could not be read; keeping ours",
				"version", k.engine.WebVersion(), "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (k *VersionKeeper) refresh(ctx context.Context, client *http.Client) error {
	latest, err := whatsmeow.GetLatestVersion(ctx, client)
	if err != nil {
		return fmt.Errorf("latest version: %w", err)
	}
	if k.engine.version.raise(*latest) {
		k.log.Info("using a newer web version", "version", latest.String())
	}
	return nil
}
