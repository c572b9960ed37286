package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/store/sqlgen"
)

// GetFile implements media.Store.
func (db *DB) GetFile(ctx context.Context, instanceID string, key media.Key) (r media.Record, found bool, err error) {
	row, err := db.read.GetFile(ctx, sqlgen.GetFileParams{
		InstanceID: instanceID, ChatKey: key.ChatKey, SenderKey: key.SenderKey, MessageID: key.MessageID,
	})
	if errors.Is(err, sql.ErrNoRows) {
		return media.Record{}, false, nil
	}
	if err != nil {
		return media.Record{}, false, err
	}
	r, err = db.toFile(row)
	return r, err == nil, err
}

// PutFile implements media.Store; Instance not found if that is gone.
func (db *DB) PutFile(ctx context.Context, r media.Record) error {
	ref, err := db.sealRef(r.InstanceID, r.Key, r.Ref)
	if err != nil {
		return err
	}
	err = db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		return q.PutFile(ctx, sqlgen.PutFileParams{
			InstanceID: r.InstanceID,
			ChatKey:    r.Key.ChatKey,
			SenderKey:  r.Key.SenderKey,
			MessageID:  r.Key.MessageID,
			Ref:        ref,
			State:      string(r.State),
			Place:      r.Place,
			Object:     r.Object,
			Size:       r.Size,
			Attempts:   int64(r.Attempts),
			NextAt:     fromTime(r.NextAt),
			Reason:     r.Reason,
			StoredAt:   fromTime(r.StoredAt),
		})
	})
	if errors.Is(err, errOrphan) {
		return fault.InstanceNotFound()
	}
	return err
}

// UpdateWanted implements media.Store.
func (db *DB) UpdateWanted(ctx context.Context, r media.Record) error {
	return db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		return q.UpdateWantedFile(ctx, sqlgen.UpdateWantedFileParams{
			State: string(r.State), Attempts: int64(r.Attempts), NextAt: fromTime(r.NextAt), Reason: r.Reason,
			InstanceID: r.InstanceID, ChatKey: r.Key.ChatKey, SenderKey: r.Key.SenderKey, MessageID: r.Key.MessageID,
		})
	})
}

// ListWanted implements media.Store.
func (db *DB) ListWanted(ctx context.Context, now time.Time, limit int) (due []media.Record, next time.Time, err error) {
	rows, err := db.read.ListWantedFiles(ctx, sqlgen.ListWantedFilesParams{Now: fromTime(now), MaxRows: int32(limit)})
	if err != nil {
		return nil, time.Time{}, err
	}
	if due, err = db.toFiles(rows); err != nil {
		return nil, time.Time{}, err
	}
	at, err := db.read.NextWantedFile(ctx, fromTime(now))
	if errors.Is(err, sql.ErrNoRows) {
		return due, time.Time{}, nil
	}
	return due, toTime(at), err
}

// ListStoredBefore implements media.Store.
func (db *DB) ListStoredBefore(ctx context.Context, t time.Time, limit int) ([]media.Record, error) {
	rows, err := db.read.ListFilesOnDisk(ctx, sqlgen.ListFilesOnDiskParams{Before: fromTime(t), MaxRows: int32(limit)})
	if err != nil {
		return nil, err
	}
	return db.toFiles(rows)
}

// DeleteFile implements media.Store.
func (db *DB) DeleteFile(ctx context.Context, instanceID string, key media.Key) error {
	return db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		return q.DeleteFile(ctx, sqlgen.DeleteFileParams{
			InstanceID: instanceID, ChatKey: key.ChatKey, SenderKey: key.SenderKey, MessageID: key.MessageID,
		})
	})
}

// SweepFiles forgets files that went into buckets, or that could not be had,
// before that time, at most step of each kind and the oldest first, and returns
// how many. The objects stay; files on the disk are the business of
// media.Sweeper.
func (db *DB) SweepFiles(ctx context.Context, before time.Time, step int) (n int64, err error) {
	err = db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		kept, err := q.SweepFilesInBucket(ctx, sqlgen.SweepFilesInBucketParams{Before: fromTime(before), Step: int32(step)})
		if err != nil {
			return err
		}
		failed, err := q.SweepFailedFiles(ctx, sqlgen.SweepFailedFilesParams{Before: fromTime(before), Step: int32(step)})
		n = kept + failed
		return err
	})
	return n, err
}

// deleteFiles forgets the files of an instance, in steps.
func (db *DB) deleteFiles(ctx context.Context, instanceID string) error {
	return db.inSteps(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.DeleteSomeFiles(ctx, sqlgen.DeleteSomeFilesParams{InstanceID: instanceID, Step: deleteStep})
	})
}

