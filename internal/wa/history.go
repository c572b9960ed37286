package wa

import (
	"context"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
)

// readHistory downloads a part of the history, or drops the notice when the
// instance wants none. The library keeps what it needs of it (names, address
// mappings, message secrets); history causes no events.
func (c *client) readHistory(notice *waE2E.HistorySyncNotification) {
	if c.spec.HistoryDays == 0 {
		return
	}
	c.spawn(func(ctx context.Context) {
		if c.engine.history.Acquire(ctx, 1) != nil {
			return
		}
		defer c.engine.history.Release(1)
		if err := c.downloadHistory(ctx, notice); err != nil && ctx.Err() == nil {
			c.log.Warn("a part of the history could not be read", "error", err)
		}
	})
}

func (c *client) downloadHistory(ctx context.Context, notice *waE2E.HistorySyncNotification) error {
	if _, err := c.wm.DownloadHistorySync(ctx, notice, true); err != nil {
		return err
	}
	if notice.InitialHistBootstrapInlinePayload != nil {
		return nil // came inside the notice: there is no file
	}
	return c.wm.DeleteMedia(ctx, whatsmeow.MediaHistory,
		notice.GetDirectPath(), notice.GetFileEncSHA256(), notice.GetEncHandle())
}
