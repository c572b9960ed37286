package webhook_test

import (
	"bytes"
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

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/lifecycle/lifecycletest"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/webhook"
)

// filler is a running filler and what it works on.
type filler struct {
	*webhook.Filler
	t      *testing.T
	bodies *bodies
	files  *files

	mu    sync.Mutex // guards woken
	woken []string
}

func newFiller(t *testing.T, opts webhook.FillerOptions) *filler {
	f := &filler{t: t, bodies: &bodies{}, files: &files{}}
	opts.Wake = func(ids []string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.woken = append(f.woken, ids...)
	}
	f.Filler = webhook.NewFiller(f.bodies, f.files, opts)
	return f
}

func (f *filler) start() {
	f.t.Helper()
	if err := f.Start(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	synctest.Wait()
}

// stop also checks that no file was left open.
func (f *filler) stop() {
	f.t.Helper()
	if err := f.Stop(f.t.Context()); err != nil {
		f.t.Error(err)
	}
	if n := f.files.held(); n != 0 {
		f.t.Errorf("%d files are open", n)
	}
}

// add lets bodies of messages with files be recorded, and wakes the filler.
func (f *filler) add(instance string, ids ...string) {
	f.t.Helper()
	for _, id := range ids {
		f.bodies.add(unfilled(f.t, instance, id))
	}
	f.Wake()
	synctest.Wait()
}

// wantReason checks that a body went out with media.error.
func (f *filler) wantReason(id, reason string) {
	f.t.Helper()
	if diff := cmp.Diff(envelopeOf(f.t, id, func(m *event.Media) { m.Error = reason }), f.bodies.body(id)); diff != "" {
		f.t.Errorf("%s: %s", id, diff)
	}
}

// wantFile checks that a body went out with a file.
func (f *filler) wantFile(id string, file []byte) {
	f.t.Helper()
	if want := envelopeOf(f.t, id, func(m *event.Media) { m.Base64 = event.Base64Of(file) }); f.bodies.body(id) != want {
		f.t.Errorf("%s: the body is %.200s, want %.200s", id, f.bodies.body(id), want)
	}
}

// after waits until d has passed and everything has settled.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// envelopeOf is the envelope of message id with its media changed.
func envelopeOf(t *testing.T, id string, change func(*event.Media)) string {
	t.Helper()
	e := &event.Event{ID: "evt_" + id, Sequence: 7, Data: &event.Message{ID: id, Body: event.MessageBody{
		ID: id, Type: "document", Media: &event.Media{Type: "document", FileName: `a "b".pdf`, Size: 3},
	}}}
	b, err := event.AppendEnvelope(nil, e.WithMedia(change), event.Origin{Instance: "sales", Token: "the-token"})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// unfilled is the body of message id, which is its ID too.
func unfilled(t *testing.T, instance, id string) webhook.Unfilled {
	return webhook.Unfilled{
		BodyID: id, InstanceID: instance, Message: media.Key{ChatKey: "a", SenderKey: "a", MessageID: id},
		Ref: media.Ref{Size: 3}, Plain: []byte(envelopeOf(t, id, func(*event.Media) {})), CreatedAt: time.Now(),
	}
}

// write puts a file of the given size on disk.
func write(t *testing.T, size int) (file []byte, path string) {
	t.Helper()
	file = bytes.Repeat([]byte("abcdefg"), size/7+1)[:size]
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, path
}

// bubble runs a test with a clock of its own; files on disk are made outside.
func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// Section 5: the body of a variant with base64 is made when its media has been
// fetched: the envelope with the base64 of the file, byte for byte.
func TestFillerPutsTheFileIn(t *testing.T) {
	for _, size := range []int{0, 1, 2, 3, 48 << 10, 200_001} {
		file, path := write(t, size)
		bubble(t, fmt.Sprint(size), func(t *testing.T) {
			f := newFiller(t, webhook.FillerOptions{})
			f.files.tell("1", answer{path: path, size: int64(size)})
			f.start()
			f.add("sales", "1")
			f.wantFile("1", file)
			f.stop()
			if diff := cmp.Diff([]string{"hook of sales"}, f.woken); diff != "" {
				t.Errorf("woken: %s", diff)
			}
		})
	}
}

// Section 7.1: over the limit, after the wait or when the download fails, the
// event goes out with media.error.
func TestFillerSaysWhyAFileIsMissing(t *testing.T) {
	_, path := write(t, 101)
	for name, tc := range map[string]struct {
		claim  int64
		answer []answer
		want   string
		after  time.Duration
		calls  int // of Fetch; -1: several
	}{
		"claims too much":      {claim: 101, want: event.MediaTooLarge},
		"is too large":         {claim: 3, answer: []answer{{path: path, size: 101}}, want: event.MediaTooLarge, calls: 1},
		"refused as too large": {claim: 3, answer: []answer{{err: media.ErrTooLarge}}, want: event.MediaTooLarge, calls: 1},
		"expired":              {claim: 3, answer: []answer{{err: fmt.Errorf("wrapped: %w", media.ErrExpired)}}, want: event.MediaExpired, calls: 1},
		"damaged":              {claim: 3, answer: []answer{{err: media.ErrDamaged}}, want: event.MediaDownloadFailed, calls: 1},
		"cannot be read":       {claim: 3, answer: []answer{{path: filepath.Dir(path), size: 3}}, want: event.MediaDownloadFailed, calls: 1},
		"longer than it is":    {claim: 3, answer: []answer{{path: os.DevNull, size: 3}}, want: event.MediaDownloadFailed, calls: 1},
		"never comes":          {claim: 3, want: event.MediaTimeout, after: 5 * time.Minute, calls: 1},
		"not connected":        {claim: 3, answer: []answer{{err: media.ErrOffline}}, want: event.MediaTimeout, after: 5 * time.Minute, calls: -1},
		"always fails":         {claim: 3, answer: []answer{{err: errors.New("reset")}}, want: event.MediaDownloadFailed, after: 5 * time.Minute, calls: -1},
	} {
		bubble(t, name, func(t *testing.T) {
			f := newFiller(t, webhook.FillerOptions{Max: 100})
			if tc.answer != nil {
				f.files.tell("1", tc.answer...)
			}
			u := unfilled(t, "sales", "1")
			u.Ref.Size = tc.claim
			f.bodies.add(u)
			f.start()
			if tc.after > 0 {
				after(tc.after - time.Millisecond)
				if got := f.bodies.body("1"); got != "" {
					t.Errorf("filled early: %s", got)
				}
				after(time.Millisecond)
			}
			f.wantReason("1", tc.want)
			if n := len(f.files.calls()); n != tc.calls && (tc.calls >= 0 || n < 5) {
				t.Errorf("%d fetches, want %d", n, tc.calls)
			}
			f.stop()
		})
	}
}

// A fetch that fails at once is tried again while there is time.
func TestFillerTriesAgain(t *testing.T) {
	file, path := write(t, 3)
	bubble(t, "", func(t *testing.T) {
		f := newFiller(t, webhook.FillerOptions{})
		reset := answer{err: errors.New("reset")}
		f.files.tell("1", reset, answer{err: media.ErrOffline}, reset, answer{path: path, size: 3})
		f.start()
		f.add("sales", "1")
		after(time.Minute)
		f.wantFile("1", file)
		f.stop()
	})
}

// Section 5: media.webhook_wait counts from when the event was recorded; after
// a crash the filler goes on where it was, and what is past its time goes out at
// once, with the file only if that is kept already.
func TestFillerResumes(t *testing.T) {
	file, path := write(t, 3)
	bubble(t, "", func(t *testing.T) {
		f := newFiller(t, webhook.FillerOptions{})
		f.files.kept = map[string]string{"late, kept": path}
		f.files.tell("in time", answer{path: path, size: 3})
		for id, age := range map[string]time.Duration{
			"in time": 4 * time.Minute, "never": 4 * time.Minute,
			"late, kept": time.Hour, "late": 5 * time.Minute,
		} {
			u := unfilled(t, "sales", id)
			u.CreatedAt = time.Now().Add(-age)
			f.bodies.add(u)
		}
		f.start()
		f.wantFile("in time", file)
		f.wantFile("late, kept", file)
		f.wantReason("late", event.MediaTimeout)
		after(time.Minute - time.Millisecond)
		if f.bodies.body("never") != "" {
			t.Error("filled before its time")
		}
		after(time.Millisecond)
		f.wantReason("never", event.MediaTimeout)
		if calls := f.files.calls(); slices.Contains(calls, "late") || slices.Contains(calls, "late, kept") {
			t.Errorf("fetched %q", calls)
		}
		f.stop()
	})
}

// A stop leaves what is unfilled as it was, for the next start.
func TestFillerStopsInBetween(t *testing.T) {
	file, path := write(t, 3)
	bubble(t, "", func(t *testing.T) {
		f := newFiller(t, webhook.FillerOptions{})
		f.start()
		f.add("sales", "1", "2")
		f.stop()
		if n := f.bodies.count(); n != 0 {
			t.Fatalf("%d filled by stopping", n)
		}
		again := newFiller(t, webhook.FillerOptions{})
		again.bodies = f.bodies
		again.Filler = webhook.NewFiller(f.bodies, again.files, webhook.FillerOptions{})
		again.files.tell("1", answer{path: path, size: 3})
		again.start()
		again.wantFile("1", file)
		again.stop()
		if f.bodies.body("2") != "" {
			t.Error("filled by stopping")
		}
	})
}

// A full disk delays a body and changes nothing in it: a file that is there is
// not given up when the wait is over.
func TestFillerOutlastsAFullDisk(t *testing.T) {
	file, path := write(t, 100_000)
	bubble(t, "", func(t *testing.T) {
		f := newFiller(t, webhook.FillerOptions{})
		f.start()
		full := errors.New("database or disk is full")
		f.bodies.setBroken(map[string]error{"1": full, "2": full, "3": full})
		for _, id := range []string{"1", "2"} {
			f.files.tell(id, answer{path: path, size: 100_000})
		}
		f.files.tell("3", answer{err: media.ErrExpired})
		f.add("sales", "1", "2", "3")
		after(10 * time.Minute)
		if n := f.bodies.count(); n != 0 {
			t.Fatalf("%d stored", n)
		}
		f.bodies.setBroken(nil)
		after(30 * time.Second)
		f.wantFile("1", file)
		f.wantFile("2", file)
		f.wantReason("3", event.MediaExpired)
		if n := f.bodies.attempts(); n < 3*20 || n > 3*40 {
			t.Errorf("%d tries in ten minutes", n)
		}
		if calls := f.files.calls(); len(calls) != 3 {
			t.Errorf("fetched %q, want each once", calls)
		}
		f.stop()
	})
}

// One body that cannot be stored does not hold the others.
func TestFillerGoesOnBesideABrokenBody(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := newFiller(t, webhook.FillerOptions{Parallel: 1})
		f.bodies.setBroken(map[string]error{"1": errors.New("broken")})
		f.files.tell("1", answer{err: media.ErrExpired})
		f.files.tell("2", answer{err: media.ErrExpired})
		f.start()
		f.add("sales", "1", "2")
		if f.bodies.count() != 0 {
			t.Error("more than one at once")
		}
		after(30 * time.Second)
		f.wantReason("2", event.MediaExpired)
		f.stop()
	})
}

