package httpapi_test

import (
	"context"
	"strings"

	"github.com/chasqui/chasqui/internal/blob"
	"github.com/chasqui/chasqui/internal/egress"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/media"
)

// buckets keeps media buckets. Those whose name begins with "media" exist; the
// rules of the fields are the real ones.
type buckets struct{ *world }

func (w buckets) Bucket(_ context.Context, instanceID string) (c media.BucketConfig, found bool, err error) {
	unlock, err := w.lock("Buckets.Bucket")
	defer unlock()
	c, found = w.buckets[instanceID]
	return c, found, err
}

func (w buckets) CheckBucket(_ context.Context, c media.BucketConfig) error {
	unlock, err := w.lock("Buckets.CheckBucket")
	defer unlock()
	if err != nil || !c.Enabled {
		return err
	}
	addresses := egress.New(nil)
	defer addresses.Close()
	if _, err := blob.NewS3(c, blob.S3Options{
		Transport: addresses.Transport(), Refused: egress.ErrRefused, CheckURL: addresses.CheckURL,
	}); err != nil {
		return err
	}
	if !strings.HasPrefix(c.Bucket, "media") {
		return fault.InvalidBody(fault.Detail{Field: "bucket", Reason: "does not exist"})
	}
	return nil
}

func (w buckets) SetBucket(_ context.Context, instanceID string, c media.BucketConfig) error {
	unlock, err := w.lock("Buckets.SetBucket")
	defer unlock()
	if err == nil {
		w.buckets[instanceID] = c
	}
	return err
}
