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

// State of a file that is known to the store.
type State string

// The states: wanted files are fetched in the background until they are stored
// or failed for good.
const (
	Wanted State = "wanted"
	Stored State = "stored"
	Failed State = "failed"
)

// Where a stored file lies.
const (
	OnDisk   = "disk"
	InBucket = "s3"
)

// Record is what the store knows of one file.
type Record struct {
	InstanceID string
	Key        Key
	Ref        Ref
	State      State
	Place      string // OnDisk or InBucket, once stored
	Object     string // its name on that shelf
	Size       int64
	Attempts   int       // failed ones
	NextAt     time.Time // of a wanted file
	Reason     string    // of a failed one: too_large, expired, download_failed
	StoredAt   time.Time
}

// Store keeps the records of files; package store has it.
type Store interface {
	GetFile(ctx context.Context, instanceID string, key Key) (r Record, found bool, err error)
	// PutFile inserts or replaces a record.
	PutFile(ctx context.Context, r Record) error
	// ListWanted returns wanted files that are due at now, the longest due
	// first, and when the next one is due after that (zero: none).
	ListWanted(ctx context.Context, now time.Time, limit int) (due []Record, next time.Time, err error)
	// ListStoredBefore returns files on disk that were stored before t, the
	// oldest first.
	ListStoredBefore(ctx context.Context, t time.Time, limit int) ([]Record, error)
	DeleteFile(ctx context.Context, instanceID string, key Key) error
	GetBucket(ctx context.Context, instanceID string) (c BucketConfig, found bool, err error)
	PutBucket(ctx context.Context, instanceID string, c BucketConfig) error
}
