package media_test

import (
	"errors"
	"testing"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/media"
)

// rest.md section 2, S3: the bucket must exist. What the bucket or its opening
// says comes back as it is; a bucket that is off is not asked.
func TestCheckBucket(t *testing.T) {
	wrong := fault.InvalidBody(fault.Detail{Field: "bucket", Reason: "does not exist"})
	on := media.BucketConfig{Enabled: true}
	h := build(t)
	if err := h.CheckBucket(t.Context(), on); err != nil {
		t.Errorf("a good bucket: %v", err)
	}
	h.bucket.Fail(wrong)
	if err := h.CheckBucket(t.Context(), on); !errors.Is(err, wrong) {
		t.Errorf("a bad bucket: %v", err)
	}
	if err := h.CheckBucket(t.Context(), media.BucketConfig{}); err != nil {
		t.Errorf("no bucket: %v", err)
	}
	shut := build(t, func(o *media.LibraryOptions) {
		o.Buckets = func(media.BucketConfig) (media.Bucket, error) { return nil, wrong }
	})
	if err := shut.CheckBucket(t.Context(), on); !errors.Is(err, wrong) {
		t.Errorf("a bucket that cannot be opened: %v", err)
	}
	none := build(t, func(o *media.LibraryOptions) { o.Buckets = nil })
	if err := none.CheckBucket(t.Context(), on); err == nil {
		t.Error("a gateway without buckets takes one")
	}
}
