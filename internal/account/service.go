package account

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/chasqui/chasqui/internal/fault"
)

// DefaultName is the account that the configured token belongs to.
const DefaultName = "default"

// Service administers accounts. It is safe for concurrent use.
type Service struct {
	store     Store
	instances Instances
	onRevoked func(accountID string)
}

// NewService returns a service over store. onRevoked is called after an
// account's token stopped working, to close what it had opened; nil is allowed.
func NewService(store Store, instances Instances, onRevoked func(accountID string)) *Service {
	if onRevoked == nil {
		onRevoked = func(string) {}
	}
	return &Service{store: store, instances: instances, onRevoked: onRevoked}
}

// Create makes an account and returns its token, shown this once. An empty
// token is drawn at random. Errors: Invalid request body, Account already
// exists, Token already in use.
func (s *Service) Create(ctx context.Context, name, token string, limit *int) (Account, string, error) {
	token, err := drawOrCheck(token)
	if err != nil {
		return Account{}, "", err
	}
	if err := checkName(name); err != nil {
		return Account{}, "", err
	}
	if err := checkLimit(limit); err != nil {
		return Account{}, "", err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Account{}, "", err
	}
	at := now()
	a := Account{ID: id.String(), Name: name, InstanceLimit: limit, CreatedAt: at, UpdatedAt: at}
	if err := s.store.CreateAccount(ctx, a, HashToken(token)); err != nil {
		return Account{}, "", err
	}
	return a, token, nil
}

// Get returns the account of that name, or Account not found.
func (s *Service) Get(ctx context.Context, name string) (Account, error) {
	return s.store.GetAccount(ctx, name)
}

// List returns all accounts ordered by name, with the number of their instances.
func (s *Service) List(ctx context.Context) ([]Summary, error) {
	accounts, err := s.store.ListAccounts(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Summary, len(accounts))
	for i, a := range accounts {
		if list[i], err = s.summary(ctx, a); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Summarize returns the account of that ID with the number of its instances.
func (s *Service) Summarize(ctx context.Context, id string) (Summary, error) {
	a, err := s.store.GetAccountByID(ctx, id)
	if err != nil {
		return Summary{}, err
	}
	return s.summary(ctx, a)
}

func (s *Service) summary(ctx context.Context, a Account) (Summary, error) {
	used, err := s.store.CountInstances(ctx, a.ID)
	return Summary{Account: a, InstancesUsed: used}, err
}

// Rotate replaces the account's token and returns the new one; an empty one is
// drawn at random. The old one fails at once. Errors: Invalid request body,
// Account not found, Token already in use.
func (s *Service) Rotate(ctx context.Context, name, token string) (string, error) {
	token, err := drawOrCheck(token)
	if err != nil {
		return "", err
	}
	a, err := s.store.GetAccount(ctx, name)
	if err != nil {
		return "", err
	}
	if err := s.store.UpdateAccountToken(ctx, a.ID, HashToken(token), now()); err != nil {
		return "", err
	}
	s.onRevoked(a.ID)
	return token, nil
}

// SetLimit changes the quota; nil removes it. A limit below what is used
// already deletes nothing: it only refuses new instances.
func (s *Service) SetLimit(ctx context.Context, name string, limit *int) (Account, error) {
	if err := checkLimit(limit); err != nil {
		return Account{}, err
	}
	a, err := s.store.GetAccount(ctx, name)
	if err != nil {
		return Account{}, err
	}
	a.InstanceLimit, a.UpdatedAt = limit, now()
	return a, s.store.UpdateAccountLimit(ctx, a.ID, limit, a.UpdatedAt)
}

// Delete removes the account after its instances. Without a running server an
// account with linked instances is refused unless force is set; a running
// server, which can unlink them, always sets it.
//
// The token stops working first, so that nobody makes an instance meanwhile. If
// an instance cannot be deleted the account stays, without a token, and Delete
// can be repeated.
func (s *Service) Delete(ctx context.Context, name string, force bool) error {
	a, err := s.store.GetAccount(ctx, name)
	if err != nil {
		return err
	}
	if !force {
		linked, err := s.instances.AnyLinked(ctx, a.ID)
		if err != nil {
			return err
		}
		if linked {
			return HasLinkedInstances()
		}
	}
	if err := s.store.UpdateAccountToken(ctx, a.ID, HashToken(NewToken()), now()); err != nil {
		return err
	}
	defer s.onRevoked(a.ID)
	if err := s.instances.DeleteAll(ctx, a.ID); err != nil {
		return err
	}
	return s.store.DeleteAccount(ctx, a.ID)
}

// Authenticate returns the account that token belongs to, or Invalid token.
func (s *Service) Authenticate(ctx context.Context, token string) (Account, error) {
	a, err := s.store.GetAccountByTokenHash(ctx, HashToken(token))
	if errors.Is(err, NotFound()) {
		return Account{}, fault.InvalidToken()
	}
	return a, err
}

// ApplyConfigured makes the account "default" answer to the configured token
// when that differs from the one applied last, so that a token rotated by
// command stays rotated. created reports whether the account was made. Errors:
// Invalid request body, Token already in use.
func (s *Service) ApplyConfigured(ctx context.Context, token string) (created bool, err error) {
	if !ValidToken(token) {
		return false, invalidToken()
	}
	hash := HashToken(token)
	applied, err := s.store.AppliedToken(ctx)
	if err != nil || applied == hash {
		return false, err
	}
	created, err = s.applyToken(ctx, token, hash)
	if err != nil {
		return false, err
	}
	return created, s.store.SetAppliedToken(ctx, hash)
}

func (s *Service) applyToken(ctx context.Context, token, hash string) (created bool, err error) {
	owner, err := s.store.GetAccountByTokenHash(ctx, hash)
	if err != nil && !errors.Is(err, NotFound()) {
		return false, err
	}
	if err == nil && owner.Name == DefaultName {
		return false, nil // a crash came between applying it and noting that
	}
	a, err := s.store.GetAccount(ctx, DefaultName)
	if errors.Is(err, NotFound()) {
		_, _, err := s.Create(ctx, DefaultName, token, nil)
		return err == nil, err
	}
	if err != nil {
		return false, err
	}
	if err := s.store.UpdateAccountToken(ctx, a.ID, hash, now()); err != nil {
		return false, err
	}
	s.onRevoked(a.ID)
	return false, nil
}

// now is the time as the store keeps it: UTC, in milliseconds.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func drawOrCheck(token string) (string, error) {
	if token == "" {
		return NewToken(), nil
	}
	if !ValidToken(token) {
		return "", invalidToken()
	}
	return token, nil
}

func invalidToken() *fault.Error {
	return fault.InvalidBody(fault.Detail{Field: "token", Reason: "16 to 256 of A-Z a-z 0-9 . _ ~ + / = -"})
}

func checkName(name string) error {
	if !validName.MatchString(name) {
		return fault.InvalidBody(fault.Detail{Field: "name", Reason: "must match " + namePattern})
	}
	return nil
}

func checkLimit(limit *int) error {
	if limit != nil && *limit < 0 {
		return fault.InvalidBody(fault.Detail{Field: "instanceLimit", Reason: "must not be negative"})
	}
	return nil
}
