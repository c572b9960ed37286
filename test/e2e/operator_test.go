package e2e_test

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/wasim"
)

// This file proves what section 8, what the operator sees, says of the channel.

// journal keeps what was logged.
type journal struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// TestLogsAndMetricsKeepSecrets: never a token, a ticket, a query or the text of
// a message, however much is logged.
func TestLogsAndMetricsKeepSecrets(t *testing.T) {
	log := &journal{}
	g := apptest.StartLogged(t, log)
	own := g.Create("sales", object{"websocketMediaBase64": true})
	s := g.Listen("sales", apptest.Token)
	g.Link("sales", olga)
	one := ticket(t, g, own)
	accepted(t, g, "/ws/sales?ticket="+one)
	refused(t, g, "/ws/sales?ticket="+one, 401, "Invalid token")
	refused(t, g, "/ws/sales?token=wrong-token-in-a-query", 401, "Invalid token")
	byQuery, _ := open(t, g, "/ws/sales?token="+own, net.Dialer{})
	received(t, g, s, wasim.Message{Text: "a confidential word"})
	picture := aPicture
	picture.Media = &wasim.Media{Type: "image", Mimetype: "image/png", Caption: "a confidential caption", Data: []byte("picture")}
	received(t, g, s, picture)
	wrote(t, g, s, ana, "a confidential answer")
	byQuery.until(ws.OpText)
	metrics := string(g.Do("GET", "/metrics", "", nil).Raw)
	fault(t, g, wasim.Fault{Kind: "drop_connection"})
	s.Expect("instance.state", is{"state": "disconnected"})
	g.Shutdown()
	for where, text := range map[string]string{"log": log.String(), "metrics": metrics} {
		for _, secret := range []string{apptest.Token, own, one, "wrong-token-in-a-query", "ticket=", "token=", "confidential"} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("the %s holds %q: ...%s", where, secret, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
	if !strings.Contains(log.String(), `"instance":"sales"`) && !strings.Contains(log.String(), `"instance_id":`) {
		t.Error("no line of the log names the instance")
	}
}
