package account

import (
	"context"
	"time"
)

// Account owns instances.
type Account struct {
	ID            string // UUID v7
	Name          string // unique on the server
	InstanceLimit *int   // nil: none
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Summary is an account with the number of its instances.
type Summary struct {
	Account
	InstancesUsed int
}

// Store keeps accounts. Methods return faults: Account not found, Account
// already exists, Token already in use.
type Store interface {
	CreateAccount(ctx context.Context, a Account, tokenHash string) error
	GetAccount(ctx context.Context, name string) (Account, error)
	GetAccountByID(ctx context.Context, id string) (Account, error)
	GetAccountByTokenHash(ctx context.Context, tokenHash string) (Account, error)
	ListAccounts(ctx context.Context) ([]Account, error)
	UpdateAccountToken(ctx context.Context, id, tokenHash string, at time.Time) error
	UpdateAccountLimit(ctx context.Context, id string, limit *int, at time.Time) error
	DeleteAccount(ctx context.Context, id string) error
	CountInstances(ctx context.Context, accountID string) (int, error)
	// AppliedToken and SetAppliedToken remember the hash of the configured
	// account token that was applied last ("" at first).
	AppliedToken(ctx context.Context) (tokenHash string, err error)
	SetAppliedToken(ctx context.Context, tokenHash string) error
}

// Instances is what deleting an account needs of its instances.
type Instances interface {
	// DeleteAll logs out and deletes each instance of the account.
	DeleteAll(ctx context.Context, accountID string) error
	// AnyLinked reports whether one of them has a stored login.
	AnyLinked(ctx context.Context, accountID string) (bool, error)
}
