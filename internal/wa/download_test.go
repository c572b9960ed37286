package wa_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/blob"
	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/media/mediatest"
	"github.com/chasqui/chasqui/internal/wa"
	"github.com/chasqui/chasqui/wasim"
)

// sent is a file that Ana sends to the instance, as the instance hears of it.
type sent struct {
	id  string
	key media.Key
	ref media.Ref
}

func (r *rig) sendFile(m wasim.Media) sent {
	r.t.Helper()
	id := r.send(r.net.Phone(anaNumber), ownNumber, wasim.Message{Media: &m})
	return r.received(id)
}

func (r *rig) received(id string) sent {
	r.t.Helper()
	item := r.events.wait(r.t, "media "+id, func(i dispatch.Item) bool {
		m, ok := i.Data.(*event.Message)
		return ok && m.ID == id
	})
	if item.Media == nil {
		r.t.Fatalf("message %s has no media: %+v", id, item.Data)
	}
	m := item.Message
	return sent{id, media.Key{ChatKey: m.ChatKey, SenderKey: m.SenderKey, MessageID: m.ID}, *item.Media}
}

// receiver links an instance that hears of files.
func receiver(t *testing.T, change ...func(*wa.Options)) *rig {
	t.Helper()
	r := newRig(t, change...)
	own := r.net.Phone(ownNumber)
	r.net.Phone(anaNumber)
	r.link(own, instance.Settings{})
	return r
}

