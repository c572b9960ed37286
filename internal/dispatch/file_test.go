package dispatch_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/dispatch/dispatchtest"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/media"
)

// Section 7.1: base64 is that of the file, here one on disk, which is asked for
// under the key of its message and closed afterwards.
func TestBase64FromDisk(t *testing.T) {
	want := bytes.Repeat([]byte("chasqui"), 20_000)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	d := open(t, dispatch.Options{})
	d.set(dispatch.WebSocket{Enabled: true, MediaBase64: true})
	d.files.FinishWith("one", file, int64(len(want)), nil)
	d.publish(picture("a", "one"))
	d.stopAfter(1)
	if got := d.read.last().Data.Message.Media.Base64; got != base64.StdEncoding.EncodeToString(want) {
		t.Errorf("%d characters of base64 are not those of the file", len(got))
	}
	if diff := cmp.Diff([]media.Key{{ChatKey: "a", SenderKey: "a", MessageID: "one"}}, d.files.Keys()); diff != "" {
		t.Errorf("asked for: %s", diff)
	}
	if n := d.files.Open(); n != 0 {
		t.Errorf("%d files are open", n)
	}
}

// brokenFile cannot be read.
type brokenFile struct{}

func (brokenFile) ReadAt([]byte, int64) (int, error) {
	return iotest.ErrReader(errors.New("broken disk")).Read(nil)
}

// Section 7.1: a file that was fetched and cannot be read is a failed download:
// the event goes out, once.
func TestUnreadableFile(t *testing.T) {
	for name, finish := range map[string]func(*dispatchtest.Files){
		"broken":    func(f *dispatchtest.Files) { f.FinishWith("one", brokenFile{}, 3, nil) },
		"truncated": func(f *dispatchtest.Files) { f.FinishWith("one", bytes.NewReader([]byte("ab")), 3, nil) },
	} {
		d := open(t, dispatch.Options{})
		d.set(dispatch.WebSocket{Enabled: true, MediaBase64: true})
		finish(d.files)
		d.publish(picture("a", "one"), message("a", "2"))
		d.stopAfter(2)
		d.want(1, 2)
		if m := d.read.got[0].Data.Message.Media; m.Error != event.MediaDownloadFailed || m.Base64 != "" {
			t.Errorf("%s: media %+v", name, m)
		}
		if n := d.files.Open(); n != 0 {
			t.Errorf("%s: %d files are open", name, n)
		}
	}
}

// Section 7.1: what turns out to be over media.base64_max is too large, whatever
// the sender claimed.
func TestFileLargerThanClaimed(t *testing.T) {
	d := open(t, dispatch.Options{MediaMax: 100})
	d.set(dispatch.WebSocket{Enabled: true, MediaBase64: true})
	for i, size := range []int{101, 100} {
		id := fmt.Sprint("file", i)
		d.files.Finish(id, make([]byte, size), nil)
		d.publish(picture(fmt.Sprint("chat", i), id))
		eventually(t, "the event", func() bool { return len(d.read.sequences()) == i+1 })
		if m := d.read.last().Data.Message.Media; (m.Error == event.MediaTooLarge) != (size > 100) {
			t.Errorf("%d bytes: media error %q", size, m.Error)
		}
	}
	d.stop()
	if n := d.files.Open(); n != 0 {
		t.Errorf("%d files are open", n)
	}
}

// An item that does not say whose file it is cannot be fetched.
func TestFileOfNobody(t *testing.T) {
	d := open(t, dispatch.Options{})
	d.set(dispatch.WebSocket{Enabled: true, MediaBase64: true})
	nameless, unreferenced := picture("a", "1"), picture("b", "2")
	nameless.Message, unreferenced.Media = nil, nil
	d.publish(nameless)
	d.publish(unreferenced)
	d.stopAfter(2)
	for _, e := range d.read.got {
		if m := e.Data.Message.Media; m.Error != event.MediaDownloadFailed {
			t.Errorf("media %+v", m)
		}
	}
	if calls := d.files.Calls(); len(calls) != 0 || len(d.read.got) != 2 {
		t.Errorf("%d events, asked for %q", len(d.read.got), calls)
	}
}

// slowReader holds frames until gate lets one through.
type slowReader struct {
	reader
	gate chan struct{}

	making sync.Mutex // guards the rest
	now    int
	most   int
}

func (r *slowReader) Stream(string) dispatch.Stream { return r }

func (r *slowReader) Publish(size int, encode func([]byte) ([]byte, error)) error {
	r.count(1)
	defer r.count(-1)
	<-r.gate
	return r.reader.Publish(size, encode)
}

func (r *slowReader) count(n int) {
	r.making.Lock()
	defer r.making.Unlock()
	r.now += n
	r.most = max(r.most, r.now)
}

// frames returns how many are being made, and how many were at once.
func (r *slowReader) frames() (now, most int) {
	r.making.Lock()
	defer r.making.Unlock()
	return r.now, r.most
}

// media.memory: no more base64 than that is in memory while frames are made;
// the others wait, within media.wait.
func TestMediaMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowReader{gate: make(chan struct{})}
		store, files := &dispatchtest.Store{}, &dispatchtest.Files{}
		d := dispatch.New(store, slow, files, dispatch.Options{MediaWait: 15 * time.Second, Memory: media.NewBudget(8)})
		if err := d.Open(t.Context(), dispatch.Origin{InstanceID: sales}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.SetWebSocket(t.Context(), sales, dispatch.WebSocket{Enabled: true, MediaBase64: true}); err != nil {
			t.Fatal(err)
		}
		for i := range 5 { // 4 bytes of base64 each: the third does not fit
			files.Finish(fmt.Sprint("file", i), []byte("abc"), nil)
			if err := d.Publish(t.Context(), sales, picture(fmt.Sprint("chat", i), fmt.Sprint("file", i))); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if now, _ := slow.frames(); now != 2 || files.Open() != 5 {
			t.Errorf("%d frames are made at once, want 2; %d files", now, files.Open())
		}
		slow.gate <- struct{}{}
		synctest.Wait()
		if now, most := slow.frames(); now != 2 || most != 2 {
			t.Errorf("%d frames are made at once, at most %d; want 2", now, most)
		}
		<-time.After(15 * time.Second) // two are still waiting: they go without
		close(slow.gate)
		if err := d.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		with, without := 0, 0
		for _, e := range slow.got {
			switch m := e.Data.Message.Media; {
			case m.Base64 == "YWJj":
				with++
			case m.Error == event.MediaTimeout:
				without++
			}
		}
		if with != 3 || without != 2 || files.Open() != 0 {
			t.Errorf("%d with their file, %d without; want 3, 2; %d files open", with, without, files.Open())
		}
	})
}

// A file larger than all of media.memory goes out alone.
func TestMediaMemorySmallerThanAFile(t *testing.T) {
	d := open(t, dispatch.Options{Memory: media.NewBudget(2)})
	d.set(dispatch.WebSocket{Enabled: true, MediaBase64: true})
	d.files.Finish("one", []byte("abc"), nil)
	d.publish(picture("a", "one"))
	eventually(t, "the event", func() bool { return len(d.read.sequences()) == 1 })
	if m := d.read.last().Data.Message.Media; m.Base64 != "YWJj" {
		t.Errorf("media %+v", m)
	}
	d.stop()
}
