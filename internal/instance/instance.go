package instance

import (
	"time"
)

// Instance is the stored record of one number. Token is the instance's own
// token in plain text: it is readable by design, since events carry it.
type Instance struct {
	ID        string // UUID v7
	AccountID string
	Name      string // unique within the account, NamePattern
	Token     string
	Login     Login // zero while no phone is linked
	LoggedOut bool  // true after a logout, until the next login
	Settings  Settings
	Proxy     Proxy
	PhoneSeen time.Time // last sign of life of the phone (device 0); zero if never
	CreatedAt time.Time
	UpdatedAt time.Time
}

// NamePattern is what an instance may be called.
const NamePattern = `^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`

// Login is the companion device that an instance is linked as.
type Login struct {
	DeviceJID    string // number:device@s.whatsapp.net; empty: not linked
	LID          string // digits:device@lid, empty if unknown
	PushName     string
	BusinessName string
	PictureURL   string
}

// Linked reports whether there is a stored login to resume.
func (l Login) Linked() bool { return l.DeviceJID != "" }

// Settings are the seven switches of an instance. Zero values are the defaults
// but for DisableHistorySync; see DefaultSettings.
type Settings struct {
	AutoRejectCalls     bool   `json:"autoRejectCalls"`
	CallRejectMessage   string `json:"callRejectMessage"` // at most 1024 characters
	IgnoreGroupMessages bool   `json:"ignoreGroupMessages"`
	KeepOnlineStatus    bool   `json:"keepOnlineStatus"`
	AutoReadMessages    bool   `json:"autoReadMessages"`
	DisableHistorySync  bool   `json:"disableHistorySync"` // read at pairing only
	IgnoreStatus        bool   `json:"ignoreStatus"`
}

// DefaultSettings is what a new instance starts with.
func DefaultSettings() Settings { return Settings{DisableHistorySync: true} }

// SettingsPatch changes the fields that are not nil.
type SettingsPatch struct {
	AutoRejectCalls     *bool   `json:"autoRejectCalls,omitempty"`
	CallRejectMessage   *string `json:"callRejectMessage,omitempty"`
	IgnoreGroupMessages *bool   `json:"ignoreGroupMessages,omitempty"`
	KeepOnlineStatus    *bool   `json:"keepOnlineStatus,omitempty"`
	AutoReadMessages    *bool   `json:"autoReadMessages,omitempty"`
	DisableHistorySync  *bool   `json:"disableHistorySync,omitempty"`
	IgnoreStatus        *bool   `json:"ignoreStatus,omitempty"`
}

// Proxy is the way to WhatsApp for one instance. Protocol is http, https or
// socks5. A disabled proxy has all other fields empty.
type Proxy struct {
	Enabled  bool
	Host     string
	Port     string
	Protocol string
	Username string
	Password string
}

// State is the condition of an instance's connection, as the API names it.
type State string

// The states. LoggedOut is spelled unlike the event on purpose: the API's
// contract has it so.
const (
	Disconnected State = "disconnected"
	Connecting   State = "connecting" // also while a QR code is on offer
	Connected    State = "connected"
	LoggedOut    State = "loggedout"
)

// Status is the live condition of an instance, which no store holds. Presence
// is available, unavailable or composing.
type Status struct {
	State     State
	NumberJID string // number@s.whatsapp.net, empty while no phone is linked
	Presence  string
}

// New is a request to create an instance. Token is drawn at random when empty.
type New struct {
	Name     string
	Token    string
	Settings Settings
	Proxy    Proxy
}

// ConnectRequest asks to link a phone. Number asks for a pairing code instead
// of a QR code. HistoryDays, 1 to 365, asks for that much history at the first
// pairing; 0 leaves it to the settings.
type ConnectRequest struct {
	Number      string
	HistoryDays int
}

// ConnectResult is one of: a QR code, a pairing code, or already connected.
type ConnectResult struct {
	Connected   bool
	QRCode      string // exactly as the engine gives it
	PairingCode string // XXXX-XXXX
	ExpiresIn   int    // seconds that the code is still good for
}
