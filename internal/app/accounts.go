package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.mau.fi/whatsmeow/store/sqlstore"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/blob"
	"github.com/chasqui/chasqui/internal/config"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/store"
	"github.com/chasqui/chasqui/internal/telemetry"
	"github.com/chasqui/chasqui/internal/wa"
)

// OpenAccounts opens the accounts of a data folder on which no server runs; only
// with create is a folder without a database given one. The caller must call
// release when it is done.
func OpenAccounts(ctx context.Context, opts config.Options, create bool) (accounts *account.Service, release func() error, err error) {
	if err := checkFolder(opts.Data, create); err != nil {
		return nil, nil, fmt.Errorf("data: %w", err)
	}
	lock := newFolderLock(opts.Data)
	if err := lock.Start(ctx); err != nil {
		return nil, nil, err
	}
	db, err := openStore(ctx, opts, telemetry.NewLogger(os.Stderr, "text"))
	if err != nil {
		return nil, nil, errors.Join(err, lock.Stop(ctx))
	}
	disk, err := openDisk(opts)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close(), lock.Stop(ctx))
	}
	release = func() error { return errors.Join(disk.Close(), db.Close(), lock.Stop(ctx)) }
	return account.NewService(db, stored{db, disk}, nil), release, nil
}

func checkFolder(data string, create bool) error {
	if create {
		return os.MkdirAll(data, 0o700)
	}
	_, err := os.Stat(filepath.Join(data, databaseName))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no accounts in %s: it holds no %s", data, databaseName)
	}
	return err
}

// stored deletes instances with their files on the disk alone: WhatsApp is not
// told.
type stored struct {
	db   *store.DB
	disk *blob.Disk
}

// DeleteAll implements account.Instances.
func (s stored) DeleteAll(ctx context.Context, accountID string) error {
	list, err := s.db.ListInstances(ctx, accountID)
	if err != nil {
		return err
	}
	for _, in := range list {
		if err := s.delete(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

func (s stored) delete(ctx context.Context, in instance.Instance) error {
	if in.Login.Linked() {
		if err := wa.Forget(ctx, sqlstore.NewWithDB(s.db.WhatsApp(), "sqlite3", nil), in.Login.DeviceJID); err != nil {
			return err
		}
	}
	if err := s.db.DeleteInstance(ctx, in.ID); err != nil {
		return err
	}
	return s.disk.DeleteAll(ctx, in.ID)
}

// AnyLinked implements account.Instances.
func (s stored) AnyLinked(ctx context.Context, accountID string) (bool, error) {
	list, err := s.db.ListInstances(ctx, accountID)
	for _, in := range list {
		if in.Login.Linked() {
			return true, err
		}
	}
	return false, err
}
