package media_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/lifecycle/lifecycletest"
	"github.com/chasqui/chasqui/internal/media"
)

func (h *house) startSweeper(opts media.SweeperOptions) {
	h.t.Helper()
	s := media.NewSweeper(h.Library, opts)
	if err := s.Start(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(h.t.Context())); err != nil {
			h.t.Error(err)
		}
	})
}

// kept fetches pictures and waits until they are kept.
func (h *house) kept(ids ...string) {
	h.t.Helper()
	for _, id := range ids {
		h.source.Serve(id, []byte("jpeg"))
		h.want(id, "jpeg")
	}
	synctest.Wait()
}

func (h *house) knows(id string) bool {
	h.t.Helper()
	r, found, err := h.store.GetFile(h.t.Context(), sales, keyOf(id))
	if err != nil {
		h.t.Error(err)
	}
	if !found {
		return false
	}
	body, _, err := h.disk.Open(h.t.Context(), r.Object)
	if err != nil {
		h.t.Errorf("%s is recorded: %v", id, err)
		return false
	}
	_ = body.Close()
	return true
}

// cli.md, media.retention: files are deleted that were stored longer ago.
func TestSweeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.kept("a", "b", "c", "d", "e")
		time.Sleep(20 * 24 * time.Hour)
		h.kept("f")
		h.startSweeper(media.SweeperOptions{Retention: 30 * 24 * time.Hour, Step: 2})
		time.Sleep(10*24*time.Hour - time.Minute)
		if !h.knows("a") {
			t.Error("a file is gone before its time")
		}
		time.Sleep(2 * time.Hour)
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			if h.knows(id) {
				t.Errorf("%s is kept for too long", id)
			}
		}
		if !h.knows("f") {
			t.Error("a file is gone before its time")
		}
	})
}

// cli.md, media.retention: 0 is for ever.
func TestSweeperOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.kept("a")
		h.startSweeper(media.SweeperOptions{})
		time.Sleep(1000 * 24 * time.Hour)
		if !h.knows("a") {
			t.Error("a file is gone")
		}
	})
}

// Objects in a bucket stay.
func TestSweeperLeavesBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.useBucket(media.BucketConfig{Enabled: true})
		h.kept("a")
		h.startSweeper(media.SweeperOptions{Retention: time.Hour})
		time.Sleep(24 * time.Hour)
		h.wantObjects(map[string]string{"sales/2026/10/a.jpg": "jpeg"})
	})
}

// A file that cannot be deleted does not keep the others, nor the sweeper busy.
func TestSweeperFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.kept("a", "b", "c")
		stuck := h.record(sales, "a")
		stuck.Object = "../escape" // the disk refuses
		if err := h.store.PutFile(t.Context(), stuck); err != nil {
			t.Fatal(err)
		}
		h.startSweeper(media.SweeperOptions{Retention: time.Hour, Step: 2})
		time.Sleep(3 * time.Hour)
		if h.knows("b") || h.knows("c") {
			t.Error("a file is kept for too long")
		}
		h.store.Fail(errors.New("disk I/O error"))
		time.Sleep(3 * time.Hour)
		h.store.Fail(nil)
		h.kept("d")
		time.Sleep(3 * time.Hour)
		if h.knows("d") {
			t.Error("the sweeper has ended")
		}
	})
}

func TestSweeperLifecycle(t *testing.T) {
	h := build(t)
	lifecycletest.Stress(t, func(t *testing.T) lifecycle.Service {
		return media.NewSweeper(h.Library, media.SweeperOptions{Retention: time.Hour})
	})
}
