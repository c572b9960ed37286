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

// Service administers accounts.
type Service struct{}

// NewService returns a service over store. onRevoked is called after an
// account's token stopped working, to close what it had opened; nil is allowed.
func NewService(store Store, instances Instances, onRevoked func(accountID string)) *Service {
	panic("unwritten")
}

// Create makes an account and returns its token, shown this once. An empty
// token is drawn at random.
func (s *Service) Create(ctx context.Context, name, token string, limit *int) (Account, string, error) {
	panic("unwritten")
}

// Get returns the account of that name.
func (s *Service) Get(ctx context.Context, name string) (Account, error) { panic("unwritten") }

// List returns all accounts ordered by name, with the number of their instances.
func (s *Service) List(ctx context.Context) ([]Summary, error) { panic("unwritten") }

// Summarize returns the account of that ID with the number of its instances.
func (s *Service) Summarize(ctx context.Context, id string) (Summary, error) { panic("unwritten") }

// Rotate replaces the account's token and returns the new one; the old one
// fails at once.
func (s *Service) Rotate(ctx context.Context, name, token string) (string, error) {
	panic("unwritten")
}

// SetLimit changes the quota; nil removes it.
func (s *Service) SetLimit(ctx context.Context, name string, limit *int) (Account, error) {
	panic("unwritten")
}

// Delete removes the account after its instances. Without a running server an
// account with linked instances is refused unless force is set.
func (s *Service) Delete(ctx context.Context, name string, force bool) error { panic("unwritten") }

// Authenticate returns the account that token belongs to, or Invalid token.
func (s *Service) Authenticate(ctx context.Context, token string) (Account, error) {
	panic("unwritten")
}

// ApplyConfigured makes the account "default" answer to the configured token
// when that differs from the one applied last. created reports whether the
// account was made.
func (s *Service) ApplyConfigured(ctx context.Context, token string) (created bool, err error) {
	panic("unwritten")
}

// HashToken returns the hex SHA-256 by which a token is stored and looked up.
func HashToken(token string) string { panic("unwritten") }

// NewToken draws 256 random bits, base64url without padding.
func NewToken() string { panic("unwritten") }

// ValidToken reports whether a token given by a person is acceptable: 16 to
// 256 of [A-Za-z0-9._~+/=-].
func ValidToken(token string) bool { panic("unwritten") }
