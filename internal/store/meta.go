package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/chasqui/chasqui/internal/store/sqlgen"
)

// The keys of the table meta.
const (
	metaKeyCheck     = "encryption_check"
	metaEnded        = "ended"
	metaAppliedToken = "applied_token"
	metaNetwork      = "network"
)

const (
	endedClean = "clean"
	endedNot   = "running"
)

// ErrWrongKey says that the secrets in the store were sealed with another key.
var ErrWrongKey = errors.New("the encryption key is not the one this database was made with")

// checkKey seals a known value at the first start and opens it at every later
// one, so that a wrong key is found before anything is written with it.
func (db *DB) checkKey(ctx context.Context) error {
	const place = "meta.value/" + metaKeyCheck
	stored, err := db.meta(ctx, metaKeyCheck)
	if err != nil {
		return err
	}
	if stored == "" {
		sealed := db.box.Seal([]byte(metaKeyCheck), place)
		return db.putMeta(ctx, metaKeyCheck, base64.StdEncoding.EncodeToString(sealed))
	}
	sealed, err := base64.StdEncoding.DecodeString(stored)
	if err == nil {
		_, err = db.box.Open(sealed, place)
	}
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrWrongKey, err)
	}
	return nil
}

// WasClean reports whether the store was new or ended cleanly when it was
// opened. What has happened since does not change it.
func (db *DB) WasClean() bool { return db.clean }

// MarkRunning notes that a server works on the store: if nothing else is noted
// later, it did not end cleanly.
func (db *DB) MarkRunning(ctx context.Context) error { return db.putMeta(ctx, metaEnded, endedNot) }

// MarkClean notes that the server has ended cleanly.
func (db *DB) MarkClean(ctx context.Context) error { return db.putMeta(ctx, metaEnded, endedClean) }

func (db *DB) endedClean(ctx context.Context) (bool, error) {
	ended, err := db.meta(ctx, metaEnded)
	return ended != endedNot, err
}

// AppliedToken implements account.Store.
func (db *DB) AppliedToken(ctx context.Context) (string, error) {
	return db.meta(ctx, metaAppliedToken)
}

// SetAppliedToken implements account.Store.
func (db *DB) SetAppliedToken(ctx context.Context, tokenHash string) error {
	return db.putMeta(ctx, metaAppliedToken, tokenHash)
}

// Network returns the name of the network on which the instances were linked,
// empty if none was noted.
func (db *DB) Network(ctx context.Context) (string, error) { return db.meta(ctx, metaNetwork) }

// SetNetwork notes the name of that network.
func (db *DB) SetNetwork(ctx context.Context, name string) error {
	return db.putMeta(ctx, metaNetwork, name)
}

// meta returns the value of a key, empty if there is none.
func (db *DB) meta(ctx context.Context, key string) (string, error) {
	value, err := db.read.GetMeta(ctx, key)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

func (db *DB) putMeta(ctx context.Context, key, value string) error {
	return db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		return q.PutMeta(ctx, sqlgen.PutMetaParams{Key: key, Value: value})
	})
}