// wantFiles notes the files of recorded events as wanted for the instance's
// bucket. One that is known already stays as it is.
func (db *DB) wantFiles(
	ctx context.Context, q *sqlgen.Queries, instanceID string, items []dispatch.Item, events []*event.Event,
) error {
	for i, e := range events {
		m, ref := items[i].Message, items[i].Media
		if e == nil || e.Sequence == 0 || m == nil || ref == nil {
			continue
		}
		sealed, err := db.sealRef(instanceID, media.Key{ChatKey: m.ChatKey, SenderKey: m.SenderKey, MessageID: m.ID}, *ref)
		if err != nil {
			return err
		}
		err = q.WantFile(ctx, sqlgen.WantFileParams{
			InstanceID: instanceID, ChatKey: m.ChatKey, SenderKey: m.SenderKey, MessageID: m.ID,
			Ref: sealed, NextAt: time.Now().UnixMilli(), // by the clock of those who fetch
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// GetBucket implements media.Store.
func (db *DB) GetBucket(ctx context.Context, instanceID string) (c media.BucketConfig, found bool, err error) {
	row, err := db.read.GetBucket(ctx, instanceID)
	if errors.Is(err, sql.ErrNoRows) {
		return media.BucketConfig{}, false, nil
	}
	if err != nil {
		return media.BucketConfig{}, false, err
	}
	secret, err := db.openSecretKey(row.SecretKey, instanceID)
	if err != nil {
		return media.BucketConfig{}, false, err
	}
	return media.BucketConfig{
		Enabled: row.Enabled, Region: row.Region, Bucket: row.Bucket, AccessKey: row.AccessKey,
		SecretKey: secret, Endpoint: row.Endpoint, PathPrefix: row.PathPrefix,
	}, true, nil
}

// PutBucket implements media.Store; Instance not found if that is gone.
func (db *DB) PutBucket(ctx context.Context, instanceID string, c media.BucketConfig) error {
	return db.updateInstance(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.PutBucket(ctx, sqlgen.PutBucketParams{
			InstanceID: instanceID,
			Enabled:    c.Enabled,
			Region:     c.Region,
			Bucket:     c.Bucket,
			AccessKey:  c.AccessKey,
			SecretKey:  db.sealSecretKey(c.SecretKey, instanceID),
			Endpoint:   c.Endpoint,
			PathPrefix: c.PathPrefix,
		})
	})
}

func (db *DB) toFiles(rows []sqlgen.MediaFile) ([]media.Record, error) {
	list := make([]media.Record, len(rows))
	for i, row := range rows {
		var err error
		if list[i], err = db.toFile(row); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (db *DB) toFile(row sqlgen.MediaFile) (media.Record, error) {
	key := media.Key{ChatKey: row.ChatKey, SenderKey: row.SenderKey, MessageID: row.MessageID}
	ref, err := db.openRef(row.InstanceID, key, row.Ref)
	if err != nil {
		return media.Record{}, err
	}
	return media.Record{
		InstanceID: row.InstanceID,
		Key:        key,
		Ref:        ref,
		State:      media.State(row.State),
		Place:      row.Place,
		Object:     row.Object,
		Size:       row.Size,
		Attempts:   int(row.Attempts),
		NextAt:     toTime(row.NextAt),
		Reason:     row.Reason,
		StoredAt:   toTime(row.StoredAt),
	}, nil
}

func refPlace(instanceID string, key media.Key) string {
	return strings.Join([]string{"media_files.ref", instanceID, key.ChatKey, key.SenderKey, key.MessageID}, "/")
}

func (db *DB) sealRef(instanceID string, key media.Key, ref media.Ref) ([]byte, error) {
	plain, err := json.Marshal(ref)
	if err != nil {
		return nil, fmt.Errorf("reference of a file: %w", err)
	}
	return db.box.Seal(plain, refPlace(instanceID, key)), nil
}

func (db *DB) openRef(instanceID string, key media.Key, sealed []byte) (ref media.Ref, err error) {
	plain, err := db.box.Open(sealed, refPlace(instanceID, key))
	if err == nil {
		err = json.Unmarshal(plain, &ref)
	}
	if err != nil {
		return media.Ref{}, fmt.Errorf("file of message %s of instance %s: %w", key.MessageID, instanceID, err)
	}
	return ref, nil
}

func secretKeyPlace(instanceID string) string { return "media_buckets.secret_key/" + instanceID }

func (db *DB) sealSecretKey(secret, instanceID string) []byte {
	if secret == "" {
		return nil
	}
	return db.box.Seal([]byte(secret), secretKeyPlace(instanceID))
}

func (db *DB) openSecretKey(sealed []byte, instanceID string) (string, error) {
	if sealed == nil {
		return "", nil
	}
	plain, err := db.box.Open(sealed, secretKeyPlace(instanceID))
	if err != nil {
		return "", fmt.Errorf("S3 secret key of instance %s: %w", instanceID, err)
	}
	return string(plain), nil
}
