package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// LocalShelf is the gateway's own shelf, where the files of each instance lie
// below a folder named after the instance's ID.
type LocalShelf interface {
	Shelf
	// DeleteAll deletes every object below a folder; none is no error.
	DeleteAll(ctx context.Context, folder string) error
}

// LibraryOptions tune a Library.
type LibraryOptions struct {
	// TempDir is for files that are being fetched. Required; it is made if it
	// is missing, belongs to this library alone, and what an earlier process
	// left there is removed.
	TempDir string
	// Buckets opens the bucket of a configuration, without I/O. Nil: there are
	// none.
	Buckets func(BucketConfig) (Bucket, error)
	// Max is the largest file in bytes that is fetched for an instance without
	// a bucket, default 16 MiB; MaxKept that for one with a bucket, default
	// 2 GiB, which is what WhatsApp takes.
	Max, MaxKept int64
	// Downloads is how many run at once for those who need the file now, default
	// 8; as many again for those who can wait, and half as many for the Keeper.
	Downloads int
	Logger    *slog.Logger
}

func (o LibraryOptions) withDefaults() LibraryOptions {
	if o.Max <= 0 {
		o.Max = 16 << 20
	}
	if o.MaxKept <= 0 {
		o.MaxKept = 2 << 30
	}
	if o.Downloads <= 0 {
		o.Downloads = 8
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Library fetches the file of a message once, however many want it, and keeps
// it: in the bucket of the instance if that has one, else on the local disk.
// Its methods may be called from several goroutines.
type Library struct {
	store  Store
	source Source
	disk   LocalShelf
	opts   LibraryOptions
	log    *slog.Logger

	slots [lanes]chan struct{} // one token for each download in progress

	downloads downloads

	mu      sync.Mutex // guards the next two, and what flights say it does
	flights map[flightID]*flight
	stopped bool
	work    sync.WaitGroup // flights in progress

	instancesMu sync.RWMutex // guards instances
	instances   map[string]*home
}

var _ Files = (*Library)(nil)

// tempPattern names files that are being fetched.
const tempPattern = "fetch-*.tmp"

// NewLibrary returns a library. It fails when the folder for temporary files
// cannot be used.
func NewLibrary(store Store, source Source, disk LocalShelf, opts LibraryOptions) (*Library, error) {
	opts = opts.withDefaults()
	if err := emptyTempDir(opts.TempDir); err != nil {
		return nil, fmt.Errorf("media: folder for temporary files: %w", err)
	}
	l := &Library{
		store: store, source: source, disk: disk, opts: opts, log: opts.Logger,
		flights: map[flightID]*flight{}, instances: map[string]*home{},
	}
	for in := range l.slots {
		l.slots[in] = make(chan struct{}, opts.Downloads)
	}
	l.slots[laneKeeper] = make(chan struct{}, max(1, opts.Downloads/2))
	return l, nil
}

func emptyTempDir(dir string) error {
	if dir == "" {
		return errors.New("none is set")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	left, err := filepath.Glob(filepath.Join(dir, tempPattern))
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// Stop gives up every download and returns when none is in progress any more,
// or with the context's error when that ends first. A Fetch afterwards fails.
func (l *Library) Stop(ctx context.Context) error {
	l.mu.Lock()
	l.stopped = true
	for _, f := range l.flights {
		f.cancel()
	}
	l.mu.Unlock()
	done := make(chan struct{})
	go func() {
		l.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("media: stop downloads: %w", ctx.Err())
	}
}

// Fetch implements Files: from where the file is kept, else from WhatsApp, if
// need be by way of the phone. Callers share one download, which goes on as long
// as one of them waits; keeping the file is not waited for.
func (l *Library) Fetch(ctx context.Context, instanceID string, key Key, ref Ref) (*File, error) {
	return l.fetch(ctx, instanceID, key, ref, laneNow)
}

// FetchPatiently is Fetch for callers who can wait for minutes: they never hold
// up those who cannot.
func (l *Library) FetchPatiently(ctx context.Context, instanceID string, key Key, ref Ref) (*File, error) {
	return l.fetch(ctx, instanceID, key, ref, lanePatient)
}

func (l *Library) fetch(ctx context.Context, instanceID string, key Key, ref Ref, in lane) (*File, error) {
	f, err := l.join(ctx, flightID{instanceID, key}, ref, in)
	if err != nil {
		return nil, err
	}
	return l.await(ctx, f)
}

// Delete removes the kept file of a message, wherever it lies, and what is known
// of it. There being none is no error.
func (l *Library) Delete(ctx context.Context, instanceID string, key Key) error {
	r, found, err := l.store.GetFile(ctx, instanceID, key)
	if err != nil || !found {
		return err
	}
	return l.remove(ctx, r)
}

// remove deletes the object before its record, so that a crash in between
// leaves nothing that nobody knows of.
func (l *Library) remove(ctx context.Context, r Record) error {
	if r.State == Stored {
		shelf, err := l.shelfOf(r)
		if err == nil {
			err = shelf.Delete(ctx, r.Object)
		}
		if err != nil {
			return err
		}
	}
	return l.store.DeleteFile(ctx, r.InstanceID, r.Key)
}

// keep puts a fetched file on the shelf of its instance and records that.
func (l *Library) keep(ctx context.Context, id flightID, ref Ref, file *shared) error {
	const patience = 15 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	place, object, shelf := l.placeFor(id, ref)
	if err := shelf.Put(ctx, object, file.f, file.size, ref.Mimetype); err != nil {
		return fmt.Errorf("media: keep the file of message %s: %w", id.key.MessageID, err)
	}
	err := l.store.PutFile(ctx, Record{
		InstanceID: id.instanceID, Key: id.key, Ref: ref, State: Stored,
		Place: place, Object: object, Size: file.size, StoredAt: time.Now().UTC(),
	})
	if err != nil {
		err = fmt.Errorf("media: record the file of message %s: %w", id.key.MessageID, err)
		if place == OnDisk { // nobody would ever delete it; a bucket's object may be linked already
			err = errors.Join(err, shelf.Delete(context.WithoutCancel(ctx), object))
		}
	}
	return err
}

// shelfOf is where a stored file lies. ErrNotThere: in a bucket that the
// instance does not use any more.
func (l *Library) shelfOf(r Record) (Shelf, error) {
	if r.Place == OnDisk {
		return l.disk, nil
	}
	if h := l.home(r.InstanceID); h != nil && h.bucket != nil {
		return h.bucket, nil
	}
	return nil, ErrNotThere
}
