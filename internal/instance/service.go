package instance

import (
	"context"
	"log/slog"
	"time"
)

// Options tune the service. The zero value is useful.
type Options struct {
	Logger *slog.Logger
	// ServerProxy is used by instances without a proxy of their own. It may
	// hold credentials and is never shown.
	ServerProxy string
	// IgnoreProxies stores and answers proxies but never uses them (sandbox).
	IgnoreProxies bool
	// RefusedLoginReason replaces the reason of a logged_out event when a
	// stored login is refused at the first connect after start (sandbox with a
	// network of its own). Empty: WhatsApp's reason.
	RefusedLoginReason string
	// StartStagger is the mean pause between two instances coming back at start.
	StartStagger time.Duration
	// LinkTimeout bounds how long Connect waits for a code; default 60 s.
	LinkTimeout time.Duration
}

// Service creates, connects, supervises and deletes instances.
type Service struct{}

// NewService returns a service that is not running yet; see Start.
func NewService(store Store, engine Engine, publisher Publisher, observer Observer, opts Options) *Service {
	panic("unwritten")
}

// Start loads every instance, tells the observer, and begins to bring back the
// linked ones, staggered. It returns when all are known, not when connected.
func (s *Service) Start(ctx context.Context) error { panic("unwritten") }

// Stop disconnects every client without logging out and waits for them.
func (s *Service) Stop(ctx context.Context) error { panic("unwritten") }

// Create makes an instance. limit is the account's quota, nil for none.
func (s *Service) Create(ctx context.Context, accountID string, limit *int, req New) (Instance, error) {
	panic("unwritten")
}

// Get returns an account's instance by name.
func (s *Service) Get(ctx context.Context, accountID, name string) (Instance, error) {
	panic("unwritten")
}

// Authenticate returns the instance that token belongs to.
func (s *Service) Authenticate(ctx context.Context, token string) (Instance, error) {
	panic("unwritten")
}

// List returns an account's instances ordered by name. With names, only those:
// a single unknown name is Instance not found, in a list unknown ones are skipped.
func (s *Service) List(ctx context.Context, accountID string, names []string) ([]Instance, error) {
	panic("unwritten")
}

// Status returns the live condition of an instance.
func (s *Service) Status(in Instance) Status { panic("unwritten") }

// Connect resumes a stored login or offers a code to link a phone.
func (s *Service) Connect(ctx context.Context, in Instance, req ConnectRequest) (ConnectResult, error) {
	panic("unwritten")
}

// QRCode returns the code that is valid now, without starting anything.
func (s *Service) QRCode(in Instance) (code string, ok bool) { panic("unwritten") }

// Reconnect resumes the stored login and returns at once.
func (s *Service) Reconnect(ctx context.Context, in Instance) error { panic("unwritten") }

// Logout unlinks the device. warning is not empty when WhatsApp could not be
// told, so that the phone still lists the device.
func (s *Service) Logout(ctx context.Context, in Instance) (warning string, err error) {
	panic("unwritten")
}

// Delete logs out and removes everything stored for the instance.
func (s *Service) Delete(ctx context.Context, in Instance) error { panic("unwritten") }

// UpdateSettings applies the patch at once and returns all seven settings.
func (s *Service) UpdateSettings(ctx context.Context, in Instance, p SettingsPatch) (Settings, error) {
	panic("unwritten")
}

// SetProxy stores the proxy; it applies from the next connect.
func (s *Service) SetProxy(ctx context.Context, in Instance, p Proxy) (Proxy, error) {
	panic("unwritten")
}

// RotateToken replaces the instance's token; an empty one is drawn at random.
func (s *Service) RotateToken(ctx context.Context, in Instance, token string) (Instance, error) {
	panic("unwritten")
}

// Client returns the instance's client if it is connected to WhatsApp.
func (s *Service) Client(instanceID string) (Client, bool) { panic("unwritten") }

// DeleteAll deletes each instance of an account; it implements
// account.Instances.
func (s *Service) DeleteAll(ctx context.Context, accountID string) error { panic("unwritten") }

// AnyLinked reports whether an instance of the account has a stored login.
func (s *Service) AnyLinked(ctx context.Context, accountID string) (bool, error) {
	panic("unwritten")
}