// Section 5, one slow target never delays another instance: fetches that hang
// make way, and instances take turns.
func TestFillerStuckInstanceDelaysNobody(t *testing.T) {
	file, path := write(t, 3)
	bubble(t, "", func(t *testing.T) {
		f := newFiller(t, webhook.FillerOptions{})
		var stuck []string
		for i := range 1000 {
			stuck = append(stuck, fmt.Sprintf("a%04d", i))
		}
		f.start()
		f.add("down", stuck...)
		if n := f.files.peak(); n != 8 {
			t.Errorf("%d fetches at once, want 8", n)
		}
		for i := range 10 {
			id := fmt.Sprintf("b%d", i)
			f.files.tell(id, answer{path: path, size: 3})
			f.add("up", id)
			after(20 * time.Second)
			f.wantFile(id, file)
		}
		after(5 * time.Minute)
		if n := f.bodies.count(); n != len(stuck)+10 {
			t.Errorf("%d filled, want all", n)
		}
		if n := f.files.peak(); n > 8+256 {
			t.Errorf("%d fetches at once", n)
		}
		f.stop()
	})
}

// However many wait, all are filled, without any wait in between, and no more
// than a part of them is in memory.
func TestFillerWorksOffABacklog(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := newFiller(t, webhook.FillerOptions{})
		start := time.Now()
		for i := range 3000 {
			id := fmt.Sprintf("%04d", i)
			f.files.tell(id, answer{err: media.ErrExpired})
			f.bodies.add(unfilled(t, fmt.Sprint("instance", i%7), id))
		}
		f.start()
		if n := f.bodies.count(); n != 3000 || time.Since(start) != 0 {
			t.Errorf("%d filled after %v", n, time.Since(start))
		}
		f.stop()
	})
}

