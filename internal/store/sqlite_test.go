package store_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/seal"
	"github.com/chasqui/chasqui/internal/store"
	"github.com/chasqui/chasqui/internal/store/storetest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// with opens the file, hands the store to use and closes it.
func with(t testing.TB, path string, use func(db *store.DB)) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Path: path, Box: box(t, 1)})
	must(t, err)
	defer func() { must(t, db.Close()) }()
	use(db)
}

func recordText(t testing.TB, db *store.DB, instanceID string, n int) int64 {
	t.Helper()
	item, e := storetest.TextItem(n)
	must(t, db.Record(t.Context(), instanceID, []dispatch.Item{item}, []*event.Event{e}, dispatch.Outbox{}))
	return e.Sequence
}

func TestSequenceSurvivesRestarts(t *testing.T) {
	path := newFile(t)
	var id string
	for n := range 5 {
		with(t, path, func(db *store.DB) {
			if n == 0 {
				id = storetest.NewInstance(t, db, storetest.NewAccount(t, db, "acme").ID, "sales").ID
			}
			if got, want := recordText(t, db, id, n), int64(n+1); got != want {
				t.Errorf("after restart %d: sequence %d, want %d", n, got, want)
			}
			if got := recordText(t, db, id, 0); n > 0 && got != 0 {
				t.Errorf("after restart %d: the first message is news again", n)
			}
		})
	}
}

func TestReopenMigratesNothing(t *testing.T) {
	path := newFile(t)
	versions := func(db *store.DB) (n int) {
		must(t, db.WhatsApp().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM goose_db_version").Scan(&n))
		return n
	}
	var first int
	with(t, path, func(db *store.DB) { first = versions(db) })
	with(t, path, func(db *store.DB) {
		if again := versions(db); again != first || first == 0 {
			t.Errorf("%d migrations after the first open, %d after the second", first, again)
		}
	})
}

func TestWrongKeyIsRefusedAtOpen(t *testing.T) {
	path := newFile(t)
	with(t, path, func(db *store.DB) { storetest.NewAccount(t, db, "acme") })
	_, err := store.Open(t.Context(), store.Options{Path: path, Box: box(t, 2)})
	if !errors.Is(err, store.ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
	with(t, path, func(db *store.DB) {
		_, err := db.GetAccount(t.Context(), "acme")
		must(t, err)
	})
}

func TestRotatedKeyOpensOldSecrets(t *testing.T) {
	path := newFile(t)
	var in instance.Instance
	with(t, path, func(db *store.DB) {
		in = storetest.NewInstance(t, db, storetest.NewAccount(t, db, "acme").ID, "sales")
	})
	rotated, err := seal.New(bytes.Repeat([]byte{2}, seal.KeySize), bytes.Repeat([]byte{1}, seal.KeySize))
	must(t, err)
	db, err := store.Open(t.Context(), store.Options{Path: path, Box: rotated})
	must(t, err)
	defer func() { must(t, db.Close()) }()
	got, err := db.GetInstanceByToken(t.Context(), in.Token)
	if err != nil || got.Token != in.Token {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSecretsAreNotInTheFiles(t *testing.T) {
	path := newFile(t)
	secrets := map[string]string{
		"account token":  "plain-account-token-1234",
		"instance token": "plain-instance-token-1234",
		"rotated token":  "plain-rotated-token-1234",
		"proxy password": "plain-proxy-password-1234",
	}
	db := open(t, path)
	a := account.Account{ID: "a", Name: "acme"}
	must(t, db.CreateAccount(t.Context(), a, account.HashToken(secrets["account token"])))
	must(t, db.CreateInstance(t.Context(), instance.Instance{
		ID: "i", AccountID: "a", Name: "a-name-in-plain-text", Token: secrets["instance token"],
		Proxy: instance.Proxy{Enabled: true, Password: secrets["proxy password"]},
	}, nil))
	must(t, db.UpdateToken(t.Context(), "i", secrets["rotated token"], storetest.At))
	content := readAll(t, path)
	if !bytes.Contains(content, []byte("a-name-in-plain-text")) {
		t.Fatal("the files do not hold what was stored: the test would prove nothing")
	}
	for name, secret := range secrets {
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("the %s is in the file", name)
		}
	}
}

// readAll returns the bytes of the database and of its log.
func readAll(t *testing.T, path string) []byte {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	must(t, err)
	var all []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		must(t, err)
		all = append(all, b...)
	}
	return all
}

func TestFilesAreForTheirOwnerAlone(t *testing.T) {
	path := newFile(t)
	db := open(t, path)
	storetest.NewAccount(t, db, "acme")
	files, err := filepath.Glob(path + "*")
	must(t, err)
	if len(files) < 2 {
		t.Errorf("files: %v", files)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %o", filepath.Base(f), info.Mode().Perm())
		}
	}
}

func TestUncleanEndIsNoticed(t *testing.T) {
	path := newFile(t)
	for _, step := range []struct {
		name  string
		clean bool
		do    func(db *store.DB) error
	}{
		{"new store", true, func(*store.DB) error { return nil }},
		{"a command only", true, func(db *store.DB) error { return db.MarkRunning(t.Context()) }},
		{"killed", false, func(db *store.DB) error { return nil }},
		{"killed, then a command", false, func(db *store.DB) error {
			return errors.Join(db.MarkRunning(t.Context()), db.MarkClean(t.Context()))
		}},
		{"ended cleanly", true, func(db *store.DB) error { return nil }},
	} {
		with(t, path, func(db *store.DB) {
			if got := db.WasClean(); got != step.clean {
				t.Errorf("%s: clean %v", step.name, got)
			}
			must(t, step.do(db))
			if got := db.WasClean(); got != step.clean {
				t.Errorf("%s: what came later changed the answer", step.name)
			}
		})
	}
}

// TestFullDiskSurfaces limits the file to the pages that it has. Nothing is
// half recorded, and when there is room again the sequence goes on.
func TestFullDiskSurfaces(t *testing.T) {
	db := open(t, newFile(t))
	id := storetest.NewInstance(t, db, storetest.NewAccount(t, db, "acme").ID, "sales").ID
	pragma := func(statement string) (n int64) {
		must(t, db.WhatsApp().QueryRowContext(t.Context(), statement).Scan(&n))
		return n
	}
	pragma("PRAGMA max_page_count = 1") // means: not more than now
	last, err := fill(t.Context(), db, id)
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("with a full disk: %v", err)
	}
	stored, err := db.CountMessages(t.Context(), id)
	must(t, err)
	if stored != last {
		t.Errorf("%d messages stored, %d acknowledged", stored, last)
	}
	pragma("PRAGMA max_page_count = 1000000")
	if got := recordText(t, db, id, 1_000_000); got != last+1 {
		t.Errorf("with room again: sequence %d, want %d", got, last+1)
	}
}

