package fault

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// The reasons that may be shown for errors that are no faults. Anything else is
// "internal error", so that no library's text, which may hold addresses or
// credentials, leaves the process.
const (
	reasonTimeout = "timed out waiting for WhatsApp"
	reasonUnknown = "internal error"
)

// Reason says in public words why err happened, for the <reason> of a contract
// message and of an event: the message of the fault inside it, or the class of
// a network error.
func Reason(err error) string { return ReasonOr(err, reasonUnknown) }

// ReasonOr is Reason with other words for an error that has no public ones.
func ReasonOr(err error, otherwise string) string {
	var f *Error
	var timeout interface{ Timeout() bool }
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &f):
		return f.Message
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return reasonTimeout
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &dns):
		return "the name could not be resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &timeout) && timeout.Timeout():
		return reasonTimeout
	case errors.As(err, &op):
		return "the network failed"
	}
	return otherwise
}

// ShuttingDown is the answer while the server drains.
func ShuttingDown() *Error { return New(Unavailable, "Server is shutting down") }
