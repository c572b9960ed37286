package wa_test

import (
	"testing"

	"go.uber.org/goleak"
)

// The library's socket reader hangs for ever when a frame arrives while the
// connection is being closed: nobody takes it from the channel any more.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).frameComplete"))
}
