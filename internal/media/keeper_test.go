package media_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/lifecycle/lifecycletest"
	"github.com/chasqui/chasqui/internal/media"
)

// keeping is a house with a bucket and a keeper that runs.
func keeping(t *testing.T, opts media.KeeperOptions) (*house, *media.Keeper) {
	t.Helper()
	h := build(t)
	h.useBucket(media.BucketConfig{Enabled: true})
	return h, h.startKeeper(opts)
}

func (h *house) startKeeper(opts media.KeeperOptions) *media.Keeper {
	h.t.Helper()
	k := media.NewKeeper(h.Library, opts)
	if err := k.Start(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if err := k.Stop(context.WithoutCancel(h.t.Context())); err != nil {
			h.t.Error(err)
		}
	})
	return k
}

// wanted is what the store notes with a message.
func (h *house) wanted(instanceID, id string) {
	h.t.Helper()
	ref := refOf(id)
	ref.SentAt = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // when the clock of a bubble begins
	r := media.Record{InstanceID: instanceID, Key: keyOf(id), Ref: ref, State: media.Wanted}
	if err := h.store.PutFile(h.t.Context(), r); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) record(instanceID, id string) media.Record {
	h.t.Helper()
	r, _, err := h.store.GetFile(h.t.Context(), instanceID, keyOf(id))
	if err != nil {
		h.t.Error(err)
	}
	return r
}

// Wanted files go into the bucket, in the background: those of an earlier run,
// and new ones as soon as the keeper is woken.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.useBucket(media.BucketConfig{Enabled: true})
		h.source.Serve("a", []byte("aaaa"))
		h.source.Serve("b", []byte("bbbb"))
		h.wanted(sales, "a")
		k := h.startKeeper(media.KeeperOptions{})
		synctest.Wait()
		h.wantObjects(map[string]string{"sales/2000/01/a.jpg": "aaaa"})
		h.wanted(sales, "b")
		k.Wake(sales)
		synctest.Wait()
		h.wantObjects(map[string]string{"sales/2000/01/a.jpg": "aaaa", "sales/2000/01/b.jpg": "bbbb"})
		if r := h.record(sales, "b"); r.State != media.Stored || r.Place != media.InBucket {
			t.Errorf("record: %+v", r)
		}
		time.Sleep(time.Hour) // in the bubble: nothing is done twice
		h.downloads("a", "b")
	})
}

// A download or a bucket that fails is tried again over hours, then given up.
func TestKeeperTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := keeping(t, media.KeeperOptions{Schedule: []time.Duration{time.Minute, time.Hour}})
		h.source.Serve("a", []byte("jpeg"))
		h.source.Serve("b", []byte("jpeg"))
		h.source.Fail("a", media.ErrDamaged)
		h.source.Fail("b", media.ErrDamaged, media.ErrDamaged, media.ErrDamaged)
		h.wanted(sales, "a")
		h.wanted(sales, "b")
		k.Wake(sales)
		synctest.Wait()
		for _, id := range []string{"a", "b"} {
			pause := time.Until(h.record(sales, id).NextAt)
			if r := h.record(sales, id); r.State != media.Wanted || r.Attempts != 1 || pause < 48*time.Second || pause > 72*time.Second {
				t.Errorf("after the first attempt: %+v, next in %v", r, pause)
			}
		}
		h.bucket.Fail(errPassing)
		time.Sleep(2 * time.Minute)
		if r := h.record(sales, "a"); r.State != media.Wanted || r.Attempts != 2 {
			t.Errorf("without the bucket: %+v", r)
		}
		h.bucket.Fail(nil)
		time.Sleep(2 * time.Hour)
		if r := h.record(sales, "a"); r.State != media.Stored {
			t.Errorf("the third attempt: %+v", r)
		}
		if r := h.record(sales, "b"); r.State != media.Failed || r.Reason != "download_failed" || r.Attempts != 3 {
			t.Errorf("the last attempt: %+v", r)
		}
	})
}

// What trying again would not help is given up at once.
func TestKeeperGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := keeping(t, media.KeeperOptions{})
		h.source.Fail("large", media.ErrTooLarge)
		h.wanted(sales, "large")
		h.wanted(sales, "expired")
		k.Wake(sales)
		synctest.Wait()
		for id, reason := range map[string]string{"large": "too_large", "expired": "expired"} {
			if r := h.record(sales, id); r.State != media.Failed || r.Reason != reason {
				t.Errorf("%s: %+v", id, r)
			}
		}
	})
}

// A phone that does not answer costs one attempt, after ten minutes.
func TestKeeperWaitsForThePhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := keeping(t, media.KeeperOptions{})
		h.source.Phone = func(ctx context.Context, _ media.Key, _ media.Ref) (media.Ref, error) {
			<-ctx.Done()
			return media.Ref{}, ctx.Err()
		}
		h.wanted(sales, "a")
		k.Wake(sales)
		time.Sleep(10*time.Minute - time.Second)
		if r := h.record(sales, "a"); r.Attempts != 0 {
			t.Errorf("before its time: %+v", r)
		}
		time.Sleep(2 * time.Second)
		if r := h.record(sales, "a"); r.State != media.Wanted || r.Attempts != 1 {
			t.Errorf("after ten minutes: %+v", r)
		}
	})
}

