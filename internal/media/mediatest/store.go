package mediatest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/chasqui/chasqui/internal/media"
)

type id struct {
	instanceID string
	key        media.Key
}

// Store is a media.Store in memory. Its zero value is ready.
type Store struct {
	mu      sync.Mutex // guards the rest
	fail    error
	files   map[id]media.Record
	buckets map[string]media.BucketConfig
}

var _ media.Store = (*Store)(nil)

// Fail makes every call fail with err until it is called with nil.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// GetFile implements media.Store.
func (s *Store) GetFile(_ context.Context, instanceID string, key media.Key) (media.Record, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, found := s.files[id{instanceID, key}]
	return r, found && s.fail == nil, s.fail
}

// PutFile implements media.Store.
func (s *Store) PutFile(_ context.Context, r media.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if s.files == nil {
		s.files = map[id]media.Record{}
	}
	s.files[id{r.InstanceID, r.Key}] = r
	return nil
}

// UpdateWanted implements media.Store.
func (s *Store) UpdateWanted(_ context.Context, r media.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	is := id{r.InstanceID, r.Key}
	stored, found := s.files[is]
	if s.fail != nil || !found || stored.State != media.Wanted {
		return s.fail
	}
	stored.State, stored.Attempts, stored.NextAt, stored.Reason = r.State, r.Attempts, r.NextAt, r.Reason
	s.files[is] = stored
	return nil
}

// DeleteFile implements media.Store.
func (s *Store) DeleteFile(_ context.Context, instanceID string, key media.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail == nil {
		delete(s.files, id{instanceID, key})
	}
	return s.fail
}

// ListWanted implements media.Store.
func (s *Store) ListWanted(_ context.Context, now time.Time, limit int) (due []media.Record, next time.Time, err error) {
	wanted, err := s.list(media.Wanted, func(r media.Record) time.Time { return r.NextAt })
	for i, r := range wanted {
		if i == limit || r.NextAt.After(now) {
			return wanted[:i], r.NextAt, err
		}
	}
	return wanted, time.Time{}, err
}

// ListStoredBefore implements media.Store.
func (s *Store) ListStoredBefore(_ context.Context, t time.Time, limit int) ([]media.Record, error) {
	stored, err := s.list(media.Stored, func(r media.Record) time.Time { return r.StoredAt })
	stored = slices.DeleteFunc(stored, func(r media.Record) bool {
		return r.Place != media.OnDisk || !r.StoredAt.Before(t)
	})
	return stored[:min(limit, len(stored))], err
}

// list returns the files in a state, sorted by time.
func (s *Store) list(state media.State, by func(media.Record) time.Time) ([]media.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	var list []media.Record
	for _, r := range s.files {
		if r.State == state {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b media.Record) int {
		return cmp.Or(by(a).Compare(by(b)), cmp.Compare(a.Key.MessageID, b.Key.MessageID))
	})
	return list, nil
}

// GetBucket implements media.Store.
func (s *Store) GetBucket(_ context.Context, instanceID string) (media.BucketConfig, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, found := s.buckets[instanceID]
	return c, found && s.fail == nil, s.fail
}

// PutBucket implements media.Store.
func (s *Store) PutBucket(_ context.Context, instanceID string, c media.BucketConfig) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if s.buckets == nil {
		s.buckets = map[string]media.BucketConfig{}
	}
	s.buckets[instanceID] = c
	return nil
}