// What becomes visible late with an earlier ID, as a transaction that took
// longer does, and what an error of the store hid, is found by itself.
func TestFillerFindsWhatItMissed(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := newFiller(t, webhook.FillerOptions{})
		f.start()
		for _, id := range []string{"1", "2", "3"} {
			f.files.tell(id, answer{err: media.ErrExpired})
		}
		f.add("sales", "2")
		f.wantReason("2", event.MediaExpired)
		f.add("sales", "1")
		f.bodies.setFail(errors.New("database is locked"))
		f.add("sales", "3")
		f.bodies.setFail(nil)
		after(10 * time.Second)
		f.wantReason("1", event.MediaExpired)
		f.wantReason("3", event.MediaExpired)
		f.stop()
	})
}

// A wall clock that jumps, either way, takes no time from a fetch and gives
// none.
func TestFillerOutlastsClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{3 * time.Hour, -3 * time.Hour} {
		bubble(t, jump.String(), func(t *testing.T) {
			var mu sync.Mutex
			var off time.Duration
			f := newFiller(t, webhook.FillerOptions{Parallel: 1, Now: func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return time.Now().Add(off)
			}})
			f.start()
			f.add("sales", "1", "2")
			after(time.Second)
			mu.Lock()
			off = jump
			mu.Unlock()
			after(4*time.Minute + 58*time.Second)
			if n := f.bodies.count(); n != 0 {
				t.Errorf("%d given up early", n)
			}
			after(20 * time.Second)
			f.wantReason("1", event.MediaTimeout)
			f.wantReason("2", event.MediaTimeout)
			f.stop()
		})
	}
}

