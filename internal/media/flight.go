package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

type flightID struct {
	instanceID string
	key        Key
}

// flight is one fetch with everybody who waits for it.
type flight struct {
	id     flightID
	cancel context.CancelFunc
	ready  chan struct{} // closed when file or err is set
	kept   chan struct{} // closed when the flight is over; keepErr is set then

	// The rest is guarded by Library.mu; what the channels announce may be read
	// without it afterwards.
	waiting int           // callers
	lane    lane          // the foremost of theirs
	raised  chan struct{} // closed when lane is raised, and made anew
	over    bool          // kept is closed
	failure error         // the last one, while waiting to try again
	file    *shared
	err     error
	keepErr error
}

// shared is a file on disk with its users. The last one closes it, and removes
// it if it is temporary.
type shared struct {
	f         *os.File
	size      int64
	temporary bool
	users     atomic.Int64
}

func (s *shared) hold() *File {
	s.users.Add(1)
	return NewFile(s.f, s.size, s.release)
}

func (s *shared) release() {
	if s.users.Add(-1) > 0 {
		return
	}
	_ = s.f.Close() // it was only read since
	if s.temporary {
		_ = os.Remove(s.f.Name()) // what is left is removed at the next start
	}
}

// newShared returns a file with one user.
func newShared(f *os.File, size int64, temporary bool) *shared {
	s := &shared{f: f, size: size, temporary: temporary}
	s.users.Store(1)
	return s
}

// lane says how long a caller can wait. Each lane has downloads of its own, so
// that those who have time never hold up those who have not.
type lane int

const (
	laneKeeper  lane = iota // days: files for buckets
	lanePatient             // minutes: webhooks
	laneNow                 // seconds: WebSockets and requests
	lanes
)

var errStopped = errors.New("media: stopping")

// join adds a caller to the flight of a file, which begins if there is none.
// Each join is followed by one await.
func (l *Library) join(ctx context.Context, id flightID, ref Ref, from lane) (*flight, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return nil, errStopped
	}
	f := l.flights[id]
	if f == nil {
		f = &flight{id: id, lane: from, raised: make(chan struct{}), ready: make(chan struct{}), kept: make(chan struct{})}
		ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
		l.flights[id] = f
		l.work.Go(func() { l.fly(ctx, f, ref) })
	}
	f.waiting++
	if from > f.lane {
		f.lane = from
		close(f.raised)
		f.raised = make(chan struct{})
	}
	return f, nil
}

// await returns the flight's file. The last caller who gives up ends the flight.
func (l *Library) await(ctx context.Context, f *flight) (*File, error) {
	select {
	case <-f.ready:
	case <-ctx.Done():
	}
	l.mu.Lock()
	file, err := l.leave(ctx, f)
	spare := f.spare()
	l.mu.Unlock()
	if spare != nil {
		spare.release()
	}
	return file, err
}

// leave ends the wait of one caller. Library.mu is held.
func (l *Library) leave(ctx context.Context, f *flight) (*File, error) {
	f.waiting--
	select {
	case <-f.ready:
		if f.err != nil {
			return nil, f.err
		}
		return f.file.hold(), nil
	default:
	}
	if f.waiting == 0 {
		f.cancel()
		l.forget(f)
	}
	if f.failure != nil {
		return nil, fmt.Errorf("media: fetch: %w", f.failure)
	}
	return nil, fmt.Errorf("media: fetch: %w", ctx.Err())
}

// spare returns the flight's own hold on the file, to be released, once nobody
// can ask for the file any more. Library.mu is held.
func (f *flight) spare() (file *shared) {
	if f.over && f.waiting == 0 {
		file, f.file = f.file, nil
	}
	return file
}

// forget makes the next caller begin anew. Library.mu is held.
func (l *Library) forget(f *flight) {
	if l.flights[f.id] == f {
		delete(l.flights, f.id)
	}
}

// fly fetches the file, hands it out, and then keeps it.
func (l *Library) fly(ctx context.Context, f *flight, ref Ref) {
	defer f.cancel()
	file, ref, fresh, err := l.obtain(ctx, f, ref)
	l.mu.Lock()
	f.file, f.err = file, err
	close(f.ready)
	if err != nil {
		l.forget(f) // whoever asks after a failure asks anew
	}
	l.mu.Unlock()
	if err == nil && fresh {
		err = l.keep(ctx, f.id, ref, file)
		if err != nil {
			l.log.Warn("a file was fetched but could not be kept", "instance_id", f.id.instanceID, "error", err)
		}
	}
	l.mu.Lock()
	f.keepErr, f.over = err, true
	close(f.kept)
	l.forget(f)
	spare := f.spare()
	l.mu.Unlock()
	if spare != nil {
		spare.release()
	}
}

