package media

import (
	"context"
	"fmt"
	"time"
)

// home is where the files of one open instance go.
type home struct {
	name   string
	config BucketConfig
	bucket Bucket // nil: the disk
}

// linkValid is how long links are good: a week is the longest that S3 signs
// (AWS Signature Version 4, X-Amz-Expires).
const linkValid = 7 * 24 * time.Hour

func (l *Library) home(instanceID string) *home {
	l.instancesMu.RLock()
	defer l.instancesMu.RUnlock()
	return l.instances[instanceID]
}

// OpenInstance reads where the files of an instance go. It must come before its
// first message; until then its files go to the disk.
func (l *Library) OpenInstance(ctx context.Context, instanceID, name string) error {
	c, _, err := l.store.GetBucket(ctx, instanceID)
	if err != nil {
		return fmt.Errorf("read the bucket of instance %s: %w", instanceID, err)
	}
	h := &home{name: name, config: c}
	if h.bucket, err = l.open(c); err != nil {
		// The check at set time let it through: better without than not at all.
		l.log.Error("the bucket cannot be used", "instance_id", instanceID, "error", err)
	}
	l.instancesMu.Lock()
	defer l.instancesMu.Unlock()
	l.instances[instanceID] = h
	return nil
}

func (l *Library) open(c BucketConfig) (Bucket, error) {
	if !c.Enabled || l.opts.Buckets == nil {
		return nil, nil
	}
	return l.opts.Buckets(c)
}

// CloseInstance forgets an instance and gives up its downloads.
func (l *Library) CloseInstance(instanceID string) {
	l.instancesMu.Lock()
	delete(l.instances, instanceID)
	l.instancesMu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, f := range l.flights {
		if id.instanceID == instanceID {
			f.cancel()
		}
	}
}

// DeleteInstance closes an instance and deletes its files on the disk; those in
// a bucket stay.
func (l *Library) DeleteInstance(ctx context.Context, instanceID string) error {
	l.CloseInstance(instanceID)
	return l.disk.DeleteAll(ctx, instanceID)
}

// SetBucket stores the bucket of an open instance and puts it in force. The
// caller has checked it.
func (l *Library) SetBucket(ctx context.Context, instanceID string, c BucketConfig) error {
	bucket, err := l.open(c)
	if err != nil {
		return err
	}
	if err := l.store.PutBucket(ctx, instanceID, c); err != nil {
		return fmt.Errorf("store the bucket of instance %s: %w", instanceID, err)
	}
	l.instancesMu.Lock()
	defer l.instancesMu.Unlock()
	if h := l.instances[instanceID]; h != nil {
		l.instances[instanceID] = &home{name: h.name, config: c, bucket: bucket}
	}
	return nil
}

// Bucket returns the stored configuration; found is false if there is none.
func (l *Library) Bucket(ctx context.Context, instanceID string) (c BucketConfig, found bool, err error) {
	return l.store.GetBucket(ctx, instanceID)
}

// HasBucket reports whether the files of an open instance go into a bucket. It
// does no I/O.
func (l *Library) HasBucket(instanceID string) bool {
	h := l.home(instanceID)
	return h != nil && h.bucket != nil
}

// Link returns a URL, good for seven days, by which anybody can GET the file of
// a message from the bucket of its instance once it is kept there; ok is false
// if there is no bucket. It does no I/O.
func (l *Library) Link(instanceID string, key Key, ref Ref) (url string, ok bool) {
	h := l.home(instanceID)
	if h == nil || h.bucket == nil {
		return "", false
	}
	url, err := h.bucket.Link(h.object(key, ref), linkValid)
	if err != nil {
		l.log.Error("a link to a file could not be made", "instance_id", instanceID, "error", err)
		return "", false
	}
	return url, true
}

// placeFor says where a file of an instance is to be kept.
func (l *Library) placeFor(id flightID, ref Ref) (place, object string, shelf Shelf) {
	if h := l.home(id.instanceID); h != nil && h.bucket != nil {
		return InBucket, h.object(id.key, ref), h.bucket
	}
	return OnDisk, diskObject(id.instanceID, id.key), l.disk
}

// limit is the size of the largest file that is fetched for an instance.
func (l *Library) limit(instanceID string) int64 {
	if l.HasBucket(instanceID) {
		return l.opts.MaxKept
	}
	return l.opts.Max
}
