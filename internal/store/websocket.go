package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/store/sqlgen"
)

// GetWebSocket implements dispatch.Store.
func (db *DB) GetWebSocket(ctx context.Context, instanceID string) (ws dispatch.WebSocket, found bool, err error) {
	row, err := db.read.GetWebSocket(ctx, instanceID)
	if errors.Is(err, sql.ErrNoRows) {
		return dispatch.WebSocket{}, false, nil
	}
	if err != nil {
		return dispatch.WebSocket{}, false, err
	}
	return dispatch.WebSocket{
		Enabled: row.Enabled, Events: splitTypes(row.Events), MediaBase64: row.MediaBase64,
	}, true, nil
}

// PutWebSocket implements dispatch.Store; Instance not found if it is gone.
func (db *DB) PutWebSocket(ctx context.Context, instanceID string, ws dispatch.WebSocket) error {
	return db.updateInstance(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.PutWebSocket(ctx, sqlgen.PutWebSocketParams{
			InstanceID: instanceID, Enabled: ws.Enabled, Events: joinTypes(ws.Events), MediaBase64: ws.MediaBase64,
		})
	})
}

func joinTypes(types []event.Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	return strings.Join(names, ",")
}

// splitTypes undoes joinTypes; it never returns nil.
func splitTypes(joined string) []event.Type {
	types := []event.Type{}
	if joined == "" {
		return types
	}
	for name := range strings.SplitSeq(joined, ",") {
		types = append(types, event.Type(name))
	}
	return types
}