// obtain returns the file from where it is kept, or fresh from WhatsApp, and
// the reference by which that was possible.
func (l *Library) obtain(ctx context.Context, f *flight, ref Ref) (file *shared, _ Ref, fresh bool, err error) {
	r, found, err := l.store.GetFile(ctx, f.id.instanceID, f.id.key)
	if err != nil {
		return nil, ref, false, fmt.Errorf("media: look the file up: %w", err)
	}
	if found && r.State == Stored {
		file, err = l.fromShelf(ctx, r)
		if err == nil {
			return file, ref, false, nil
		}
		if !errors.Is(err, ErrNotThere) {
			l.log.Warn("a kept file could not be read and is fetched again", "instance_id", f.id.instanceID, "error", err)
		}
	}
	file, ref, err = l.download(ctx, f, ref)
	l.downloads.add(err)
	return file, ref, true, err
}

// fromShelf opens a kept file: as it is if it lies on the local disk, else by
// way of a temporary copy.
func (l *Library) fromShelf(ctx context.Context, r Record) (*shared, error) {
	shelf, err := l.shelfOf(r)
	if err != nil {
		return nil, err
	}
	body, size, err := shelf.Open(ctx, r.Object)
	if err != nil {
		return nil, err
	}
	if size != r.Size { // somebody else put another file there
		return nil, errors.Join(ErrNotThere, body.Close())
	}
	if f, ok := body.(*os.File); ok {
		return newShared(f, size, false), nil
	}
	defer func() { _ = body.Close() }() // it was only read
	return l.copyOf(body, size)
}

func (l *Library) copyOf(body io.Reader, size int64) (*shared, error) {
	tmp, err := os.CreateTemp(l.opts.TempDir, tempPattern)
	if err != nil {
		return nil, err
	}
	file := newShared(tmp, size, true)
	n, err := io.Copy(tmp, body)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		file.release()
		return nil, err
	}
	return file, nil
}

// download fetches a file from WhatsApp until that works, fails for good or
// nobody waits any more. When WhatsApp no longer has it, the phone is asked,
// once.
func (l *Library) download(ctx context.Context, f *flight, ref Ref) (*shared, Ref, error) {
	limit := l.limit(f.id.instanceID)
	if ref.Size > limit {
		return nil, ref, ErrTooLarge
	}
	asked := false
	for try := 0; ; try++ {
		file, err := l.attempt(ctx, f, ref, limit)
		if err == nil {
			return file, ref, nil
		}
		again := !final(err)
		if errors.Is(err, ErrExpired) && !asked {
			var moved Ref
			if moved, err = l.source.Rerequest(ctx, f.id.instanceID, f.id.key, ref); err == nil {
				ref, asked = moved, true
				continue
			}
			again = errors.Is(err, ErrOffline)
		}
		if !again || !l.pause(ctx, f, try, err) {
			return nil, ref, err
		}
	}
}

// final reports that trying again at once would not help.
func final(err error) bool {
	return errors.Is(err, ErrTooLarge) || errors.Is(err, ErrExpired) || errors.Is(err, ErrDamaged)
}

// attempt is one download, when it is its turn. Until then no file is open:
// thousands may wait.
func (l *Library) attempt(ctx context.Context, f *flight, ref Ref, limit int64) (*shared, error) {
	leave, err := l.admit(ctx, f)
	if err != nil {
		return nil, err
	}
	defer leave()
	tmp, err := os.CreateTemp(l.opts.TempDir, tempPattern)
	if err != nil {
		return nil, fmt.Errorf("media: temporary file: %w", err)
	}
	size, err := l.source.DownloadTo(ctx, f.id.instanceID, ref, limit, tmp)
	file := newShared(tmp, size, true)
	if err != nil {
		file.release()
		return nil, err
	}
	return file, nil
}

// admit waits for the flight's turn in its lane, or in a better one as soon as
// somebody joins who waits there.
func (l *Library) admit(ctx context.Context, f *flight) (leave func(), err error) {
	for {
		in, raised := l.laneOf(f)
		select {
		case l.slots[in] <- struct{}{}:
			return func() { <-l.slots[in] }, nil
		case <-raised:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (l *Library) laneOf(f *flight) (in lane, raised <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return f.lane, f.raised
}

// pause waits before the next try, longer each time, or until somebody joins who
// has less time, and reports false when nobody waits for it any more. Those who give up
// meanwhile are told why it failed.
func (l *Library) pause(ctx context.Context, f *flight, try int, failure error) bool {
	const first, longest = time.Second, 30 * time.Second
	l.mu.Lock()
	f.failure = failure
	raised := f.raised
	l.mu.Unlock()
	timer := time.NewTimer(min(first<<min(try, 10), longest))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-raised:
	case <-ctx.Done():
		return false
	}
	l.mu.Lock()
	f.failure = nil
	l.mu.Unlock()
	return true
}
