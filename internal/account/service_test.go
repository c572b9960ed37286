package account_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/fault"
)

const (
	tokenA = "token-a-0123456789"
	tokenB = "token-b-0123456789"
)

// memory is a store that keeps accounts in a map. The real one is proven by
// its own suite.
type memory struct {
	accounts map[string]account.Account // by name
	tokens   map[string]string          // hash to account ID
	used     map[string]int             // instances by account ID
	applied  string
	fail     error // answered by every method that writes
}

func newMemory() *memory {
	return &memory{accounts: map[string]account.Account{}, tokens: map[string]string{}, used: map[string]int{}}
}

func (m *memory) CreateAccount(_ context.Context, a account.Account, hash string) error {
	if _, taken := m.accounts[a.Name]; taken {
		return account.AlreadyExists()
	}
	if err := m.setToken(a.ID, hash); err != nil {
		return err
	}
	m.accounts[a.Name] = a
	return nil
}

func (m *memory) setToken(id, hash string) error {
	if m.fail != nil {
		return m.fail
	}
	if owner, taken := m.tokens[hash]; taken && owner != id {
		return account.TokenInUse()
	}
	for h, owner := range m.tokens {
		if owner == id {
			delete(m.tokens, h)
		}
	}
	m.tokens[hash] = id
	return nil
}

func (m *memory) GetAccount(_ context.Context, name string) (account.Account, error) {
	a, ok := m.accounts[name]
	if !ok {
		return account.Account{}, account.NotFound()
	}
	return a, nil
}

func (m *memory) GetAccountByID(_ context.Context, id string) (account.Account, error) {
	for _, a := range m.accounts {
		if a.ID == id {
			return a, nil
		}
	}
	return account.Account{}, account.NotFound()
}

func (m *memory) GetAccountByTokenHash(ctx context.Context, hash string) (account.Account, error) {
	return m.GetAccountByID(ctx, m.tokens[hash])
}

