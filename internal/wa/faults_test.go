package wa_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.mau.fi/whatsmeow"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
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
		{err: code(479), want: fault.New(fault.Internal, "Failed to send message: server returned error 479")},
		{err: code(403), want: fault.New(fault.Internal, "Failed to send message: server returned error 403")},
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
