package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/store/sqlgen"
	"github.com/chasqui/chasqui/internal/webhook"
)

// chunkSize is how many bytes of a long body one row holds, and so how much one
// transaction of a Fill writes.
const chunkSize = 256 << 10

// errNoBody says that a body is gone, or does not have all its bytes yet.
var errNoBody = errors.New("store: no such webhook body")

// bodyKey is the key of a body's row. Outside of this package it is one string,
// "<instance ID>/<body ID>".
type bodyKey struct{ instanceID, id string }

// String returns the key as webhook.Job.BodyID has it.
func (k bodyKey) String() string { return k.instanceID + "/" + k.id }

// parseBodyKey undoes String. What it was not made by names no body.
func parseBodyKey(s string) bodyKey {
	i := strings.LastIndexByte(s, '/')
	return bodyKey{s[:max(i, 0)], s[i+1:]}
}

func (k bodyKey) place() string { return "webhook_bodies.body/" + k.String() }

func (k bodyKey) sourcePlace() string { return "webhook_bodies.source/" + k.String() }

func (k bodyKey) chunkPlace(fill string, n int64) string {
	return "webhook_body_chunks.chunk/" + k.String() + "/" + fill + "/" + strconv.FormatInt(n, 10)
}

func (db *DB) openBody(sealed []byte, k bodyKey) ([]byte, error) {
	body, err := db.box.Open(sealed, k.place())
	if err != nil {
		return nil, fmt.Errorf("webhook body %s: %w", k, err)
	}
	return body, nil
}

// source is what a body waits for.
type source struct {
	Message media.Key
	Ref     media.Ref
}

// ListUnfilled implements webhook.Bodies. A body that cannot be opened is left
// out: it must not keep the others from being filled.
func (db *DB) ListUnfilled(ctx context.Context, after string, limit int) ([]webhook.Unfilled, error) {
	rows, err := db.read.ListUnfilled(ctx, sqlgen.ListUnfilledParams{After: parseBodyKey(after).id, Step: int32(limit)})
	if err != nil {
		return nil, err
	}
	list := make([]webhook.Unfilled, 0, len(rows))
	for i := range rows {
		u, err := db.toUnfilled(&rows[i])
		if err != nil {
			db.log.Error("a stored webhook body cannot be opened", "error", err)
			continue
		}
		list = append(list, u)
	}
	return list, nil
}

func (db *DB) toUnfilled(row *sqlgen.ListUnfilledRow) (webhook.Unfilled, error) {
	key := bodyKey{row.InstanceID, row.ID}
	plain, err := db.openBody(row.Body, key)
	if err != nil {
		return webhook.Unfilled{}, err
	}
	var s source
	text, err := db.box.Open(row.Source, key.sourcePlace())
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return webhook.Unfilled{}, fmt.Errorf("source of webhook body %s: %w", key, err)
	}
	return webhook.Unfilled{
		BodyID: key.String(), InstanceID: row.InstanceID, Message: s.Message, Ref: s.Ref,
		Plain: plain, CreatedAt: toTime(row.CreatedAt),
	}, nil
}

// Fill implements webhook.Bodies. A long body is written in steps under a name
// of its own, and counts only when the last step gives it that name. What a Fill
// wrote that fails is deleted, so that tries on a disk that is nearly full do not
// fill it; what a crash left goes with the next Fill.
func (db *DB) Fill(ctx context.Context, bodyID string, size int64, body io.Reader) (webhookIDs []string, err error) {
	key := parseBodyKey(bodyID)
	filled := sqlgen.FillBodyParams{InstanceID: key.instanceID, ID: key.id, Size: size}
	switch {
	case size <= webhook.InlineBody:
		plain, err := readExactly(body, size)
		if err != nil {
			return nil, fmt.Errorf("fill webhook body %s: %w", key, err)
		}
		filled.Body = db.box.Seal(plain, key.place())
	default:
		filled.Fill = uuid.NewString()
		waits, err := db.writeChunks(ctx, key, filled.Fill, size, body)
		if err != nil {
			return nil, fmt.Errorf("fill webhook body %s: %w", key, errors.Join(err, db.dropChunks(ctx, filled)))
		}
		if !waits {
			return nil, nil
		}
	}
	err = db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		webhookIDs, err = db.finishFill(ctx, q, filled)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.dropChunks(ctx, filled))
	}
	return webhookIDs, nil
}

// dropChunks deletes what was written of a body, unless it counts: a commit may
// have worked although it failed.
func (db *DB) dropChunks(ctx context.Context, filled sqlgen.FillBodyParams) error {
	if filled.Fill == "" {
		return nil
	}
	return db.transact(context.WithoutCancel(ctx), func(ctx context.Context, q *sqlgen.Queries) error {
		row, err := q.GetBody(ctx, sqlgen.GetBodyParams{InstanceID: filled.InstanceID, ID: filled.ID})
		if err != nil || row.Fill == filled.Fill {
			return orGone(err)
		}
		return q.DeleteChunks(ctx, sqlgen.DeleteChunksParams{
			InstanceID: filled.InstanceID, BodyID: filled.ID, Fill: filled.Fill,
		})
	})
}

// readExactly reads size bytes, which have to be all.
func readExactly(r io.Reader, size int64) ([]byte, error) {
	plain := make([]byte, size)
	if _, err := io.ReadFull(r, plain); err != nil {
		return nil, fmt.Errorf("the body is shorter than %d bytes: %w", size, err)
	}
	return plain, atEnd(r, size)
}