func (m *memory) ListAccounts(context.Context) ([]account.Account, error) {
	var list []account.Account
	for _, a := range m.accounts {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b account.Account) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func (m *memory) UpdateAccountToken(_ context.Context, id, hash string, _ time.Time) error {
	return m.setToken(id, hash)
}

func (m *memory) UpdateAccountLimit(ctx context.Context, id string, limit *int, at time.Time) error {
	a, err := m.GetAccountByID(ctx, id)
	a.InstanceLimit, a.UpdatedAt = limit, at
	m.accounts[a.Name] = a
	return err
}

func (m *memory) DeleteAccount(ctx context.Context, id string) error {
	a, err := m.GetAccountByID(ctx, id)
	delete(m.accounts, a.Name)
	return err
}

func (m *memory) CountInstances(_ context.Context, id string) (int, error) { return m.used[id], nil }

func (m *memory) AppliedToken(context.Context) (string, error) { return m.applied, nil }

func (m *memory) SetAppliedToken(_ context.Context, hash string) error {
	m.applied = hash
	return m.fail
}

// world is a service with everything around it in view.
type world struct {
	*account.Service
	store   *memory
	linked  bool
	failed  error    // what DeleteAll answers
	deleted []string // accounts whose instances were deleted
	revoked []string // accounts whose token was said to have ended
}

func newWorld() *world {
	w := &world{store: newMemory()}
	w.Service = account.NewService(w.store, w, func(id string) { w.revoked = append(w.revoked, id) })
	return w
}

func (w *world) DeleteAll(_ context.Context, accountID string) error {
	w.deleted = append(w.deleted, accountID)
	return w.failed
}

func (w *world) AnyLinked(context.Context, string) (bool, error) { return w.linked, nil }

func (w *world) create(t *testing.T, name, token string) account.Account {
	t.Helper()
	a, got, err := w.Create(t.Context(), name, token, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" && got != token {
		t.Fatalf("token %q came back as %q", token, got)
	}
	return a
}

func (w *world) wantToken(t *testing.T, token string, want error) {
	t.Helper()
	if _, err := w.Authenticate(t.Context(), token); !errors.Is(err, want) {
		t.Errorf("authenticating: %v, want %v", err, want)
	}
}

func TestCreateDrawsATokenOf256Bits(t *testing.T) {
	w := newWorld()
	a, token, err := w.Create(t.Context(), "acme", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(token) != 43 || !account.ValidToken(token) {
		t.Errorf("token %q", token)
	}
	got, err := w.Authenticate(t.Context(), token)
	if err != nil || got.ID != a.ID {
		t.Errorf("authenticated as %+v, %v", got, err)
	}
	if _, kept := w.store.tokens[token]; kept {
		t.Error("the token itself was stored")
	}
}

func TestCreateRefusesBadInput(t *testing.T) {
	negative := -1
	for _, c := range []struct {
		name, token, field string
		limit              *int
	}{
		{name: "", field: "name"},
		{name: "-acme", field: "name"},
		{name: "a/b", field: "name"},
		{name: strings.Repeat("a", 101), field: "name"},
		{name: "acme", token: "short", field: "token"},
		{name: "acme", token: strings.Repeat("a", 257), field: "token"},
		{name: "acme", token: "sixteen chars, and a space", field: "token"},
		{name: "acme", limit: &negative, field: "instanceLimit"},
	} {
		_, _, err := newWorld().Create(t.Context(), c.name, c.token, c.limit)
		f := fault.Of(err, "")
		if f == nil || f.Kind != fault.Invalid || len(f.Details) != 1 || f.Details[0].Field != c.field {
			t.Errorf("%+v: %#v", c, err)
		}
		if c.token != "" && strings.Contains(err.Error(), c.token) {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
}

func TestCreateRefusesTakenNameAndToken(t *testing.T) {
	w := newWorld()
	w.create(t, "acme", tokenA)
	if _, _, err := w.Create(t.Context(), "acme", tokenB, nil); !errors.Is(err, account.AlreadyExists()) {
		t.Errorf("taken name: %v", err)
	}
	if _, _, err := w.Create(t.Context(), "other", tokenA, nil); !errors.Is(err, account.TokenInUse()) {
		t.Errorf("taken token: %v", err)
	}
}

func TestAuthenticateHasOneAnswerToEveryWrongToken(t *testing.T) {
	w := newWorld()
	w.create(t, "acme", tokenA)
	for _, token := range []string{"", tokenB, tokenA + " ", account.HashToken(tokenA)} {
		w.wantToken(t, token, fault.InvalidToken())
	}
}

func TestListCountsInstances(t *testing.T) {
	w := newWorld()
	b, a := w.create(t, "b", ""), w.create(t, "a", "")
	w.store.used[a.ID] = 3
	got, err := w.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []account.Summary{{Account: a, InstancesUsed: 3}, {Account: b}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	one, err := w.Summarize(t.Context(), a.ID)
	if err != nil || one.InstancesUsed != 3 {
		t.Errorf("Summarize: %+v, %v", one, err)
	}
}

func TestRotateKillsTheOldTokenAtOnce(t *testing.T) {
	w := newWorld()
	a := w.create(t, "acme", tokenA)
	token, err := w.Rotate(t.Context(), "acme", "")
	if err != nil {
		t.Fatal(err)
	}
	w.wantToken(t, tokenA, fault.InvalidToken())
	w.wantToken(t, token, nil)
	if diff := cmp.Diff([]string{a.ID}, w.revoked); diff != "" {
		t.Errorf("revoked (-want +got):\n%s", diff)
	}
	if _, err := w.Rotate(t.Context(), "nobody", ""); !errors.Is(err, account.NotFound()) {
		t.Errorf("unknown account: %v", err)
	}
	if _, err := w.Rotate(t.Context(), "acme", "short"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("bad token: %v", err)
	}
}

func TestFailedRotateRevokesNothing(t *testing.T) {
	w := newWorld()
	w.create(t, "acme", tokenA)
	w.store.fail = errors.New("disk full")
	if _, err := w.Rotate(t.Context(), "acme", tokenB); !errors.Is(err, w.store.fail) {
		t.Errorf("Rotate: %v", err)
	}
	w.wantToken(t, tokenA, nil)
	if w.revoked != nil {
		t.Errorf("revoked: %v", w.revoked)
	}
}

func TestSetLimit(t *testing.T) {
	w := newWorld()
	w.create(t, "acme", "")
	five, negative := 5, -1
	for _, limit := range []*int{&five, nil} {
		got, err := w.SetLimit(t.Context(), "acme", limit)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := w.Get(t.Context(), "acme")
		if diff := cmp.Diff(got, stored); diff != "" || err != nil || !cmp.Equal(limit, got.InstanceLimit) {
			t.Errorf("%v (-answered +stored):\n%s", err, diff)
		}
	}
	if _, err := w.SetLimit(t.Context(), "acme", &negative); fault.KindOf(err) != fault.Invalid {
		t.Errorf("negative: %v", err)
	}
	if _, err := w.SetLimit(t.Context(), "nobody", nil); !errors.Is(err, account.NotFound()) {
		t.Errorf("unknown account: %v", err)
	}
}

func TestDeleteRefusesLinkedInstancesWithoutForce(t *testing.T) {
	w := newWorld()
	a := w.create(t, "acme", tokenA)
	w.linked = true
	if err := w.Delete(t.Context(), "acme", false); !errors.Is(err, account.HasLinkedInstances()) {
		t.Errorf("without force: %v", err)
	}
	w.wantToken(t, tokenA, nil)
	if err := w.Delete(t.Context(), "acme", true); err != nil {
		t.Errorf("with force: %v", err)
	}
	w.wantToken(t, tokenA, fault.InvalidToken())
	if _, err := w.Get(t.Context(), "acme"); !errors.Is(err, account.NotFound()) {
		t.Errorf("after delete: %v", err)
	}
	if diff := cmp.Diff([]string{a.ID}, w.deleted); diff != "" {
		t.Errorf("instances deleted of (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{a.ID}, w.revoked); diff != "" {
		t.Errorf("revoked (-want +got):\n%s", diff)
	}
}

func TestInterruptedDeleteCanBeRepeated(t *testing.T) {
	w := newWorld()
	a := w.create(t, "acme", tokenA)
	w.failed = errors.New("WhatsApp is away")
	if err := w.Delete(t.Context(), "acme", false); !errors.Is(err, w.failed) {
		t.Errorf("Delete: %v", err)
	}
	w.wantToken(t, tokenA, fault.InvalidToken())
	if diff := cmp.Diff([]string{a.ID}, w.revoked); diff != "" {
		t.Errorf("revoked (-want +got):\n%s", diff)
	}
	w.failed = nil
	if err := w.Delete(t.Context(), "acme", false); err != nil {
		t.Errorf("repeated: %v", err)
	}
}

func TestConfiguredTokenIsAppliedWhenItChanges(t *testing.T) {
	w := newWorld()
	apply := func(token string, wantCreated bool) {
		t.Helper()
		created, err := w.ApplyConfigured(t.Context(), token)
		if err != nil || created != wantCreated {
			t.Errorf("created %v, %v", created, err)
		}
	}
	apply(tokenA, true)
	w.wantToken(t, tokenA, nil)
	apply(tokenA, false) // the same at the next start
	if w.revoked != nil {
		t.Errorf("revoked by the same token: %v", w.revoked)
	}
	rotated, err := w.Rotate(t.Context(), account.DefaultName, "")
	if err != nil {
		t.Fatal(err)
	}
	apply(tokenA, false) // a token rotated by command stays rotated
	w.wantToken(t, tokenA, fault.InvalidToken())
	w.wantToken(t, rotated, nil)
	apply(tokenB, false) // changing it rotates
	w.wantToken(t, tokenB, nil)
	w.wantToken(t, rotated, fault.InvalidToken())
	if len(w.revoked) != 2 {
		t.Errorf("revoked %d times, want 2", len(w.revoked))
	}
}

func TestConfiguredTokenAppliedBeforeACrashRevokesNothing(t *testing.T) {
	w := newWorld()
	w.create(t, account.DefaultName, tokenA)
	created, err := w.ApplyConfigured(t.Context(), tokenA)
	if created || err != nil || w.revoked != nil {
		t.Errorf("created %v, %v, revoked %v", created, err, w.revoked)
	}
	if w.store.applied != account.HashToken(tokenA) {
		t.Error("what was applied is not noted")
	}
}

func TestConfiguredTokenThatCannotBe(t *testing.T) {
	w := newWorld()
	w.create(t, "other", tokenA)
	if _, err := w.ApplyConfigured(t.Context(), tokenA); !errors.Is(err, account.TokenInUse()) {
		t.Errorf("somebody else's: %v", err)
	}
	if _, err := w.ApplyConfigured(t.Context(), "short"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("too short: %v", err)
	}
	if w.store.applied != "" {
		t.Error("a refused token was noted as applied")
	}
}

func FuzzValidToken(f *testing.F) {
	for _, seed := range []string{tokenA, "", "short", "sixteen-char$$$$", strings.Repeat("a", 257), "sixteen-char-ok\n"} {
		f.Add(seed)
	}
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~+/=-"
	f.Fuzz(func(t *testing.T, token string) {
		want := len(token) >= 16 && len(token) <= 256 && strings.Trim(token, allowed) == ""
		if got := account.ValidToken(token); got != want {
			t.Errorf("%q: %v, want %v", token, got, want)
		}
	})
}
