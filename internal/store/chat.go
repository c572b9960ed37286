package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/chasqui/chasqui/internal/chat"
	"github.com/chasqui/chasqui/internal/store/sqlgen"
)

var _ chat.Store = (*DB)(nil)

// GetMessage implements chat.Store.
func (db *DB) GetMessage(ctx context.Context, instanceID, messageID string) (m chat.Stored, found bool, err error) {
	row, err := db.read.GetMessage(ctx, sqlgen.GetMessageParams{InstanceID: instanceID, MessageID: messageID})
	if errors.Is(err, sql.ErrNoRows) {
		return chat.Stored{}, false, nil
	}
	if err != nil {
		return chat.Stored{}, false, err
	}
	return chat.Stored{
		ID:        row.MessageID,
		ChatKey:   row.ChatKey,
		SenderKey: row.SenderKey,
		FromMe:    row.FromMe,
		Type:      row.Kind,
		Text:      row.Body,
		SentAt:    toTime(row.SentAt),
		Receipt:   statusNamed(row.Status),
		Raw:       row.Raw,
	}, true, nil
}
