package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/fault"
)

var accountTests = map[string]func(*testing.T, Store){
	"AccountIsFoundByNameIDAndToken":   testAccountLookUps,
	"UnknownAccountIsNotFound":         testUnknownAccount,
	"AccountNamesAreUnique":            testAccountNamesAreUnique,
	"TokensAreUniqueOnTheServer":       testTokensAreUnique,
	"AccountsAreListedByName":          testListAccounts,
	"RotatedAccountTokenReplacesOld":   testUpdateAccountToken,
	"AccountLimitIsKeptAndRemoved":     testAccountLimit,
	"DeletedAccountTakesItsInstances":  testDeleteAccount,
	"AppliedTokenIsRemembered":         testAppliedToken,
	"ConcurrentAccountsKeepOneName":    testConcurrentAccounts,
	"ConcurrentAccountsKeepOneOfToken": testConcurrentTokens,
	"PingAnswers":                      func(t *testing.T, s Store) { must(t, s.Ping(t.Context())) },
}

func testAccountLookUps(t *testing.T, s Store) {
	limit := 5
	want := account.Account{ID: newID(t), Name: "acme", InstanceLimit: &limit, CreatedAt: At, UpdatedAt: At.Add(time.Second)}
	must(t, s.CreateAccount(t.Context(), want, "hash"))
	for name, get := range map[string]func() (account.Account, error){
		"name":  func() (account.Account, error) { return s.GetAccount(t.Context(), "acme") },
		"ID":    func() (account.Account, error) { return s.GetAccountByID(t.Context(), want.ID) },
		"token": func() (account.Account, error) { return s.GetAccountByTokenHash(t.Context(), "hash") },
	} {
		got, err := get()
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", name, diff)
		}
	}
}

