package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/store"
	"github.com/chasqui/chasqui/internal/store/storetest"
)

// envVictim makes the test binary a process that records messages until it is
// killed: "<path> <instance ID> <number of the first message>".
const envVictim = "CHASQUI_TEST_VICTIM"

// TestKilledProcessLosesNothing kills a process that records, again and again,
// and compares what it said it had committed with what is there.
func TestKilledProcessLosesNothing(t *testing.T) {
	path := newFile(t)
	var id string
	with(t, path, func(db *store.DB) {
		id = storetest.NewInstance(t, db, storetest.NewAccount(t, db, "acme").ID, "sales").ID
	})
	next := 1
	for round := range 5 {
		acknowledged := runVictim(t, path, id, next, 20+7*round)
		with(t, path, func(db *store.DB) {
			stored, err := db.CountMessages(t.Context(), id)
			must(t, err)
			// One more may be committed than the victim could tell.
			if n := int(stored); n != acknowledged && n != acknowledged+1 {
				t.Errorf("round %d: %d stored, %d acknowledged", round, n, acknowledged)
			}
			next = int(stored) + 1
			if got := recordText(t, db, id, next); got != int64(next) {
				t.Errorf("round %d: sequence %d after the kill, want %d", round, got, next)
			}
			next++
		})
	}
}

// runVictim kills a victim after it acknowledged count records and returns the
// last one that it acknowledged.
func runVictim(t *testing.T, path, id string, first, count int) (last int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", envVictim, path, id, first))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); {
		if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
			t.Fatalf("victim: %s", lines.Text())
		}
		if seen++; seen == count {
			must(t, cmd.Process.Kill())
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the victim ended by itself: %v", err)
	}
	return last
}

// victim records messages for ever and prints each sequence once it is committed.
func victim(spec string) error {
	var path, id string
	var n int
	if _, err := fmt.Sscan(spec, &path, &id, &n); err != nil {
		return err
	}
	ctx := context.Background()
	b, err := newBox(1)
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Options{Path: path, Box: b})
	if err != nil {
		return err
	}
	for ; ; n++ {
		item, e := storetest.TextItem(n)
		if err := db.Record(ctx, id, []dispatch.Item{item}, []*event.Event{e}, dispatch.Outbox{}); err != nil {
			return err
		}
		if e.Sequence != int64(n) {
			return fmt.Errorf("message %d got sequence %d", n, e.Sequence)
		}
		fmt.Println(e.Sequence)
	}
}
