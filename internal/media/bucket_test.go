package media_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/media/mediatest"
)

func (h *house) wantObjects(want map[string]string) {
	h.t.Helper()
	if diff := cmp.Diff(want, h.bucket.Objects(), cmpopts.EquateEmpty()); diff != "" {
		h.t.Errorf("objects in the bucket (-want +got):\n%s", diff)
	}
}

// rest.md, S3: <pathPrefix><instance>/<yyyy>/<mm>/<messageId>.<ext>. The month
// is that of sending, in UTC.
func TestBucketObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.useBucket(media.BucketConfig{Enabled: true, PathPrefix: "wa/"})
		h.source.Serve("3EB0AA11", []byte("jpeg"))
		link, ok := h.Link(sales, keyOf("3EB0AA11"), refOf("3EB0AA11"))
		if want := "https://bucket.example.com/wa/sales/2026/10/3EB0AA11.jpg?valid=168h0m0s"; link != want || !ok {
			t.Errorf("Link: %q, %v, want %q", link, ok, want)
		}
		h.wantObjects(nil) // a link is made without the object
		h.want("3EB0AA11", "jpeg")
		synctest.Wait()
		h.wantObjects(map[string]string{"wa/sales/2026/10/3EB0AA11.jpg": "jpeg"})
		h.want("3EB0AA11", "jpeg") // from the bucket
		h.downloads("3EB0AA11")
		r, _, _ := h.store.GetFile(t.Context(), sales, keyOf("3EB0AA11"))
		if r.Place != media.InBucket || r.Object != "wa/sales/2026/10/3EB0AA11.jpg" {
			t.Errorf("record: %+v", r)
		}
	})
}

// The extension is the sender's if it is a plain one, else that of the type.
func TestBucketExtension(t *testing.T) {
	h := build(t)
	h.useBucket(media.BucketConfig{Enabled: true})
	for _, tc := range []struct{ fileName, mimetype, want string }{
		{"", "image/jpeg", ".jpg"},
		{"", "audio/ogg; codecs=opus", ".ogg"},
		{"", "Image/PNG", ".png"},
		{"", "application/x-unheard-of", ".bin"},
		{"", "", ".bin"},
		{"bill.PDF", "application/octet-stream", ".pdf"},
		{"archive.tar.gz", "", ".gz"},
		{"no extension", "application/pdf", ".pdf"},
		{"bill.pdf/../../x", "application/pdf", ".pdf"},
		{"bill.p f", "application/pdf", ".pdf"},
		{"bill.waytoolongforanextension", "application/pdf", ".pdf"},
		{"Rechnung.", "application/pdf", ".pdf"},
	} {
		ref := refOf("x")
		ref.FileName, ref.Mimetype = tc.fileName, tc.mimetype
		link, _ := h.Link(sales, keyOf("ID"), ref)
		if want := "https://bucket.example.com/sales/2026/10/ID" + tc.want + "?"; !strings.HasPrefix(link, want) {
			t.Errorf("file name %q, type %q: %s, want %s", tc.fileName, tc.mimetype, link, want)
		}
	}
}

// Whoever sends a message chooses its ID: none leads to another object.
func TestBucketOddMessageID(t *testing.T) {
	h := build(t)
	h.useBucket(media.BucketConfig{Enabled: true})
	seen := map[string]bool{}
	for _, id := range []string{"", ".", "..", "a/b", "../../other/2026/10/ID", "a?b", "a\x00b", "ü", strings.Repeat("A", 500), strings.Repeat("A", 501)} {
		link, ok := h.Link(sales, keyOf(id), refOf("x"))
		name, found := strings.CutPrefix(link, "https://bucket.example.com/sales/2026/10/id-")
		name, _, _ = strings.Cut(name, "?")
		if !ok || !found || len(name) != 64+len(".jpg") || seen[name] {
			t.Errorf("message %q: %s", id, link)
		}
		seen[name] = true
	}
}

// Whoever waits for the bytes does not wait for the bucket.
func TestFetchDoesNotWaitForTheBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.useBucket(media.BucketConfig{Enabled: true})
		h.source.Serve("a", []byte("jpeg"))
		release := h.bucket.Hold()
		h.want("a", "jpeg")
		h.want("a", "jpeg") // while it is being kept
		h.wantObjects(nil)
		release()
		synctest.Wait()
		h.wantObjects(map[string]string{"sales/2026/10/a.jpg": "jpeg"})
		h.downloads("a")
	})
}

// A bucket that is out of order, or not used any more, holds no file back.
func TestFetchWithoutItsBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.useBucket(media.BucketConfig{Enabled: true})
		h.source.Serve("a", []byte("jpeg"))
		h.want("a", "jpeg")
		synctest.Wait()
		h.bucket.Fail(errors.New("connection refused"))
		h.want("a", "jpeg")
		synctest.Wait()
		h.downloads("a", "a")
		h.useBucket(media.BucketConfig{})
		if _, ok := h.Link(sales, keyOf("a"), refOf("a")); ok || h.HasBucket(sales) {
			t.Error("a bucket that is turned off is still used")
		}
		h.want("a", "jpeg")
		synctest.Wait()
		h.want("a", "jpeg")
		h.downloads("a", "a", "a")
		if r, _, _ := h.store.GetFile(t.Context(), sales, keyOf("a")); r.Place != media.OnDisk {
			t.Errorf("record: %+v", r)
		}
	})
}

// A configuration is in force once it is stored, and after a restart.
func TestSetBucket(t *testing.T) {
	h := build(t)
	h.store.Fail(errors.New("disk I/O error"))
	if err := h.SetBucket(t.Context(), sales, media.BucketConfig{Enabled: true}); err == nil || h.HasBucket(sales) {
		t.Errorf("SetBucket without a store: %v, in force: %v", err, h.HasBucket(sales))
	}
	h.store.Fail(nil)
	want := media.BucketConfig{Enabled: true, Bucket: "media", SecretKey: "secret"}
	h.useBucket(want)
	again, err := media.NewLibrary(h.store, h.source, h.disk, media.LibraryOptions{
		TempDir: t.TempDir(), Buckets: func(media.BucketConfig) (media.Bucket, error) { return h.bucket, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.OpenInstance(t.Context(), sales, "sales"); err != nil {
		t.Fatal(err)
	}
	got, found, err := again.Bucket(t.Context(), sales)
	if got != want || !found || err != nil || !again.HasBucket(sales) {
		t.Errorf("after a restart: %+v, %v, %v, in force: %v", got, found, err, again.HasBucket(sales))
	}
	again.CloseInstance(sales)
	if again.HasBucket(sales) {
		t.Error("a closed instance has a bucket")
	}
}

// A stored configuration that cannot be used does not keep the instance from
// opening.
func TestOpenInstanceWithABadBucket(t *testing.T) {
	store := &mediatest.Store{}
	if err := store.PutBucket(t.Context(), sales, media.BucketConfig{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	l, err := media.NewLibrary(store, &mediatest.Source{}, nil, media.LibraryOptions{
		TempDir: t.TempDir(), Buckets: func(media.BucketConfig) (media.Bucket, error) { return nil, errors.New("bad endpoint") },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.OpenInstance(t.Context(), sales, "sales"); err != nil || l.HasBucket(sales) {
		t.Errorf("OpenInstance: %v, bucket: %v", err, l.HasBucket(sales))
	}
	store.Fail(context.DeadlineExceeded)
	if err := l.OpenInstance(t.Context(), sales, "sales"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("OpenInstance without a store: %v", err)
	}
}