func testUnknownAccount(t *testing.T, s Store) {
	ctx := t.Context()
	_, byName := s.GetAccount(ctx, "nobody")
	_, byID := s.GetAccountByID(ctx, "nobody")
	_, byToken := s.GetAccountByTokenHash(ctx, "nobody")
	for name, err := range map[string]error{
		"GetAccount":            byName,
		"GetAccountByID":        byID,
		"GetAccountByTokenHash": byToken,
		"UpdateAccountToken":    s.UpdateAccountToken(ctx, "nobody", "h", At),
		"UpdateAccountLimit":    s.UpdateAccountLimit(ctx, "nobody", nil, At),
		"DeleteAccount":         s.DeleteAccount(ctx, "nobody"),
		"CreateInstance":        s.CreateInstance(ctx, instanceNamed(t, "nobody", "sales"), nil),
	} {
		if !errors.Is(err, account.NotFound()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testAccountNamesAreUnique(t *testing.T, s Store) {
	NewAccount(t, s, "acme")
	err := s.CreateAccount(t.Context(), account.Account{ID: newID(t), Name: "acme"}, "another")
	if !errors.Is(err, account.AlreadyExists()) {
		t.Errorf("second account of that name: %v", err)
	}
	NewAccount(t, s, "Acme") // names are compared exactly
}

// testTokensAreUnique tries each way to give a token away twice.
func testTokensAreUnique(t *testing.T, s Store) {
	ctx := t.Context()
	a, b := NewAccount(t, s, "a"), NewAccount(t, s, "b")
	in, other := NewInstance(t, s, a.ID, "in"), NewInstance(t, s, b.ID, "other")
	ofA, ofIn := "token-of-account-a", in.Token
	like := instanceNamed(t, b.ID, "like")
	for _, token := range []string{ofA, ofIn} {
		hash := account.HashToken(token)
		like.Token = token
		for name, err := range map[string]error{
			"CreateAccount":      s.CreateAccount(ctx, account.Account{ID: newID(t), Name: "c"}, hash),
			"UpdateAccountToken": s.UpdateAccountToken(ctx, b.ID, hash, At),
			"CreateInstance":     s.CreateInstance(ctx, like, nil),
			"UpdateToken":        s.UpdateToken(ctx, other.ID, token, At),
		} {
			if !errors.Is(err, account.TokenInUse()) {
				t.Errorf("%s with %s: %v", name, token, err)
			}
		}
	}
	must(t, s.UpdateAccountToken(ctx, a.ID, account.HashToken(ofA), At))
	must(t, s.UpdateToken(ctx, in.ID, ofIn, At))
}

func testListAccounts(t *testing.T, s Store) {
	for _, name := range []string{"b", "B", "a", "_"} {
		NewAccount(t, s, name)
	}
	list, err := s.ListAccounts(t.Context())
	must(t, err)
	var names []string
	for _, a := range list {
		names = append(names, a.Name)
	}
	if diff := cmp.Diff([]string{"B", "_", "a", "b"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func testUpdateAccountToken(t *testing.T, s Store) {
	a := NewAccount(t, s, "acme")
	later := At.Add(time.Hour)
	must(t, s.UpdateAccountToken(t.Context(), a.ID, "new", later))
	got, err := s.GetAccountByTokenHash(t.Context(), "new")
	must(t, err)
	if got.ID != a.ID || !got.UpdatedAt.Equal(later) {
		t.Errorf("by the new token: %+v", got)
	}
	if _, err := s.GetAccountByTokenHash(t.Context(), account.HashToken("token-of-account-acme")); !errors.Is(err, account.NotFound()) {
		t.Errorf("by the old token: %v", err)
	}
}

func testAccountLimit(t *testing.T, s Store) {
	a := NewAccount(t, s, "acme")
	zero := 0
	for _, limit := range []*int{&zero, nil} {
		must(t, s.UpdateAccountLimit(t.Context(), a.ID, limit, At))
		got, err := s.GetAccount(t.Context(), "acme")
		must(t, err)
		if diff := cmp.Diff(limit, got.InstanceLimit); diff != "" {
			t.Errorf("limit (-want +got):\n%s", diff)
		}
	}
}

func testDeleteAccount(t *testing.T, s Store) {
	in := one(t, s)
	NewInstance(t, s, NewAccount(t, s, "other").ID, "stays")
	must(t, s.DeleteAccount(t.Context(), in.AccountID))
	if _, err := s.GetInstanceByToken(t.Context(), in.Token); !errors.Is(err, fault.InstanceNotFound()) {
		t.Errorf("instance of the deleted account: %v", err)
	}
	list, err := s.ListInstances(t.Context(), "")
	must(t, err)
	if len(list) != 1 || list[0].Name != "stays" {
		t.Errorf("left: %+v", list)
	}
}

func testAppliedToken(t *testing.T, s Store) {
	for _, want := range []string{"", "first", "second"} {
		if want != "" {
			must(t, s.SetAppliedToken(t.Context(), want))
		}
		got, err := s.AppliedToken(t.Context())
		must(t, err)
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func testConcurrentAccounts(t *testing.T, s Store) {
	made := atOnce(t, 8, account.AlreadyExists(), func(i int) error {
		return s.CreateAccount(t.Context(), account.Account{ID: newID(t), Name: "acme"}, fmt.Sprint("hash", i))
	})
	if made != 1 {
		t.Errorf("%d accounts with one name", made)
	}
}

func testConcurrentTokens(t *testing.T, s Store) {
	made := atOnce(t, 8, account.TokenInUse(), func(i int) error {
		return s.CreateAccount(t.Context(), account.Account{ID: newID(t), Name: fmt.Sprint("acme", i)}, "hash")
	})
	if made != 1 {
		t.Errorf("%d accounts with one token", made)
	}
}

// atOnce calls create n times at once and counts those that succeeded; the
// others must fail with refused.
func atOnce(t *testing.T, n int, refused error, create func(i int) error) int {
	t.Helper()
	var wg sync.WaitGroup
	var made atomic.Int64
	for i := range n {
		wg.Go(func() {
			switch err := create(i); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, refused):
				t.Errorf("refused with %v, want %v", err, refused)
			}
		})
	}
	wg.Wait()
	return int(made.Load())
}
