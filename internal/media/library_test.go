package media_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/chasqui/chasqui/internal/blob"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/media/mediatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sales = "i-sales"

// house is a library over a folder, with the sides that a test moves.
type house struct {
	*media.Library
	t      *testing.T
	store  *mediatest.Store
	source *mediatest.Source
	bucket *mediatest.Bucket
	disk   *blob.Disk
	dir    string
}

func build(t *testing.T, change ...func(*media.LibraryOptions)) *house {
	t.Helper()
	h := &house{
		t: t, store: &mediatest.Store{}, source: &mediatest.Source{}, bucket: &mediatest.Bucket{}, dir: t.TempDir(),
	}
	var err error
	if h.disk, err = blob.NewDisk(filepath.Join(h.dir, "media")); err != nil {
		t.Fatal(err)
	}
	opts := media.LibraryOptions{
		TempDir: filepath.Join(h.dir, "tmp"),
		Buckets: func(media.BucketConfig) (media.Bucket, error) { return h.bucket, nil },
	}
	for _, f := range change {
		f(&opts)
	}
	if h.Library, err = media.NewLibrary(h.store, h.source, h.disk, opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if left := h.temporary(); len(left) > 0 {
			t.Errorf("temporary files are left: %v", left)
		}
		_ = h.disk.Close()
	})
	if err := h.OpenInstance(t.Context(), sales, "sales"); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) useBucket(c media.BucketConfig) {
	h.t.Helper()
	if err := h.SetBucket(h.t.Context(), sales, c); err != nil {
		h.t.Fatal(err)
	}
}

// temporary returns the files that are being fetched or read.
func (h *house) temporary() []string {
	h.t.Helper()
	entries, err := os.ReadDir(filepath.Join(h.dir, "tmp"))
	if err != nil {
		h.t.Error(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func keyOf(id string) media.Key {
	return media.Key{ChatKey: "5511988887777@s.whatsapp.net", SenderKey: "5511988887777@s.whatsapp.net", MessageID: id}
}

// refOf is the reference to a picture at path id.
func refOf(id string) media.Ref {
	return media.Ref{
		Kind: "image", DirectPath: id, Mimetype: "image/jpeg", Size: 4,
		SentAt: time.Date(2026, 9, 30, 23, 30, 0, 0, time.FixedZone("", -3*3600)),
	}
}

// fetch returns what Fetch of the picture at path id gives.
func (h *house) fetch(ctx context.Context, id string) (string, error) {
	file, err := h.Fetch(ctx, sales, keyOf(id), refOf(id))
	if err != nil {
		return "", err
	}
	defer file.Close()
	return read(h.t, file), nil
}

// read returns the bytes of an open file, and checks its size.
func read(t *testing.T, file *media.File) string {
	t.Helper()
	r, err := file.Open()
	if err != nil {
		t.Error(err)
		return ""
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != file.Size() {
		t.Errorf("read %d bytes of %d: %v", len(b), file.Size(), err)
	}
	return string(b)
}

func (h *house) want(id, want string) {
	h.t.Helper()
	if got, err := h.fetch(h.t.Context(), id); err != nil || got != want {
		h.t.Errorf("Fetch of %s: %q, %v, want %q", id, got, err, want)
	}
}

func (h *house) wantError(id string, want error) {
	h.t.Helper()
	if _, err := h.fetch(h.t.Context(), id); !errors.Is(err, want) {
		h.t.Errorf("Fetch of %s: %v, want %v", id, err, want)
	}
}

// downloads checks which paths were downloaded, in order.
func (h *house) downloads(want ...string) {
	h.t.Helper()
	got, _ := h.source.Calls()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		h.t.Errorf("downloads (-want +got):\n%s", diff)
	}
}

// A file is fetched once: for those who ask at the same time, and, from the
// disk, for those who ask later.
func TestFetchOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.source.Serve("a", []byte("jpeg"))
		release := h.source.Hold("a")
		results := make(chan string, 5)
		for range cap(results) {
			go func() {
				got, err := h.fetch(t.Context(), "a")
				results <- fmt.Sprint(got, err)
			}()
		}
		synctest.Wait()
		release()
		for range cap(results) {
			if got := <-results; got != "jpeg<nil>" {
				t.Error(got)
			}
		}
		synctest.Wait() // until it is kept
		h.want("a", "jpeg")
		h.downloads("a")
		r, found, err := h.store.GetFile(t.Context(), sales, keyOf("a"))
		if err != nil || !found || r.State != media.Stored || r.Place != media.OnDisk || r.Size != 4 || r.StoredAt.IsZero() {
			t.Errorf("record: %+v, %v, %v", r, found, err)
		}
	})
}

