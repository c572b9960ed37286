package media

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// ErrNotThere says that a shelf has no such object.
var ErrNotThere = errors.New("media: no such object")

// Shelf keeps files under names: a folder, or one bucket. Package blob has
// both. Names are paths with slashes.
type Shelf interface {
	// Put stores size bytes of f, from its beginning, and replaces what was
	// there. Whoever opens the object sees the old or the new file, whole.
	Put(ctx context.Context, object string, f *os.File, size int64, mimetype string) error
	// Open fails with ErrNotThere.
	Open(ctx context.Context, object string) (body io.ReadCloser, size int64, err error)
	// Delete of an object that is not there is no error.
	Delete(ctx context.Context, object string) error
}

// Bucket is a shelf whose objects have links.
type Bucket interface {
	Shelf
	// Link returns a URL by which anybody can GET the object for the given
	// time. It works without a call to the bucket, also before the object is
	// there.
	Link(object string, valid time.Duration) (string, error)
	// Check reports whether the bucket exists and takes our keys.
	Check(ctx context.Context) error
}

// BucketConfig is the S3 configuration of an instance.
type BucketConfig struct {
	Enabled    bool
	Region     string
	Bucket     string
	AccessKey  string
	SecretKey  string // sealed at rest, never shown
	Endpoint   string // empty: AWS
	PathPrefix string
}
