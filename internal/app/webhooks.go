package app

import (
	"context"
	"time"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/egress"
	"github.com/chasqui/chasqui/internal/webhook"
)

// leaseOwner names this process in the leases of webhooks. One name for all is
// enough: the data folder is locked by one process, which takes back at its
// start what the one before it left.
const leaseOwner = "server"

// buildWebhooks makes what configures webhooks and what delivers to them. The
// dispatcher and the library are there already.
func (p *parts) buildWebhooks() {
	opts := p.cfg.Options
	p.poster = egress.NewPoster(p.outbound)
	p.worker = webhook.NewWorker(p.db, p.poster, webhook.WorkerOptions{
		Pool: opts.WebhookPool, SlowPool: opts.WebhookSlowPool, Timeout: time.Duration(opts.WebhookTimeout),
		Schedule: opts.WebhookSchedule.Std(), PauseAfter: time.Duration(opts.WebhookPauseAfter),
		UserAgent: "chasqui/" + p.cfg.Version, Owner: leaseOwner, Disabled: p.reloadHooks, Logger: p.log,
	})
	p.webhooks = webhook.NewService(p.db, p.dispatcher, p.poster, webhook.ServiceOptions{
		Logger: p.log, Changed: p.worker.Changed,
	})
	p.filler = webhook.NewFiller(p.db, p.library, webhook.FillerOptions{
		Wait: time.Duration(opts.MediaWebhookWait), Max: int64(opts.MediaBase64Max), Wake: p.worker.Wake, Logger: p.log,
	})
}

// reloadHooks makes the events of an instance leave nothing for a webhook that
// its receiver had disabled.
func (p *parts) reloadHooks(ctx context.Context, instanceID string) {
	if err := p.webhooks.Reload(ctx, instanceID); err != nil {
		p.log.WarnContext(ctx, "a disabled webhook stays in force until the next start",
			"instance_id", instanceID, "error", err)
	}
}

// followers breaks the circle between the dispatcher and those who work on what
// its events leave behind.
func (p *parts) followers() dispatch.Followers {
	return dispatch.Followers{
		Deliveries: func(webhookIDs []string) { p.worker.Wake(webhookIDs) },
		Bodies:     func() { p.filler.Wake() },
		Files:      func(instanceID string) { p.keeper.Wake(instanceID) },
	}
}

// stopEgress closes the connections that are kept for the next call.
func (p *parts) stopEgress(context.Context) error {
	p.poster.Close()
	p.outbound.Close()
	return nil
}
