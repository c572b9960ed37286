package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.uber.org/goleak"
)

// TestMain makes keepalives frequent, so that silence is noticed in seconds. The
// variables are the library's and read by its goroutines: they are set once.
func TestMain(m *testing.M) {
	whatsmeow.KeepAliveIntervalMin, whatsmeow.KeepAliveIntervalMax = time.Second, 2*time.Second
	whatsmeow.KeepAliveResponseDeadline = 4 * time.Second
	code := m.Run()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	// The library's socket reader hangs for ever when a frame arrives while the connection is being closed, and its
	// handshake for 20 s when the connection ends meanwhile.
	err := goleak.Find(goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).frameComplete"),
		goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow.(*Client).doHandshake"))
	if code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
