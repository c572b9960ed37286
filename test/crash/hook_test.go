package crash_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/proctest"
)

const receiverKills = 10

// TestKilledReceiverMissesNothing: contract/events.md section 5. The receiver,
// a process of its own, is killed again and again in the middle of a stream and
// comes back on the same port: what it printed in all its lives holds every
// message, in order.
func TestKilledReceiverMissesNothing(t *testing.T) {
	network := proctest.Start(t, "network")
	g := proctest.Start(t, "sandbox", "--network", network.URL, "--data", t.TempDir(), "--listen", "127.0.0.1:0",
		"--account-token", token, "--rate-limit", "0", "--log-format", "json",
		"--webhook-schedule", "200ms,200ms,200ms,200ms,200ms,200ms,200ms,1h")
	link(t, g)
	waitConnected(t, g)
	hook := proctest.Start(t, "hook", "--listen", "127.0.0.1:0")
	g.Do("POST", "/api/events/webhook/sales", token,
		object{"enabled": true, "url": hook.URL, "events": []string{"message.exchange"}}, nil)
	sender := "5511900000002"
	network.Do("POST", "/sandbox/phones", "", object{"number": sender, "name": sender}, nil)
	stop, done := make(chan struct{}), make(chan struct{})
	var sent []string
	go func() { // ends with the test's last round, which waits for it
		defer close(done)
		sent = stream(t, network, []string{sender}, stop)
	}()
	var printed strings.Builder
	for range receiverKills {
		pause(200*time.Millisecond + rand.N(400*time.Millisecond))
		hook.Kill()
		printed.WriteString(hook.Rest())
		hook = proctest.Start(t, "hook", "--listen", strings.TrimPrefix(hook.URL, "http://"))
	}
	close(stop)
	<-done
	waitDelivered(t, g)
	hook.Terminate()
	printed.WriteString(hook.Rest())
	missing := 0
	for _, id := range sent {
		if !strings.Contains(printed.String(), id) {
			missing++
		}
	}
	if missing > 0 || len(sent) == 0 {
		t.Errorf("%d of %d messages never reached the receiver", missing, len(sent))
	}
	t.Logf("%d kills of the receiver, %d messages sent, %d missing", receiverKills, len(sent), missing)
}

// waitDelivered waits until nothing is pending.
func waitDelivered(t *testing.T, g *proctest.Process) {
	t.Helper()
	pending := 0
	eventually(t, func() bool {
		var log struct {
			Deliveries []any `json:"deliveries"`
		}
		g.Do("GET", "/api/events/deliveries/sales?state=pending&limit=200", token, nil, &log)
		pending = len(log.Deliveries)
		return pending == 0
	}, func() string { return fmt.Sprintf("%d deliveries are pending", pending) })
}
