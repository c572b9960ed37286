package fault

import (
	"context"
	"errors"
	"fmt"
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
	var said *spoken
	var timeout interface{ Timeout() bool }
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &f):
		return f.Message
	case errors.As(err, &said):
		return said.words
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

// Because gives err public words for Reason, without making it a fault: the
// message that the words belong to is the caller's.
func Because(words string, err error) error { return &spoken{words: words, cause: err} }

// spoken is an error with public words.
type spoken struct {
	words string
	cause error
}

// Error is for the log: the words and the cause.
func (s *spoken) Error() string { return fmt.Sprintf("%s: %v", s.words, s.cause) }

// Unwrap returns the cause, which is not shown.
func (s *spoken) Unwrap() error { return s.cause }

// ShuttingDown is the answer while the server drains.
func ShuttingDown() *Error { return New(Unavailable, "Server is shutting down") }
