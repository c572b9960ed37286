package wa

import (
	"bytes"
	"context"
	"fmt"

	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/whatsmeow/store"
)

// When both sides of a chat write first at the same moment, each has several
// sessions for the other for a while, and libsignal tries them one after the
// other (session.Cipher.DecryptWithRecord). It changes a session even when the
// message turns out not to be of that one, and leaves a stale copy of the one
// that fits among the older ones. Once written back, such a session loses every
// message after its next step of the ratchet.
//
// A message changes exactly one session: the one it was decrypted with. So what
// a decryption writes back is mended: its current session is kept, all others
// are put back as they were read.

// maxOlderSessions is how many sessions beside the current one are kept, as in
// libsignal (state/record: archivedStatesMaxLength).
const maxOlderSessions = 40

type readKey struct{}

// withReadSessions returns a context in which the sessions of one decryption
// are remembered as they were read.
func withReadSessions(ctx context.Context) context.Context {
	return context.WithValue(ctx, readKey{}, make(map[string][]byte))
}

// readSessions is nil outside a decryption.
func readSessions(ctx context.Context) map[string][]byte {
	read, _ := ctx.Value(readKey{}).(map[string][]byte)
	return read
}

func (s gatedSessions) GetSession(ctx context.Context, address string) ([]byte, error) {
	session, err := s.SessionStore.GetSession(ctx, address)
	if read := readSessions(ctx); read != nil && err == nil {
		read[address] = session
	}
	return session, err
}

func (s gatedSessions) PutSession(ctx context.Context, address string, session []byte) error {
	if before := readSessions(ctx)[address]; before != nil {
		mended, err := mendSession(before, session)
		if err != nil {
			return fmt.Errorf("mend session: %w", err)
		}
		session = mended
	}
	return s.SessionStore.PutSession(ctx, address, session)
}

// mendSession returns after with its older sessions put back as they were in
// before.
func mendSession(before, after []byte) ([]byte, error) {
	serializer := store.SignalProtobufSerializer.Session
	old, err := serializer.Deserialize(before)
	if err != nil {
		return nil, err
	}
	updated, err := serializer.Deserialize(after)
	if err != nil {
		return nil, err
	}
	if len(old.PreviousStates)+len(updated.PreviousStates) == 0 {
		return after, nil
	}
	updated.PreviousStates = olderSessions(old, updated.SessionState)
	return serializer.Serialize(updated), nil
}

// olderSessions lists the sessions of a record but the current one, newest
// first, each once. A session is known by the key that its first message bore.
func olderSessions(old *record.SessionStructure, current *record.StateStructure) []*record.StateStructure {
	kept := []*record.StateStructure{current}
	for _, s := range append([]*record.StateStructure{old.SessionState}, old.PreviousStates...) {
		if !holds(kept, s) && len(kept) <= maxOlderSessions {
			kept = append(kept, s)
		}
	}
	return kept[1:]
}

func holds(list []*record.StateStructure, s *record.StateStructure) bool {
	for _, known := range list {
		if bytes.Equal(known.SenderBaseKey, s.SenderBaseKey) {
			return true
		}
	}
	return false
}