// A kept file whose object is gone, or is another, is fetched again.
func TestFetchOfALostFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.source.Serve("a", []byte("jpeg"))
		h.want("a", "jpeg")
		synctest.Wait()
		if err := h.disk.DeleteAll(t.Context(), sales); err != nil {
			t.Fatal(err)
		}
		h.want("a", "jpeg")
		synctest.Wait()
		r, _, _ := h.store.GetFile(t.Context(), sales, keyOf("a"))
		r.Size++
		if err := h.store.PutFile(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		h.want("a", "jpeg")
		synctest.Wait()
		h.downloads("a", "a", "a")
	})
}

// Each caller may give up alone; the download goes on while one is left, and
// ends with the last.
func TestFetchGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.source.Serve("a", []byte("jpeg"))
		release := h.source.Hold("a")
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		patient := make(chan error, 1)
		go func() {
			_, err := h.fetch(t.Context(), "a")
			patient <- err
		}()
		if _, err := h.fetch(impatient, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the impatient one: %v", err)
		}
		release()
		if err := <-patient; err != nil {
			t.Errorf("the patient one: %v", err)
		}
		h.downloads("a")

		h.source.Hold("b")
		impatient, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.fetch(impatient, "b"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the only one: %v", err)
		}
		synctest.Wait()
		if left := h.temporary(); len(left) > 0 {
			t.Errorf("the download goes on for nobody: %v", left)
		}
	})
}

var errPassing = errors.New("reset by peer")

// A download that fails twice works the third time, after 1 s and 2 s more.
func TestFetchTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.source.Serve("a", []byte("jpeg"))
		h.source.Fail("a", errPassing, media.ErrOffline)
		begin := time.Now()
		h.want("a", "jpeg")
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		h.downloads("a", "a", "a")
	})
}

// Who gives up between two tries is told why they fail, and not only that time
// is over.
func TestFetchTellsTheLastFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.source.Fail("a", slices.Repeat([]error{errPassing}, 100)...)
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second-time.Nanosecond)
		defer cancel()
		_, err := h.fetch(ctx, "a")
		if !errors.Is(err, errPassing) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Fetch: %v", err)
		}
		h.downloads("a", "a", "a", "a") // at 0, 1, 3 and 7 s
	})
}

// When WhatsApp's link has expired the phone is asked, once, and what it
// uploads is fetched.
func TestFetchAsksThePhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.source.Serve("moved", []byte("jpeg"))
		h.source.Fail("moved", errPassing)
		h.source.Phone = func(_ context.Context, key media.Key, ref media.Ref) (media.Ref, error) {
			if key != keyOf("a") || ref.DirectPath != "a" {
				t.Errorf("asked for %+v at %s", key, ref.DirectPath)
			}
			ref.DirectPath = "moved"
			return ref, nil
		}
		h.want("a", "jpeg")
		h.downloads("a", "moved", "moved")

		h.source.Phone = func(_ context.Context, _ media.Key, ref media.Ref) (media.Ref, error) {
			ref.DirectPath = "nowhere"
			return ref, nil
		}
		h.wantError("b", media.ErrExpired)
		if n := h.source.Asked(); n != 2 {
			t.Errorf("the phone was asked %d times for two files", n)
		}
	})
}

