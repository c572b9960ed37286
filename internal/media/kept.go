package media

import "context"

// Kept returns the file of a message from where it is kept, which the caller
// closes, and fetches nothing. It fails with ErrNotThere if it is not kept.
func (l *Library) Kept(ctx context.Context, instanceID string, key Key) (*File, error) {
	r, found, err := l.store.GetFile(ctx, instanceID, key)
	if err != nil {
		return nil, err
	}
	if !found || r.State != Stored {
		return nil, ErrNotThere
	}
	file, err := l.fromShelf(ctx, r)
	if err != nil {
		return nil, err
	}
	return NewFile(file.f, file.size, file.release), nil
}
