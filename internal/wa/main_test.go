package wa_test

import (
	"testing"

	"go.uber.org/goleak"
)

// The library's socket reader hangs for ever when a frame arrives while the
// connection is being closed: nobody takes it from the channel any more. Its
// handshake hangs for 20 s when the connection ends meanwhile.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).frameComplete"),
		goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow.(*Client).doHandshake"))
}
