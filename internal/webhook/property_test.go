package webhook_test

import (
	"testing"

	"github.com/chasqui/chasqui/internal/webhook/webhooktest"
)

// No delivery lost, none after a settled success, one attempt of a webhook at a
// time, and the order rule: under crashes and leases that end.
func TestProperty(t *testing.T) {
	webhooktest.Property(t, func(testing.TB) (webhooktest.Backend, string) { return &webhooktest.Memory{}, sales })
}