// A phone that answers otherwise, not at all, or cannot be asked.
func TestFetchWithoutThePhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.wantError("a", media.ErrExpired)
		h.source.Phone = func(context.Context, media.Key, media.Ref) (media.Ref, error) { return media.Ref{}, errPassing }
		h.wantError("a", errPassing)
		h.source.Phone = func(ctx context.Context, _ media.Key, _ media.Ref) (media.Ref, error) {
			<-ctx.Done()
			return media.Ref{}, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := h.fetch(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no answer: %v", err)
		}
		synctest.Wait() // until the phone is not asked any more
		h.source.Serve("moved", []byte("jpeg"))
		offline := 2
		h.source.Phone = func(_ context.Context, _ media.Key, ref media.Ref) (media.Ref, error) {
			if offline--; offline >= 0 {
				return media.Ref{}, media.ErrOffline
			}
			ref.DirectPath = "moved"
			return ref, nil
		}
		h.want("a", "jpeg")
	})
}

// A file over the limit is not downloaded, if it says so; a larger one is where
// it is for a bucket.
func TestFetchLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t, func(o *media.LibraryOptions) { o.Max, o.MaxKept = 10, 20 })
		h.source.Serve("liar", make([]byte, 11))
		h.wantError("liar", media.ErrTooLarge)
		h.downloads("liar")
		ref := refOf("honest")
		ref.Size = 11
		h.source.Serve("honest", make([]byte, 11))
		if _, err := h.Fetch(t.Context(), sales, keyOf("honest"), ref); !errors.Is(err, media.ErrTooLarge) {
			t.Errorf("Fetch: %v", err)
		}
		h.downloads("liar")
		h.useBucket(media.BucketConfig{Enabled: true})
		file, err := h.Fetch(t.Context(), sales, keyOf("honest"), ref)
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
		h.downloads("liar", "honest")
	})
}

// What is not the announced file is not tried again at once.
func TestFetchDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.source.Fail("a", media.ErrDamaged)
		h.wantError("a", media.ErrDamaged)
		h.downloads("a")
	})
}

// At most eight downloads run at once; further ones wait their turn.
func TestFetchesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		done := make(chan error, 20)
		var release []func()
		for i := range cap(done) {
			id := fmt.Sprint(i)
			h.source.Serve(id, []byte("jpeg"))
			release = append(release, h.source.Hold(id))
			go func() {
				_, err := h.fetch(t.Context(), id)
				done <- err
			}()
		}
		synctest.Wait()
		if calls, _ := h.source.Calls(); len(calls) != 8 {
			t.Errorf("%d downloads began, want 8", len(calls))
		}
		if n := len(h.temporary()); n != 8 {
			t.Errorf("%d files are open, want 8", n)
		}
		for _, f := range release {
			f()
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if calls, peak := h.source.Calls(); peak != 8 || len(calls) != 20 {
			t.Errorf("%d downloads, %d at once", len(calls), peak)
		}
	})
}

// An open file stays readable when the gateway's copy is deleted; the temporary
// one goes with its last user.
func TestFileOutlivesItsCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.source.Serve("a", []byte("jpeg"))
		fresh, err := h.Fetch(t.Context(), sales, keyOf("a"), refOf("a"))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		kept, err := h.Fetch(t.Context(), sales, keyOf("a"), refOf("a"))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Delete(t.Context(), sales, keyOf("a")); err != nil {
			t.Fatal(err)
		}
		if a, b := read(t, fresh), read(t, kept); a != "jpeg" || b != "jpeg" {
			t.Errorf("read %q and %q", a, b)
		}
		if len(h.temporary()) != 1 {
			t.Errorf("temporary files while one is read: %v", h.temporary())
		}
		fresh.Close()
		fresh.Close() // does nothing
		kept.Close()
		if left := h.temporary(); len(left) > 0 {
			t.Errorf("temporary files are left: %v", left)
		}
		if err := h.Delete(t.Context(), sales, keyOf("a")); err != nil {
			t.Errorf("a second Delete: %v", err)
		}
		h.want("a", "jpeg")
		h.downloads("a", "a")
	})
}

