package media

import (
	"context"
	"errors"
	"time"
)

// CheckBucket reports whether a bucket can be used: it is there and takes its
// keys. A configuration that is not enabled always can. It waits up to 20 s for
// the bucket's server. What the user can mend is a fault.
func (l *Library) CheckBucket(ctx context.Context, c BucketConfig) error {
	const patience = 20 * time.Second
	switch {
	case !c.Enabled:
		return nil
	case l.opts.Buckets == nil:
		return errors.New("media: there are no buckets")
	}
	bucket, err := l.opts.Buckets(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return bucket.Check(ctx)
}
