package media_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/media"
)

// events.md section 8, media downloads: by how they ended; a file that is kept
// is no download.
func TestDownloadsByOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.source.Serve("a", []byte("abc"))
		h.want("a", "abc")
		synctest.Wait() // it is kept
		h.want("a", "abc")
		h.source.Fail("b", media.ErrTooLarge)
		h.wantError("b", media.ErrTooLarge)
		h.source.Fail("c", media.ErrDamaged)
		h.wantError("c", media.ErrDamaged)
		want := map[string]int64{"succeeded": 1, "too_large": 1, "expired": 0, "damaged": 1, "given_up": 0, "failed": 0}
		if diff := cmp.Diff(want, h.Downloads()); diff != "" {
			t.Errorf("downloads (-want +got):\n%s", diff)
		}
	})
}