func atEnd(r io.Reader, size int64) error {
	n, err := io.ReadFull(r, make([]byte, 1))
	if n > 0 {
		return fmt.Errorf("the body is longer than %d bytes", size)
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// writeChunks writes a body in transactions of one chunk each. It stops with
// false when the body does not wait any more.
func (db *DB) writeChunks(ctx context.Context, k bodyKey, fill string, size int64, body io.Reader) (waits bool, err error) {
	for n, left := int64(0), size; left > 0; n, left = n+1, left-chunkSize {
		plain := make([]byte, min(left, chunkSize))
		if _, err := io.ReadFull(body, plain); err != nil {
			return false, fmt.Errorf("the body is shorter than %d bytes: %w", size, err)
		}
		sealed := db.box.Seal(plain, k.chunkPlace(fill, n))
		err := db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
			row, err := q.GetBody(ctx, sqlgen.GetBodyParams{InstanceID: k.instanceID, ID: k.id})
			if waits = err == nil && !row.Filled; !waits {
				return orGone(err)
			}
			return q.CreateChunk(ctx, sqlgen.CreateChunkParams{
				InstanceID: k.instanceID, BodyID: k.id, Fill: fill, N: n, Chunk: sealed,
			})
		})
		if err != nil || !waits {
			return false, err
		}
	}
	return true, atEnd(body, size)
}

func orGone(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// finishFill makes the body what was written, and lets go what waited for it.
func (db *DB) finishFill(ctx context.Context, q *sqlgen.Queries, filled sqlgen.FillBodyParams) (due []string, err error) {
	key := sqlgen.DeleteOtherChunksParams{InstanceID: filled.InstanceID, BodyID: filled.ID, Fill: filled.Fill}
	n, err := q.FillBody(ctx, filled)
	if err != nil {
		return nil, err
	}
	if n == 0 { // another was faster
		return nil, q.DeleteChunks(ctx, sqlgen.DeleteChunksParams(key))
	}
	if err := q.DeleteOtherChunks(ctx, key); err != nil {
		return nil, err
	}
	chats, err := q.ListWaitingFor(ctx, sqlgen.ListWaitingForParams{InstanceID: filled.InstanceID, BodyID: filled.ID})
	if err != nil {
		return nil, err
	}
	for _, chat := range chats {
		n, err := releaseChat(ctx, q, chat)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		l, err := db.line(ctx, q, chat.WebhookID, db.now())
		if err != nil {
			return nil, err
		}
		if err := l.wake(ctx); err != nil {
			return nil, err
		}
		if l.Enabled && !l.Paused {
			due = append(due, l.ID)
		}
	}
	return due, nil
}

// releaseChat lets the waiting deliveries of a chat go up to the first that
// waits for its own body.
func releaseChat(ctx context.Context, q *sqlgen.Queries, chat sqlgen.ListWaitingForRow) (n int64, err error) {
	first, err := q.FirstUnfilled(ctx, sqlgen.FirstUnfilledParams(chat))
	if err != nil {
		return 0, err
	}
	before := int64(math.MaxInt64)
	if len(first) > 0 {
		before = first[0]
	}
	return q.ReleaseWaiting(ctx, sqlgen.ReleaseWaitingParams{
		WebhookID: chat.WebhookID, ChatKey: chat.ChatKey, Before: before,
	})
}

// OpenBody implements webhook.Queue. A long body is read piece by piece, each
// by a query of its own; ctx bounds them all.
func (db *DB) OpenBody(ctx context.Context, bodyID string) (io.ReadCloser, error) {
	key := parseBodyKey(bodyID)
	row, err := db.read.GetBody(ctx, sqlgen.GetBodyParams{InstanceID: key.instanceID, ID: key.id})
	if errors.Is(err, sql.ErrNoRows) || err == nil && !row.Filled {
		return nil, fmt.Errorf("%w: %s", errNoBody, key)
	}
	if err != nil {
		return nil, err
	}
	if row.Fill != "" {
		return &chunkReader{ctx: ctx, db: db, key: key, fill: row.Fill, left: row.Size}, nil
	}
	body, err := db.openBody(row.Body, key)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(body)), nil
}

// chunkReader reads the chunks of a body. It holds nothing between two reads.
type chunkReader struct {
	ctx  context.Context // of OpenBody: a reader has no other way to be cancelled
	db   *DB
	key  bodyKey
	fill string
	n    int64 // the next chunk
	left int64 // bytes in it and those after it
	rest []byte
}

// Read implements io.Reader.
func (r *chunkReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.left <= 0 {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *chunkReader) next() error {
	sealed, err := r.db.read.GetChunk(r.ctx, sqlgen.GetChunkParams{
		InstanceID: r.key.instanceID, BodyID: r.key.id, Fill: r.fill, N: r.n,
	})
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: %s", errNoBody, r.key)
	}
	if err != nil {
		return err
	}
	r.rest, err = r.db.box.Open(sealed, r.key.chunkPlace(r.fill, r.n))
	if err != nil {
		return fmt.Errorf("webhook body %s: %w", r.key, err)
	}
	r.n++
	r.left -= int64(len(r.rest))
	return nil
}

// Close implements io.Closer.
func (r *chunkReader) Close() error {
	r.left, r.rest = 0, nil
	return nil
}
