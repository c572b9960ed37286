package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/store/sqlgen"
)

// CreateAccount implements account.Store.
func (db *DB) CreateAccount(ctx context.Context, a account.Account, tokenHash string) error {
	return db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := q.CountAccountsNamed(ctx, a.Name)
		if err != nil {
			return err
		}
		if n > 0 {
			return account.AlreadyExists()
		}
		if err := refuseUsedToken(ctx, q, a.ID, tokenHash); err != nil {
			return err
		}
		return q.CreateAccount(ctx, sqlgen.CreateAccountParams{
			ID:            a.ID,
			Name:          a.Name,
			TokenHash:     tokenHash,
			InstanceLimit: fromLimit(a.InstanceLimit),
			CreatedAt:     fromTime(a.CreatedAt),
			UpdatedAt:     fromTime(a.UpdatedAt),
		})
	})
}

// GetAccount implements account.Store.
func (db *DB) GetAccount(ctx context.Context, name string) (account.Account, error) {
	return oneAccount(db.read.GetAccount(ctx, name))
}

// GetAccountByID implements account.Store.
func (db *DB) GetAccountByID(ctx context.Context, id string) (account.Account, error) {
	return oneAccount(db.read.GetAccountByID(ctx, id))
}

// GetAccountByTokenHash implements account.Store.
func (db *DB) GetAccountByTokenHash(ctx context.Context, tokenHash string) (account.Account, error) {
	return oneAccount(db.read.GetAccountByTokenHash(ctx, tokenHash))
}

// ListAccounts implements account.Store: ordered by name.
func (db *DB) ListAccounts(ctx context.Context) ([]account.Account, error) {
	rows, err := db.read.ListAccounts(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]account.Account, len(rows))
	for i, row := range rows {
		list[i] = toAccount(row)
	}
	// Not in SQL: the order would depend on the dialect's collation.
	slices.SortFunc(list, func(a, b account.Account) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// UpdateAccountToken implements account.Store.
func (db *DB) UpdateAccountToken(ctx context.Context, id, tokenHash string, at time.Time) error {
	return db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		if err := refuseUsedToken(ctx, q, id, tokenHash); err != nil {
			return err
		}
		n, err := q.UpdateAccountToken(ctx, sqlgen.UpdateAccountTokenParams{
			ID: id, TokenHash: tokenHash, UpdatedAt: fromTime(at),
		})
		return affected(n, err, account.NotFound())
	})
}

// UpdateAccountLimit implements account.Store.
func (db *DB) UpdateAccountLimit(ctx context.Context, id string, limit *int, at time.Time) error {
	return db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := q.UpdateAccountLimit(ctx, sqlgen.UpdateAccountLimitParams{
			ID: id, InstanceLimit: fromLimit(limit), UpdatedAt: fromTime(at),
		})
		return affected(n, err, account.NotFound())
	})
}

// DeleteAccount implements account.Store. What is left of its instances goes
// with it.
func (db *DB) DeleteAccount(ctx context.Context, id string) error {
	return db.transact(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := q.DeleteAccount(ctx, id)
		return affected(n, err, account.NotFound())
	})
}

// CountInstances implements account.Store.
func (db *DB) CountInstances(ctx context.Context, accountID string) (int, error) {
	n, err := db.read.CountInstances(ctx, accountID)
	return int(n), err
}

// refuseUsedToken keeps tokens unique on the whole server: no account and no
// instance but the one of that ID may have it.
func refuseUsedToken(ctx context.Context, q *sqlgen.Queries, id, tokenHash string) error {
	accounts, err := q.CountOtherAccountsWithToken(ctx,
		sqlgen.CountOtherAccountsWithTokenParams{TokenHash: tokenHash, ID: id})
	if err != nil {
		return err
	}
	instances, err := q.CountOtherInstancesWithToken(ctx,
		sqlgen.CountOtherInstancesWithTokenParams{TokenHash: tokenHash, ID: id})
	if err != nil {
		return err
	}
	if accounts+instances > 0 {
		return account.TokenInUse()
	}
	return nil
}

func oneAccount(row sqlgen.Account, err error) (account.Account, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return account.Account{}, account.NotFound()
	}
	return toAccount(row), err
}

func toAccount(row sqlgen.Account) account.Account {
	a := account.Account{
		ID:        row.ID,
		Name:      row.Name,
		CreatedAt: toTime(row.CreatedAt),
		UpdatedAt: toTime(row.UpdatedAt),
	}
	if row.InstanceLimit.Valid {
		limit := int(row.InstanceLimit.Int64)
		a.InstanceLimit = &limit
	}
	return a
}

func fromLimit(limit *int) sql.NullInt64 {
	if limit == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: int64(*limit), Valid: true}
}

// affected returns missing when a statement about one row found none.
func affected(n int64, err, missing error) error {
	if err == nil && n == 0 {
		return missing
	}
	return err
}

// fromTime and toTime keep times as Unix milliseconds, the zero time as 0.
func fromTime(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func toTime(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
