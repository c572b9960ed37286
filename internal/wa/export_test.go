package wa

import (
	"net/http"

	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/types"

	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/message"
)

// Inject hands an event to a client's handler as the library would, for what
// the simulated network cannot cause.
func Inject(c instance.Client, evt any) bool { return c.(*client).handle(evt) }

// StartSend makes receipts for a message wait as while it is being sent.
func StartSend(c instance.Client, id types.MessageID) (end func()) {
	c.(*client).startSend(id)
	return func() { c.(*client).endSend(id) }
}

// NewUnguarded makes an engine without asking what the process trusts, so that
// a test of the sandbox can look at a live one. Its clients cannot connect.
func NewUnguarded(opts Options) (*Engine, error) { return newEngine(nil, nil, opts) }

// Transport is the way to WhatsApp through a proxy.
func Transport(e *Engine, proxyURL string) (http.RoundTripper, error) { return e.transport(proxyURL) }

// Payload is what a client says about itself in the handshake.
func Payload(c instance.Client) *waWa6.ClientPayload { return c.(*client).payload() }

// SendFault is what the caller of a send is told.
func SendFault(err error, m message.Outgoing) error { return sendFault(err, m) }

// RequestFault is what the caller of a query is told.
func RequestFault(err error) error { return requestFault(err) }

// PairFault is what PairPhone returns for an error of the library.
func PairFault(err error) error { return pairFault(err) }

// OlderSessions lists what is kept of a record beside the current session.
func OlderSessions(old *record.SessionStructure, current *record.StateStructure) []*record.StateStructure {
	return olderSessions(old, current)
}

// LiveRoot is the root of trust of the real WhatsApp.
var LiveRoot = liveRoot
