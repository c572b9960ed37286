package media_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/chasqui/chasqui/internal/media"
)

// Kept gives what is kept, on the disk or in a bucket, and fetches nothing.
func TestKept(t *testing.T) {
	for name, c := range map[string]media.BucketConfig{"disk": {}, "bucket": {Enabled: true, Bucket: "b"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := build(t)
				h.useBucket(c)
				h.source.Serve("a", []byte("jpeg"))
				if _, err := h.Kept(t.Context(), sales, keyOf("a")); !errors.Is(err, media.ErrNotThere) {
					t.Errorf("before it was fetched: %v", err)
				}
				h.downloads()
				h.want("a", "jpeg")
				synctest.Wait() // until it is kept
				file, err := h.Kept(t.Context(), sales, keyOf("a"))
				if err != nil {
					t.Fatal(err)
				}
				if got := read(t, file); got != "jpeg" {
					t.Errorf("got %q", got)
				}
				file.Close()
				h.downloads("a")
			})
		})
	}
}
