package media

import (
	"context"
	"time"
)

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
	// UpdateWanted stores State, Attempts, NextAt and Reason of a record that is
	// still wanted. Any other stays as it is: somebody else had the file
	// meanwhile, or nobody wants it any more.
	UpdateWanted(ctx context.Context, r Record) error
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
