package wa_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.mau.fi/whatsmeow"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/internal/wa"
)

func TestSendFaults(t *testing.T) {
	code := func(n int) error { return fmt.Errorf("%w %d", whatsmeow.ErrServerReturnedError, n) }
	tests := []struct {
		err   error
		group bool
		want  *fault.Error
	}{
		{err: code(463), want: fault.New(fault.RateLimited, "WhatsApp restricts this account from starting new chats")},
		{err: code(420), want: fault.WhatsAppThrottled()},
		{err: code(429), group: true, want: fault.WhatsAppThrottled()},
		{err: code(403), group: true, want: fault.New(fault.Forbidden, "Not authorized to send messages to this group (must be admin)")},
		{err: code(404), group: true, want: fault.New(fault.NotFound, "Group not found or you are not a member of this group")},
		{
			err: fmt.Errorf("failed to get group members: %w", whatsmeow.ErrNotInGroup), group: true,
			want: fault.New(fault.NotFound, "Group not found or you are not a member of this group"),
		},
		{err: code(479), want: fault.New(fault.Internal, "Failed to send message: WhatsApp answered with error 479")},
		{err: code(403), want: fault.New(fault.Internal, "Failed to send message: WhatsApp answered with error 403")},
		{err: whatsmeow.ErrNotConnected, want: fault.NotConnected()},
		{err: whatsmeow.ErrMessageTimedOut, want: fault.New(fault.Internal, "Failed to send message: timed out waiting for WhatsApp")},
		{err: context.DeadlineExceeded, want: fault.New(fault.Internal, "Failed to send message: timed out waiting for WhatsApp")},
	}
	for _, tt := range tests {
		m := message.Outgoing{ID: "3EB0A", To: message.Recipient{Type: event.ChatPrivate}}
		if tt.group {
			m.To.Type = event.ChatGroup
		}
		got := wa.SendFault(tt.err, m)
		if !errors.Is(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.want)
		}
		if !errors.Is(got, tt.err) {
			t.Errorf("%v: the cause is lost", tt.err)
		}
	}
}

func TestATimeoutNamesTheMessage(t *testing.T) {
	got := fault.Of(wa.SendFault(whatsmeow.ErrMessageTimedOut, message.Outgoing{ID: "3EB0A"}), "")
	if len(got.Details) != 1 || got.Details[0] != (fault.Detail{Field: "messageId", Reason: "3EB0A"}) {
		t.Errorf("details = %+v", got.Details)
	}
}

// The library's own words may hold addresses and parts of messages.
func TestLibraryTextStaysOutOfPublicMessages(t *testing.T) {
	unknown := errors.New("failed to decode secret")
	for want, got := range map[string]error{
		"Failed to send message: internal error": wa.SendFault(unknown, message.Outgoing{}),
		"Request failed: internal error":         wa.RequestFault(unknown),
		"Request failed: WhatsApp answered with error 500": wa.RequestFault(
			fmt.Errorf("secret: %w", &whatsmeow.IQError{Code: 500, Text: "secret"})),
		"Request failed: timed out waiting for WhatsApp": wa.RequestFault(whatsmeow.ErrIQTimedOut),
	} {
		if fault.Of(got, "no fault").Message != want {
			t.Errorf("message = %q, want %q", got, want)
		}
		if errors.Unwrap(got) == nil {
			t.Errorf("%s: the cause is lost", want)
		}
	}
}

// rest.md, GET connect: 500 Failed to connect: <reason>; WhatsApp's throttling
// is 429 as everywhere.
func TestPairPhoneTellsWhyWhatsAppRefuses(t *testing.T) {
	tests := map[string]error{
		"this number is not on WhatsApp":                whatsmeow.ErrIQNotFound,
		"WhatsApp does not take this number":            whatsmeow.ErrIQBadRequest,
		"timed out waiting for WhatsApp":                whatsmeow.ErrIQTimedOut,
		"the connection to WhatsApp was lost":           whatsmeow.ErrIQDisconnected,
		"WhatsApp answered with error 503":              whatsmeow.ErrIQServiceUnavailable,
		"internal error":                                &whatsmeow.ElementMissingError{Tag: "secret"},
		"WhatsApp rate limit reached. Try again later.": whatsmeow.ErrIQRateOverLimit,
	}
	for want, cause := range tests {
		err := wa.PairFault(cause)
		if got := fault.Reason(err); got != want {
			t.Errorf("%v: reason = %q, want %q", cause, got, want)
		}
		if !errors.Is(err, cause) {
			t.Errorf("%v: the cause is lost", cause)
		}
	}
	if fault.KindOf(wa.PairFault(whatsmeow.ErrIQRateOverLimit)) != fault.RateLimited {
		t.Error("throttling is not 429")
	}
}

func TestPairPhoneOfANumberThatIsNotOnWhatsApp(t *testing.T) {
	r := newRig(t)
	r.open()
	r.connect()
	r.signals.wait(t, instance.SignalQR)
	_, err := r.client.PairPhone(r.ctx(), "5511900000000")
	if got := fault.Reason(err); got != "this number is not on WhatsApp" {
		t.Errorf("PairPhone: %v; reason %q", err, got)
	}
}