// While an instance is not connected, or not open, its files wait and no attempt
// counts; after thirty days WhatsApp has them no more.
func TestKeeperOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := keeping(t, media.KeeperOptions{})
		h.source.Fail("a", slices.Repeat([]error{media.ErrOffline}, 1_000_000)...)
		h.wanted(sales, "a")
		h.wanted("i-closed", "b")
		k.Wake(sales)
		time.Sleep(24 * time.Hour)
		for _, r := range []media.Record{h.record(sales, "a"), h.record("i-closed", "b")} {
			if r.State != media.Wanted || r.Attempts != 0 {
				t.Errorf("after a day: %+v", r)
			}
		}
		time.Sleep(32 * 24 * time.Hour)
		for _, r := range []media.Record{h.record(sales, "a"), h.record("i-closed", "b")} {
			if r.State != media.Failed {
				t.Errorf("after a month: %+v", r)
			}
		}
	})
}

// Files of a bucket that was turned off are wanted no more.
func TestKeeperWithoutABucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := keeping(t, media.KeeperOptions{})
		h.useBucket(media.BucketConfig{})
		h.wanted(sales, "a")
		k.Wake(sales)
		synctest.Wait()
		if _, found, _ := h.store.GetFile(t.Context(), sales, keyOf("a")); found {
			t.Error("the file is still known")
		}
		h.downloads()
	})
}

// However many files of one instance stall, those of the others go on.
func TestKeeperIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := keeping(t, media.KeeperOptions{Workers: 4, PerInstance: 2})
		if err := h.store.PutBucket(t.Context(), "i-other", media.BucketConfig{Enabled: true}); err != nil {
			t.Fatal(err)
		}
		if err := h.OpenInstance(t.Context(), "i-other", "other"); err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			id := fmt.Sprintf("a%03d", i)
			h.source.Hold(id)
			h.wanted(sales, id)
		}
		h.source.Serve("b", []byte("jpeg"))
		h.wanted("i-other", "b")
		k.Wake(sales)
		time.Sleep(30 * time.Second)
		h.wantObjects(map[string]string{"other/2000/01/b.jpg": "jpeg"})
		if _, peak := h.source.Calls(); peak > 3 {
			t.Errorf("%d downloads at once", peak)
		}
	})
}

// Those who wait for a file go before the keeper, also when they want the one
// that it has in hand.
func TestFetchGoesBeforeTheKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := keeping(t, media.KeeperOptions{PerInstance: 16})
		release := map[string]func(){}
		for i := range 5 {
			id := fmt.Sprint(i)
			h.source.Serve(id, []byte("jpeg"))
			release[id] = h.source.Hold(id)
			h.wanted(sales, id)
		}
		k.Wake(sales)
		synctest.Wait()
		running, _ := h.source.Calls()
		if len(running) != 4 {
			t.Fatalf("%d downloads of the keeper, want 4", len(running))
		}
		for id := range release {
			if !slices.Contains(running, id) { // this one waits for its turn
				release[id]()
				h.want(id, "jpeg")
			}
		}
	})
}

// Nor do they wait for the end of its pause.
func TestFetchEndsThePauseOfTheKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := keeping(t, media.KeeperOptions{})
		h.source.Serve("a", []byte("jpeg"))
		h.source.Fail("a", slices.Repeat([]error{errPassing}, 5)...)
		h.wanted(sales, "a")
		k.Wake(sales)
		time.Sleep(16 * time.Second) // the fifth try was after 15 s, the next would be after 31 s
		begin := time.Now()
		h.want("a", "jpeg")
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// An attempt that a stop cuts short does not count, and is made again later.
func TestKeeperStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := keeping(t, media.KeeperOptions{})
		h.source.Serve("a", []byte("jpeg"))
		release := h.source.Hold("a")
		h.wanted(sales, "a")
		k.Wake(sales)
		synctest.Wait()
		if err := k.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := h.record(sales, "a"); r.State != media.Wanted || r.Attempts != 0 {
			t.Errorf("after the stop: %+v", r)
		}
		release()
		h.startKeeper(media.KeeperOptions{})
		synctest.Wait()
		h.wantObjects(map[string]string{"sales/2000/01/a.jpg": "jpeg"})
	})
}

// While the store fails, the keeper neither spins nor forgets.
func TestKeeperWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := keeping(t, media.KeeperOptions{})
		h.source.Serve("a", []byte("jpeg"))
		h.wanted(sales, "a")
		h.store.Fail(errors.New("disk I/O error"))
		k.Wake(sales)
		time.Sleep(time.Minute)
		h.downloads()
		h.store.Fail(nil)
		time.Sleep(time.Minute)
		h.wantObjects(map[string]string{"sales/2000/01/a.jpg": "jpeg"})
	})
}

func TestKeeperLifecycle(t *testing.T) {
	h := build(t)
	lifecycletest.Stress(t, func(*testing.T) lifecycle.Service {
		return media.NewKeeper(h.Library, media.KeeperOptions{})
	})
}