// A stored envelope that cannot be read goes out as it is: its line must not
// wait for it for ever.
func TestFillerUnreadableEnvelope(t *testing.T) {
	_, path := write(t, 3)
	bubble(t, "", func(t *testing.T) {
		f := newFiller(t, webhook.FillerOptions{})
		f.files.tell("1", answer{path: path, size: 3})
		u := unfilled(t, "sales", "1")
		u.Plain = []byte(`{"event":"message.exchange","data":`)
		f.bodies.add(u)
		f.start()
		if got := f.bodies.body("1"); got != string(u.Plain) {
			t.Errorf("got %q", got)
		}
		f.stop()
	})
}

// sink is a webhook.Bodies with one body that goes nowhere.
type sink struct {
	body webhook.Unfilled
	done chan int64
	once sync.Once
}

func (s *sink) ListUnfilled(_ context.Context, after string, _ int) ([]webhook.Unfilled, error) {
	if after >= s.body.BodyID {
		return nil, nil
	}
	return []webhook.Unfilled{s.body}, nil
}

func (s *sink) Fill(_ context.Context, _ string, _ int64, body io.Reader) ([]string, error) {
	n, err := io.Copy(io.Discard, body)
	s.once.Do(func() { s.done <- n })
	return nil, err
}

// A file is never whole in memory.
func TestFillerStreams(t *testing.T) {
	const size = 16 << 20
	_, path := write(t, size)
	shelf := &files{}
	shelf.tell("1", answer{path: path, size: size})
	s := &sink{body: unfilled(t, "sales", "1"), done: make(chan int64, 1)}
	f := webhook.NewFiller(s, shelf, webhook.FillerOptions{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := <-s.done
	runtime.ReadMemStats(&after)
	if n < size/3*4 {
		t.Errorf("%d bytes", n)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 1<<20 {
		t.Errorf("%d bytes allocated for a file of %d", taken, size)
	}
	if err := f.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFillerLifecycle(t *testing.T) {
	lifecycletest.Stress(t, func(t *testing.T) lifecycle.Service {
		f := newFiller(t, webhook.FillerOptions{})
		f.bodies.add(unfilled(t, "sales", "1"))
		return f.Filler
	})
}
