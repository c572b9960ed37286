package wasim_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain finds goroutines that the server leaves behind. Some of the library's outlive their client: its history loop
// ends after a minute without work, and a frame that arrives while the client disconnects is never taken.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow.(*Client).handleHistorySyncNotificationLoop"),
		// whatsmeow leaves a reader behind that had a frame in hand when its client stopped (socket/framesocket.go).
		goleak.IgnoreTopFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).frameComplete"),
		goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).readPump"),
	)
}
