package instance

import (
	"context"
	"time"

	"github.com/chasqui/chasqui/internal/event"
)

// Store keeps the records. Names are looked up inside an account. Methods
// return the faults of the contract: Instance not found, Instance already
// exists, Token already in use, Account instance quota exceeded.
type Store interface {
	// CreateInstance inserts in, refusing it when the account would have more
	// than limit instances (nil: no limit).
	CreateInstance(ctx context.Context, in Instance, limit *int) error
	GetInstance(ctx context.Context, accountID, name string) (Instance, error)
	GetInstanceByToken(ctx context.Context, token string) (Instance, error)
	// ListInstances returns an account's instances, or everybody's for an empty
	// account ID, ordered by name.
	ListInstances(ctx context.Context, accountID string) ([]Instance, error)
	UpdateSettings(ctx context.Context, id string, s Settings, at time.Time) error
	UpdateProxy(ctx context.Context, id string, p Proxy, at time.Time) error
	UpdateToken(ctx context.Context, id, token string, at time.Time) error
	// UpdateLogin stores or, with a zero login, clears the linked device.
	UpdateLogin(ctx context.Context, id string, l Login, loggedOut bool, at time.Time) error
	UpdatePhoneSeen(ctx context.Context, id string, at time.Time) error
	// DeleteInstance removes the record and everything stored for it.
	DeleteInstance(ctx context.Context, id string) error
}

// Publisher records and hands on the events that an instance causes.
type Publisher interface {
	PublishState(ctx context.Context, instanceID string, s *event.State) error
}

// Observer is told when the set of instances changes, before the first event
// of a new instance and after the last one of a deleted instance.
type Observer interface {
	// InstanceOpened tells of an instance that was created, or loaded at start.
	InstanceOpened(ctx context.Context, in Instance) error
	// InstanceTokenChanged tells of a new token: the old one must stop working
	// everywhere.
	InstanceTokenChanged(ctx context.Context, in Instance) error
	InstanceDeleted(ctx context.Context, in Instance)
}
