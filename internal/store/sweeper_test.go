package store_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/lifecycle/lifecycletest"
	"github.com/chasqui/chasqui/internal/store"
	"github.com/chasqui/chasqui/internal/store/storetest"
)

// sweeping runs test in a bubble of fake time with a store and an instance.
func sweeping(t *testing.T, opts store.SweeperOptions, test func(t *testing.T, db *store.DB, id string)) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		db := open(t, path)
		in := storetest.NewInstance(t, db, storetest.NewAccount(t, db, "acme").ID, "sales")
		s := store.NewSweeper(db, opts)
		must(t, s.Start(t.Context()))
		test(t, db, in.ID)
		must(t, s.Stop(t.Context()))
	})
}

func wantStored(t *testing.T, db *store.DB, id string, want int64) {
	t.Helper()
	synctest.Wait()
	got, err := db.CountMessages(t.Context(), id)
	must(t, err)
	if got != want {
		t.Errorf("%d messages stored, want %d", got, want)
	}
}

func TestSweeperKeepsMessagesForTheRetention(t *testing.T) {
	const day = 24 * time.Hour
	sweeping(t, store.SweeperOptions{Retention: 90 * day, Step: 2}, func(t *testing.T, db *store.DB, id string) {
		for n := range 5 {
			recordText(t, db, id, n)
		}
		time.Sleep(day)
		recordText(t, db, id, 5)
		time.Sleep(89*day - time.Hour)
		wantStored(t, db, id, 6)
		time.Sleep(3 * time.Hour) // the next sweep takes three steps
		wantStored(t, db, id, 1)
		time.Sleep(day)
		wantStored(t, db, id, 0)
	})
}

func TestSweeperKeepsMessagesForEver(t *testing.T) {
	sweeping(t, store.SweeperOptions{Retention: 0, Every: 24 * 365 * time.Hour}, func(t *testing.T, db *store.DB, id string) {
		recordText(t, db, id, 1)
		time.Sleep(20 * 365 * 24 * time.Hour)
		wantStored(t, db, id, 1)
	})
}

func TestSweeperUnderStress(t *testing.T) {
	db := open(t, newFile(t))
	lifecycletest.Stress(t, func(*testing.T) lifecycle.Service {
		return store.NewSweeper(db, store.SweeperOptions{Retention: time.Hour})
	})
}
