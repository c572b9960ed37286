package wasim

import "errors"

var (
	// ErrCodeExpired is returned for a QR code or pairing code that the server does not know, or not any more: its
	// time is over, it was used, or the client that showed it has gone.
	ErrCodeExpired = errors.New("QR code has expired")

	// ErrTooManyDevices is returned when a number has its four companions already.
	ErrTooManyDevices = errors.New("This phone has four linked devices already") //nolint:staticcheck // shown to users as it stands

	// ErrNotFound is returned for an unknown number, group, message or device.
	ErrNotFound = errors.New("not found on the simulated network")

	// ErrClosed is returned when the server has been closed.
	ErrClosed = errors.New("the simulated network is closed")
)
