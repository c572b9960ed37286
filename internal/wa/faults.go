package wa

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.mau.fi/whatsmeow"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/message"
)

// Faults of the REST contract, section 3.1.
var (
	faultNotAdmin = fault.New(fault.Forbidden, "Not authorized to send messages to this group (must be admin)")
	faultNoGroup  = fault.New(fault.NotFound, "Group not found or you are not a member of this group")
	faultNewChats = fault.New(fault.RateLimited, "WhatsApp restricts this account from starting new chats")
)

const timedOut = "timed out waiting for WhatsApp"

// Codes with which WhatsApp's server refuses a message, in the ack's error
// attribute. They are not documented; observed by users of several libraries.
const (
	codeForbidden  = 403
	codeNotFound   = 404
	codeNotAllowed = 405
	codeThrottled  = 420
	codeTooMany    = 429
	codeNewChats   = 463 // the account may not start chats for some days
)

// sendFault turns an error of a send into what the caller is told.
func sendFault(err error, m message.Outgoing) error {
	group := m.To.Type == event.ChatGroup
	switch code := serverCode(err); {
	case code == codeNewChats:
		return withCause(faultNewChats, err)
	case code == codeThrottled || code == codeTooMany || errors.Is(err, whatsmeow.ErrIQRateOverLimit):
		return withCause(fault.WhatsAppThrottled(), err)
	case group && (code == codeForbidden || code == codeNotAllowed):
		return withCause(faultNotAdmin, err)
	case group && (code == codeNotFound || isNoGroup(err)):
		return withCause(faultNoGroup, err)
	case isTimeout(err):
		f := fault.Wrap(fault.Internal, "Failed to send message: "+timedOut, err)
		f.Details = []fault.Detail{{Field: "messageId", Reason: m.ID}}
		return f
	case isOffline(err):
		return withCause(fault.NotConnected(), err)
	}
	return fault.Wrap(fault.Internal, "Failed to send message: "+reason(err), err)
}

// requestFault turns an error of a query into what the caller is told.
func requestFault(err error) error {
	switch {
	case errors.Is(err, whatsmeow.ErrIQRateOverLimit):
		return withCause(fault.WhatsAppThrottled(), err)
	case isOffline(err):
		return withCause(fault.NotConnected(), err)
	}
	return fault.Wrap(fault.Internal, "Request failed: "+reason(err), err)
}

// pairFault gives WhatsApp's refusal of a pairing code its words; the message
// around them is the connect route's.
func pairFault(err error) error {
	switch {
	case errors.Is(err, whatsmeow.ErrIQRateOverLimit):
		return withCause(fault.WhatsAppThrottled(), err)
	case errors.Is(err, whatsmeow.ErrIQNotFound):
		return fault.Because("this number is not on WhatsApp", err)
	case errors.Is(err, whatsmeow.ErrIQBadRequest),
		errors.Is(err, whatsmeow.ErrPhoneNumberTooShort), errors.Is(err, whatsmeow.ErrPhoneNumberIsNotInternational):
		return fault.Because("WhatsApp does not take this number", err)
	case isOffline(err):
		return fault.Because("the connection to WhatsApp was lost", err)
	}
	return fault.Because(reason(err), err)
}

// reason says in public words why a request failed. The library's own text is
// for the log: it may hold addresses and parts of messages.
func reason(err error) string {
	var refusal *whatsmeow.IQError
	code := serverCode(err)
	if errors.As(err, &refusal) {
		code = refusal.Code
	}
	switch {
	case code != 0:
		return fmt.Sprintf("WhatsApp answered with error %d", code)
	case isTimeout(err):
		return timedOut
	}
	return fault.Reason(err)
}

func groupFault(err error) error {
	if isNoGroup(err) {
		return withCause(faultNoGroup, err)
	}
	return requestFault(err)
}

// serverCode returns the code in the library's ErrServerReturnedError, which it
// gives only as text; 0 if there is none.
func serverCode(err error) int {
	if !errors.Is(err, whatsmeow.ErrServerReturnedError) {
		return 0
	}
	text := err.Error()
	code, parseErr := strconv.Atoi(text[strings.LastIndexByte(text, ' ')+1:])
	if parseErr != nil {
		return 0
	}
	return code
}

func isNoGroup(err error) bool {
	return errors.Is(err, whatsmeow.ErrGroupNotFound) || errors.Is(err, whatsmeow.ErrNotInGroup)
}

func isTimeout(err error) bool {
	return errors.Is(err, whatsmeow.ErrMessageTimedOut) || errors.Is(err, whatsmeow.ErrIQTimedOut) ||
		errors.Is(err, context.DeadlineExceeded)
}

func isOffline(err error) bool {
	var dropped *whatsmeow.DisconnectedError
	return errors.Is(err, whatsmeow.ErrNotConnected) || errors.Is(err, whatsmeow.ErrNotLoggedIn) ||
		errors.As(err, &dropped)
}

// withCause returns a copy of a fault of the table with the cause for the log.
func withCause(f *fault.Error, cause error) *fault.Error {
	g := *f
	g.Cause = cause
	return &g
}
