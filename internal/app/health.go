package app

import (
	"context"
	"sync/atomic"

	"github.com/chasqui/chasqui/internal/store"
)

// health is the condition of the process, for /health and /ready.
type health struct {
	db       *store.DB
	running  atomic.Bool
	draining atomic.Bool
}

// Start marks the process as ready; it comes last in the stack.
func (h *health) Start(context.Context) error {
	h.running.Store(true)
	return nil
}

// Stop marks the process as draining.
func (h *health) Stop(context.Context) error {
	h.drain()
	return nil
}

func (h *health) drain() { h.draining.Store(true) }

// Database implements httpapi.Health.
func (h *health) Database(ctx context.Context) error { return h.db.Ping(ctx) }

// Starting implements httpapi.Health.
func (h *health) Starting() bool { return !h.running.Load() }

// Draining implements httpapi.Health.
func (h *health) Draining() bool { return h.draining.Load() }
