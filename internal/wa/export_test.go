package wa

import (
	"go.mau.fi/whatsmeow/types"

	"github.com/chasqui/chasqui/internal/instance"
)

// Inject hands an event to a client's handler as the library would, for what
// the simulated network cannot cause.
func Inject(c instance.Client, evt any) bool { return c.(*client).handle(evt) }

// StartSend makes receipts for a message wait as while it is being sent.
func StartSend(c instance.Client, id types.MessageID) (end func()) {
	c.(*client).startSend(id)
	return func() { c.(*client).endSend(id) }
}

// LiveRoot is the root of trust of the real WhatsApp.
var LiveRoot = liveRoot
