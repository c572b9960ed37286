package waid

import (
	"strings"
	"unicode"

	"github.com/chasqui/chasqui/internal/fault"
)

// How many digits a phone number has (ITU E.164 allows 15), and the most that
// is accepted in any other address.
const (
	minDigits = 7
	maxDigits = 15
	maxUser   = 64
)

// ErrNumberRequired and ErrInvalidNumber are the contract's answers to a
// recipient that is empty or cannot be read.
var (
	ErrNumberRequired = fault.New(fault.Invalid, "Number is required")
	ErrInvalidNumber  = fault.New(fault.Invalid, "Invalid number")
)

// ParseRecipient reads what a user gives as the recipient: a phone number as
// people write it, or the address of a person, group or newsletter. The result
// has no device part. Errors are ErrNumberRequired and ErrInvalidNumber.
func ParseRecipient(s string) (JID, error) {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "@") {
		digits, err := ParseDigits(s)
		if err != nil {
			return JID{}, err
		}
		return JID{User: digits, Server: ServerUser}, nil
	}
	j, err := Parse(s)
	if err != nil || !canReceive(j) {
		return JID{}, ErrInvalidNumber
	}
	return j.NonDevice(), nil
}

// ParseDigits reads a phone number as people write it and returns its digits,
// with country code. Errors are ErrNumberRequired and ErrInvalidNumber.
func ParseDigits(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", ErrNumberRequired
	}
	digits := strings.Map(dropPunctuation, s)
	if !isPhone(digits) {
		return "", ErrInvalidNumber
	}
	return digits, nil
}

func dropPunctuation(r rune) rune {
	if unicode.IsSpace(r) || strings.ContainsRune("+-.()[]", r) {
		return -1
	}
	return r
}

func isPhone(s string) bool {
	return len(s) >= minDigits && len(s) <= maxDigits && isDigits(s)
}

func canReceive(j JID) bool {
	if len(j.User) > maxUser {
		return false
	}
	switch j.Server {
	case ServerUser:
		return isPhone(j.User)
	case ServerLID:
		return isDigits(j.User)
	case ServerGroup:
		return j.Device == 0 && isGroupID(j.User)
	case ServerNewsletter:
		return j.Device == 0 && isDigits(j.User)
	}
	return false
}

// isGroupID accepts today's digits and the older form creator-timestamp.
func isGroupID(s string) bool {
	creator, created, old := strings.Cut(s, "-")
	return isDigits(creator) && (!old || isDigits(created))
}
