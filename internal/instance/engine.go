package instance

import (
	"context"
	"errors"
	"time"
)

// ErrLoginGone says that the engine no longer has a stored login: WhatsApp
// refused it, and the process ended before the record could say so.
var ErrLoginGone = errors.New("the stored login is gone")

// Engine makes clients that speak WhatsApp. It is implemented by package wa.
type Engine interface {
	// Open returns a client for the instance, not connected yet. signal is
	// called from the client's goroutines, one call at a time and in order; it
	// must not block for long. A DeviceJID that the engine does not know is
	// ErrLoginGone.
	Open(ctx context.Context, spec Spec, signal func(Signal)) (Client, error)
	// Forget removes a stored login without telling WhatsApp. An unknown device
	// is no error.
	Forget(ctx context.Context, deviceJID string) error
}

// Spec is what a client needs to know about its instance. ProxyURL holds
// credentials: never log it.
type Spec struct {
	ID        string
	Name      string
	DeviceJID string // empty: a new device, to be paired
	Settings  Settings
	ProxyURL  string // empty: none
	// HistoryDays is asked for at pairing; 0 turns history sync off.
	HistoryDays int
}

// Client is one instance's connection to WhatsApp. Its methods may be called
// from several goroutines.
type Client interface {
	// Connect dials and returns once the socket is up or has failed. What
	// follows (codes, login, failures) comes as signals. The client does not
	// reconnect by itself: the supervisor does.
	Connect(ctx context.Context) error
	// Disconnect closes the connection without logging out and waits until no
	// further signal will come from it. Connect may follow.
	Disconnect()
	// Close disconnects for good and releases the client.
	Close()
	// Logout unlinks the device at WhatsApp and forgets it. It needs a
	// logged-in connection.
	Logout(ctx context.Context) error
	// PairPhone asks for a pairing code (XXXX-XXXX) after the first SignalQR.
	PairPhone(ctx context.Context, number string) (code string, err error)
	// Apply changes the settings of a running client.
	Apply(ctx context.Context, s Settings)
	// SetProxy changes the proxy; called only while disconnected.
	SetProxy(proxyURL string) error
	// AskPhone asks the phone for a sign of life (a peer message that phones
	// answer by themselves).
	AskPhone(ctx context.Context) error
	// Presence is available, unavailable or composing: what was sent last.
	Presence() string
}

// SignalKind says what happened to a client's connection.
type SignalKind uint8

// What a client reports. The comment names the fields of Signal that are set.
const (
	SignalQR                 SignalKind = iota + 1 // Codes: fresh codes, each to be shown in turn
	SignalPaired                                   // Login
	SignalPairError                                // Reason
	SignalScannedWithoutMD                         // the phone has no multi-device
	SignalPasskeyNeeded                            // pairing wants a passkey
	SignalConnected                                // Login, as far as known
	SignalProfile                                  // Login: name or picture changed
	SignalDisconnected                             // Reason; the supervisor reconnects
	SignalLoggedOut                                // Reason, OnConnect; the login is gone
	SignalStreamReplaced                           // another client took the session
	SignalTempBanned                               // Code, Expires
	SignalClientOutdated                           // the web version is refused
	SignalConnectFailure                           // Code, Reason
	SignalStreamError                              // Reason: WhatsApp's code
	SignalCATRefreshError                          // Reason
	SignalKeepAliveTimeout                         // Count of failures, Since the last success
	SignalKeepAliveRestored                        //
	SignalPhoneSeen                                // At: the phone showed a sign of life
	SignalUndecryptableBurst                       // Count: too many messages fail to decrypt; reconnect
)

// Signal is one report from a client to its supervisor.
type Signal struct {
	Kind      SignalKind
	At        time.Time
	Codes     []string
	Login     Login
	Reason    string
	Code      int
	Count     int
	OnConnect bool          // SignalLoggedOut: refused at login, not unlinked while connected
	Expires   time.Duration // SignalTempBanned: how long from now, 0 unknown
	Since     time.Time
}
