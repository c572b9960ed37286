package app

import (
	"context"
	"fmt"

	"github.com/chasqui/chasqui/internal/store"
)

// The networks that the logins of a data folder may belong to.
const (
	networkWhatsApp  = "whatsapp"
	networkSimulated = "simulated"
)

// checkLogins keeps logins on the network where they were made: a sandbox would
// lose those of real phones, and serve would present simulated ones to
// WhatsApp. A folder without linked instances may change sides.
func checkLogins(ctx context.Context, db *store.DB, data string, simulated bool) error {
	now := networkWhatsApp
	if simulated {
		now = networkSimulated
	}
	before, err := db.Network(ctx)
	if err != nil || before == now {
		return err
	}
	if before != "" {
		linked, err := anyLinked(ctx, db)
		if err != nil {
			return err
		}
		if linked {
			return fmt.Errorf("data: %s holds instances linked on the %s network; "+
				"give another folder with --data, or log them out first", data, before)
		}
	}
	return db.SetNetwork(ctx, now)
}

func anyLinked(ctx context.Context, db *store.DB) (bool, error) {
	accounts, err := db.ListAccounts(ctx)
	if err != nil {
		return false, err
	}
	for _, a := range accounts {
		if linked, err := (stored{db: db}).AnyLinked(ctx, a.ID); err != nil || linked {
			return linked, err
		}
	}
	return false, nil
}
