package fault_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/chasqui/chasqui/internal/fault"
)

func TestReason(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string
	}{
		"fault":           {fmt.Errorf("x: %w", fault.WhatsAppThrottled()), "WhatsApp rate limit reached. Try again later."},
		"deadline":        {fmt.Errorf("x: %w", context.DeadlineExceeded), "timed out waiting for WhatsApp"},
		"socket deadline": {&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, "timed out waiting for WhatsApp"},
		"network timeout": {&net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}, "timed out waiting for WhatsApp"},
		"canceled":        {context.Canceled, "canceled"},
		"name":            {&net.OpError{Op: "dial", Err: &net.DNSError{Name: "secret"}}, "the name could not be resolved"},
		"refused":         {&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "connection refused"},
		"network":         {&net.OpError{Op: "dial", Err: errors.New("secret")}, "the network failed"},
		"public words":    {fmt.Errorf("x: %w", fault.Because("the number is unknown", errors.New("secret"))), "the number is unknown"},
		"anything else":   {errors.New("secret"), "internal error"},
	}
	for name, tt := range tests {
		if got := fault.Reason(tt.err); got != tt.want {
			t.Errorf("%s: Reason = %q, want %q", name, got, tt.want)
		}
	}
	if got := fault.ReasonOr(errors.New("secret"), "no luck"); got != "no luck" {
		t.Errorf("ReasonOr = %q", got)
	}
}
