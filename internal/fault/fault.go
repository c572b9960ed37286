package fault

import (
	"errors"
	"time"
)

// Kind says what went wrong in terms a caller can act on.
type Kind uint8

// The kinds. The zero value is Internal, so that a forgotten kind never blames
// the caller.
const (
	Internal         Kind = iota // the server failed
	Invalid                      // the request is wrong and will stay wrong
	Unauthorized                 // no token, or not one for this path
	Forbidden                    // known, but not allowed
	NotFound                     // no such thing
	MethodNotAllowed             // the path exists, the method does not
	Conflict                     // taken, or in the wrong state
	Gone                         // it existed once
	TooLarge                     // body or media over the limit
	UpgradeRequired              // WebSocket version
	RateLimited                  // our limit, or WhatsApp's
	Unsupported                  // the engine cannot
	Unavailable                  // not connected, draining, not configured
)

// Detail names one field of the request and what is allowed there.
type Detail struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

// Error is what a user may see. Message and Details are public; Cause is for
// the log and never leaves the process.
type Error struct {
	Kind       Kind
	Message    string
	Details    []Detail
	RetryAfter time.Duration // 0: no Retry-After header
	Cause      error
}

// New returns an error of the given kind with the contract's message.
func New(kind Kind, message string, details ...Detail) *Error {
	return &Error{Kind: kind, Message: message, Details: details}
}

// Wrap returns an error whose cause is logged but not shown.
func Wrap(kind Kind, message string, cause error) *Error {
	return &Error{Kind: kind, Message: message, Cause: cause}
}

// Error returns the public message, without the cause.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the hidden cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes two faults equal when kind and message are, so that tests and
// callers compare against the table with errors.Is.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && t.Message == e.Message
}

// Of returns the fault inside err. An error without one becomes Internal with
// the given message and err as its cause; nil stays nil.
func Of(err error, message string) *Error {
	if err == nil {
		return nil
	}
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	return Wrap(Internal, message, err)
}

// KindOf returns the kind of the fault inside err, Internal if there is none.
func KindOf(err error) Kind {
	var f *Error
	if errors.As(err, &f) {
		return f.Kind
	}
	return Internal
}