// download fetches a file, after something else was in the place where it goes.
func (r *rig) download(ref media.Ref, limit int64) ([]byte, error) {
	r.t.Helper()
	f, err := os.Create(filepath.Join(r.t.TempDir(), "file"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(bytes.Repeat([]byte("old"), 100_000)); err != nil {
		r.t.Fatal(err)
	}
	size, err := r.engine.DownloadTo(r.ctx(), instanceID, ref, limit, f)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	if err != nil || int64(len(data)) != size {
		r.t.Errorf("the file has %d bytes, DownloadTo told %d: %v", len(data), size, err)
	}
	return data, nil
}

func TestDownload(t *testing.T) {
	r := receiver(t)
	file := bytes.Repeat([]byte("chasqui "), 4096)
	for _, kind := range []string{"image", "video", "audio", "document", "sticker", "ptt", "ptv"} {
		t.Run(kind, func(t *testing.T) {
			s := r.sendFile(wasim.Media{Type: kind, Mimetype: "application/octet-stream", FileName: "f.bin", Data: file})
			got, err := r.download(s.ref, int64(len(file)))
			if err != nil || !bytes.Equal(got, file) {
				t.Fatalf("Download: %d bytes, %v", len(got), err)
			}
		})
	}
}

// A reference says of a message what its file's name in a bucket and a request
// to the phone need.
func TestReference(t *testing.T) {
	r := receiver(t)
	s := r.sendFile(wasim.Media{Type: "document", Mimetype: "application/pdf", FileName: "bill.PDF", Data: []byte("pdf")})
	if s.ref.FileName != "bill.PDF" || s.ref.FromMe || !strings.Contains(s.ref.Chat, "@") || s.ref.Sender != s.ref.Chat {
		t.Errorf("reference: %+v", s.ref)
	}
	if age := time.Since(s.ref.SentAt); age < 0 || age > time.Minute {
		t.Errorf("sent at %v", s.ref.SentAt)
	}
}

// A large file never lies in memory: what fetching one allocates is far below
// its size. The simulated phones take the file too, each once and in memory:
// hence the least of three.
func TestDownloadMemory(t *testing.T) {
	r := receiver(t)
	const size, allowed = 16 << 20, 4 << 20
	s := r.sendFile(wasim.Media{Type: "document", FileName: "f.bin", Data: make([]byte, size)})
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	least := uint64(size)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n, err := r.engine.DownloadTo(r.ctx(), instanceID, s.ref, size, f)
		runtime.ReadMemStats(&after)
		if err != nil || n != size {
			t.Fatalf("DownloadTo: %d bytes, %v", n, err)
		}
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	if least > allowed {
		t.Errorf("%d bytes were allocated for a file of %d", least, size)
	}
}

func TestDownloadLimit(t *testing.T) {
	r := receiver(t)
	ref := r.sendFile(wasim.Media{Type: "image", Mimetype: "image/jpeg", Data: bytes.Repeat([]byte{7}, 100_000)}).ref
	if _, err := r.download(ref, 99_999); !errors.Is(err, media.ErrTooLarge) {
		t.Errorf("one byte over: %v", err)
	}
	ref.Size = 10 // a sender that lies
	for _, limit := range []int64{50_000, 99_999} {
		if _, err := r.download(ref, limit); !errors.Is(err, media.ErrTooLarge) {
			t.Errorf("a file larger than claimed, limit %d: %v", limit, err)
		}
	}
	if got, err := r.download(ref, 100_000); err != nil || len(got) != 100_000 {
		t.Errorf("within the limit: %d bytes, %v", len(got), err)
	}
}

// What is not the file that the message announced is refused.
func TestDownloadChecksHashes(t *testing.T) {
	r := receiver(t)
	good := r.sendFile(wasim.Media{Type: "image", Mimetype: "image/jpeg", Data: []byte("jpeg")}).ref
	for name, spoil := range map[string]func(*media.Ref){
		"hash of the file":           func(ref *media.Ref) { ref.FileSHA256 = bytes.Repeat([]byte{1}, 32) },
		"hash of the encrypted file": func(ref *media.Ref) { ref.FileEncSHA256 = bytes.Repeat([]byte{1}, 32) },
		"key":                        func(ref *media.Ref) { ref.Key = bytes.Repeat([]byte{1}, 32) },
		"no hash":                    func(ref *media.Ref) { ref.FileSHA256 = nil },
	} {
		ref := good
		spoil(&ref)
		if _, err := r.download(ref, 1000); !errors.Is(err, media.ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", name, err)
		}
	}
}

// faulty answers the first downloads itself.
type faulty struct {
	base http.RoundTripper

	mu    sync.Mutex // guards the rest
	next  []func(*http.Response)
	calls int
}

func (f *faulty) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := f.base.RoundTrip(req)
	if err != nil || !strings.HasPrefix(req.URL.Path, "/v/") {
		return resp, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if len(f.next) > 0 {
		f.next[0](resp)
		f.next = f.next[1:]
	}
	return resp, nil
}

// spoilt is a change of the engine's options that puts f in its way.
func spoilt(f *faulty) func(*wa.Options) {
	return func(o *wa.Options) {
		plain := o.HTTPClient
		o.HTTPClient = func() *http.Client {
			c := *plain()
			f.base, c.Transport = c.Transport, f
			return &c
		}
	}
}

func unavailable(resp *http.Response) {
	resp.StatusCode = http.StatusServiceUnavailable
	resp.Header.Set("Retry-After", "0")
}

// cut ends an answer after its first half.
func cut(resp *http.Response) {
	body := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(body, resp.ContentLength/2), errReader{}), body}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A download that fails twice works the third time, and nothing of the failed
// ones stays in the file.
func TestDownloadTriesAgain(t *testing.T) {
	f := &faulty{}
	r := receiver(t, spoilt(f))
	file := bytes.Repeat([]byte("chasqui "), 4096)
	s := r.sendFile(wasim.Media{Type: "video", Mimetype: "video/mp4", Data: file})
	f.next = []func(*http.Response){unavailable, unavailable}
	if got, err := r.download(s.ref, 1<<20); err != nil || !bytes.Equal(got, file) {
		t.Errorf("after two 503: %d bytes, %v", len(got), err)
	}
	if f.calls != 3 {
		t.Errorf("%d requests, want 3", f.calls)
	}
	f.next = []func(*http.Response){cut}
	if _, err := r.download(s.ref, 1<<20); err == nil || errors.Is(err, media.ErrDamaged) {
		t.Errorf("cut in the middle: %v, want a failure that may pass", err)
	}
	if got, err := r.download(s.ref, 1<<20); err != nil || !bytes.Equal(got, file) {
		t.Errorf("after a cut: %d bytes, %v", len(got), err)
	}
}

// WhatsApp's link has expired: the phone uploads the file again.
func TestRerequest(t *testing.T) {
	r := receiver(t)
	file := []byte("jpeg")
	s := r.sendFile(wasim.Media{Type: "image", Mimetype: "image/jpeg", Data: file})
	r.fault(wasim.Fault{Kind: "media_gone", MessageID: s.id})
	if _, err := r.download(s.ref, 1000); !errors.Is(err, media.ErrExpired) {
		t.Fatalf("Download: %v, want ErrExpired", err)
	}
	moved, err := r.engine.Rerequest(r.ctx(), instanceID, s.key, s.ref)
	if err != nil {
		t.Fatalf("Rerequest: %v", err)
	}
	if got, err := r.download(moved, 1000); err != nil || !bytes.Equal(got, file) {
		t.Errorf("from the new place: %q, %v", got, err)
	}
	bare := s.ref // as read from a stored message
	bare.Chat, bare.Sender = "", ""
	if _, err := r.engine.Rerequest(r.ctx(), instanceID, s.key, bare); err != nil {
		t.Errorf("Rerequest by the key alone: %v", err)
	}
}

func (r *rig) fault(f wasim.Fault) {
	r.t.Helper()
	if err := r.net.Fault(f); err != nil {
		r.t.Fatal(err)
	}
}

// The whole way of a file whose link has expired: the library asks the phone,
// fetches what that uploads, and keeps it; then neither is asked again.
func TestLibraryFetchesAnExpiredFile(t *testing.T) {
	r := receiver(t)
	disk, err := blob.NewDisk(filepath.Join(t.TempDir(), "media"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = disk.Close() }()
	store := &mediatest.Store{}
	library, err := media.NewLibrary(store, r.engine, disk, media.LibraryOptions{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	file := bytes.Repeat([]byte("jpeg"), 10_000)
	s := r.sendFile(wasim.Media{Type: "image", Mimetype: "image/jpeg", Data: file})
	r.fault(wasim.Fault{Kind: "media_gone", MessageID: s.id})
	fetch := func() {
		got, err := library.Fetch(r.ctx(), instanceID, s.key, s.ref)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		body, err := got.Open()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(body); err != nil || !bytes.Equal(b, file) {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}
	fetch()
	poll(t, "the file to be kept", func() bool {
		kept, _, err := store.GetFile(t.Context(), instanceID, s.key)
		return err == nil && kept.State == media.Stored
	})
	r.fault(wasim.Fault{Kind: "media_gone", MessageID: s.id, Final: true})
	r.client.Disconnect()
	fetch()
	if err := library.Stop(r.ctx()); err != nil {
		t.Error(err)
	}
}

// The phone does not have the file any more either.
func TestRerequestExpiredForGood(t *testing.T) {
	r := receiver(t)
	s := r.sendFile(wasim.Media{Type: "image", Mimetype: "image/jpeg", Data: []byte("jpeg")})
	r.fault(wasim.Fault{Kind: "media_gone", MessageID: s.id, Final: true})
	if _, err := r.engine.Rerequest(r.ctx(), instanceID, s.key, s.ref); !errors.Is(err, media.ErrExpired) {
		t.Errorf("Rerequest: %v, want ErrExpired", err)
	}
	newsletter := s.ref
	newsletter.Chat = "120363000000000001@newsletter"
	if _, err := r.engine.Rerequest(r.ctx(), instanceID, s.key, newsletter); !errors.Is(err, media.ErrExpired) {
		t.Errorf("Rerequest in a newsletter: %v, want ErrExpired", err)
	}
}

// A phone that does not answer is waited for as long as the context allows.
func TestRerequestWithoutAnAnswer(t *testing.T) {
	r := receiver(t)
	s := r.sendFile(wasim.Media{Type: "image", Mimetype: "image/jpeg", Data: []byte("jpeg")})
	r.fault(wasim.Fault{Kind: "delay", Target: ownNumber, MS: 60_000})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := r.engine.Rerequest(ctx, instanceID, s.key, s.ref); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Rerequest: %v, want the context's end", err)
	}
	r.fault(wasim.Fault{Kind: "delay", Target: ownNumber})
}

// Without a connection nothing can be had now.
func TestDownloadOffline(t *testing.T) {
	r := receiver(t)
	s := r.sendFile(wasim.Media{Type: "image", Mimetype: "image/jpeg", Data: []byte("jpeg")})
	r.client.Disconnect()
	if _, err := r.download(s.ref, 1000); !errors.Is(err, media.ErrOffline) {
		t.Errorf("Download: %v, want ErrOffline", err)
	}
	if _, err := r.engine.Rerequest(r.ctx(), instanceID, s.key, s.ref); !errors.Is(err, media.ErrOffline) {
		t.Errorf("Rerequest: %v, want ErrOffline", err)
	}
	if _, err := r.engine.Rerequest(r.ctx(), "i-2", s.key, s.ref); !errors.Is(err, media.ErrOffline) {
		t.Errorf("Rerequest of an unknown instance: %v, want ErrOffline", err)
	}
}