// fill records messages until one fails and returns the last sequence.
func fill(ctx context.Context, db *store.DB, id string) (last int64, err error) {
	for n := range 10_000 {
		item, e := storetest.TextItem(n)
		if err := db.Record(ctx, id, []dispatch.Item{item}, []*event.Event{e}, dispatch.Outbox{}); err != nil {
			if e.Sequence != 0 {
				return 0, errors.New("a failed record gave a sequence")
			}
			return last, err
		}
		last = e.Sequence
	}
	return last, errors.New("the disk never became full")
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	path := newFile(t)
	must(t, os.WriteFile(path, bytes.Repeat([]byte("not a database "), 100), 0o600))
	if _, err := store.Open(t.Context(), store.Options{Path: path, Box: box(t, 1)}); err == nil {
		t.Error("a text file was opened")
	}
	if _, err := store.Open(t.Context(), store.Options{Path: filepath.Join(path, "x"), Box: box(t, 1)}); err == nil {
		t.Error("a file below a file was opened")
	}
}

func TestOpenRefusesBadOptions(t *testing.T) {
	if _, err := store.Open(t.Context(), store.Options{Path: newFile(t)}); err == nil {
		t.Error("opened without a key")
	}
	if _, err := store.Open(t.Context(), store.Options{Path: newFile(t), Box: box(t, 1), Sync: "sometimes"}); err == nil {
		t.Error("opened with an unknown sync")
	}
}

func TestSyncOptionSetsThePragma(t *testing.T) {
	for sync, want := range map[string]int{"": 1, store.SyncNormal: 1, store.SyncFull: 2} {
		db, err := store.Open(t.Context(), store.Options{Path: newFile(t), Box: box(t, 1), Sync: sync})
		must(t, err)
		var got int
		must(t, db.WhatsApp().QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&got))
		if got != want {
			t.Errorf("sync %q: synchronous is %d, want %d", sync, got, want)
		}
		must(t, db.Close())
	}
}

func TestPathMayHoldAnyCharacter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%20.db")
	with(t, path, func(db *store.DB) { storetest.NewAccount(t, db, "acme") })
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 {
		t.Errorf("the database is elsewhere: %v", err)
	}
}

// TestWaitingForTheWriterEndsWithTheContext holds the one write connection.
func TestWaitingForTheWriterEndsWithTheContext(t *testing.T) {
	db := open(t, newFile(t))
	id := storetest.NewInstance(t, db, storetest.NewAccount(t, db, "acme").ID, "sales").ID
	tx, err := db.WhatsApp().BeginTx(t.Context(), nil)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- db.UpdatePhoneSeen(ctx, id, storetest.At) }()
	if _, err := db.GetInstanceByToken(t.Context(), "token-of-instance-sales"); err != nil {
		t.Errorf("a read beside a write transaction: %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the waiting write: %v", err)
	}
	must(t, tx.Rollback())
}

func TestRecordRefusesItemsWithoutTheirEvents(t *testing.T) {
	db := open(t, newFile(t))
	id := storetest.NewInstance(t, db, storetest.NewAccount(t, db, "acme").ID, "sales").ID
	item, _ := storetest.TextItem(1)
	if err := db.Record(t.Context(), id, []dispatch.Item{item}, nil, dispatch.Outbox{}); err == nil {
		t.Error("an item without an event was recorded")
	}
	if got := recordText(t, db, id, 1); got != 1 {
		t.Errorf("sequence %d after the refused record", got)
	}
}