// A library keeps no file in memory.
func TestFetchMemory(t *testing.T) {
	const size, allowed = 16 << 20, 1 << 20
	h := build(t)
	h.source.Serve("a", make([]byte, size))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	file, err := h.Fetch(t.Context(), sales, keyOf("a"), refOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := file.Open()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); n != size || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
	file.Close()
	if err := h.Stop(t.Context()); err != nil { // until it is kept or given up
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > allowed {
		t.Errorf("%d bytes were allocated for a file of %d", got, size)
	}
}

// What a crash left in the folder for temporary files is removed.
func TestNewLibraryTidiesUp(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tmp")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fetch-123.tmp", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := media.NewLibrary(&mediatest.Store{}, &mediatest.Source{}, nil, media.LibraryOptions{TempDir: dir}); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "other" {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := media.NewLibrary(nil, nil, nil, media.LibraryOptions{TempDir: filepath.Join(dir, "other")}); err == nil {
		t.Error("a file was taken for the folder")
	}
}

// A stop gives up what runs, and what comes later.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.source.Hold("a")
		done := make(chan error, 1)
		go func() {
			_, err := h.fetch(t.Context(), "a")
			done <- err
		}()
		synctest.Wait()
		if err := h.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("a fetch in progress: %v", err)
		}
		if _, err := h.fetch(t.Context(), "a"); err == nil {
			t.Error("a fetch after the stop succeeded")
		}
	})
}

// Closing an instance gives up its downloads; deleting it deletes its files on
// the disk.
func TestDeleteInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.source.Serve("a", []byte("jpeg"))
		h.want("a", "jpeg")
		synctest.Wait()
		h.source.Hold("b")
		done := make(chan error, 1)
		go func() {
			_, err := h.fetch(t.Context(), "b")
			done <- err
		}()
		synctest.Wait()
		if err := h.DeleteInstance(t.Context(), sales); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("a fetch in progress: %v", err)
		}
		if _, err := os.Stat(filepath.Join(h.dir, "media", sales)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the folder of the instance: %v", err)
		}
	})
}

// A store that cannot record a kept file leaves none on the disk that nobody
// would ever delete.
func TestKeepWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.source.Serve("a", []byte("jpeg"))
		release := h.source.Hold("a")
		done := make(chan string, 1)
		go func() {
			got, err := h.fetch(t.Context(), "a")
			done <- fmt.Sprint(got, err)
		}()
		synctest.Wait()
		h.store.Fail(errors.New("disk I/O error"))
		release()
		if got := <-done; got != "jpeg<nil>" {
			t.Errorf("Fetch: %s", got)
		}
		synctest.Wait()
		err := filepath.WalkDir(filepath.Join(h.dir, "media"), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				t.Errorf("%s is left", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// However many webhooks wait for files that do not come, a reader who needs one
// now gets it.
func TestPatientFetchesHoldNobodyUp(t *testing.T) {
	h := build(t, func(o *media.LibraryOptions) { o.Downloads = 2 })
	ctx, cancel := context.WithCancel(t.Context())
	var stuck sync.WaitGroup
	for _, id := range []string{"a", "b", "c"} {
		release := h.source.Hold(refOf(id).DirectPath)
		stuck.Go(func() {
			if _, err := h.FetchPatiently(ctx, "i", keyOf(id), refOf(id)); err == nil {
				t.Errorf("%s came although its download was held", id)
			}
		})
		defer release()
	}
	h.source.Serve(refOf("now").DirectPath, []byte("now"))
	h.want("now", "now")
	cancel()
	stuck.Wait()
}
