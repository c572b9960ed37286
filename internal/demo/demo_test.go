package demo

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/apptest"
)

func conversation(t *testing.T) (*play, *bytes.Buffer) {
	t.Helper()
	g := apptest.Start(t)
	out := &bytes.Buffer{}
	return newPlay(Options{URL: g.URL(""), Token: apptest.Token, Out: out, Patience: 2 * time.Second}), out
}

func TestConversationSucceeds(t *testing.T) {
	p, out := conversation(t)
	if err := p.run(context.Background()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out.String(), "Every expected frame of all six event types arrived") {
		t.Errorf("output: %s", out)
	}
}

// TestMissingFrameFails: each type in turn is kept from the WebSocket by its
// filter, and the conversation must fail with a frame of that type.
func TestMissingFrameFails(t *testing.T) {
	types := []string{"message.exchange", "message.status", "call.update", "group.flow", "instance.state", "label.update"}
	for i, missing := range types {
		t.Run(missing, func(t *testing.T) {
			p, out := conversation(t)
			p.events = append(append([]string{}, types[:i]...), types[i+1:]...)
			err := p.run(context.Background())
			if err == nil || !strings.Contains(err.Error(), "expected frame did not arrive: "+missing) {
				t.Errorf("error %v", err)
			}
			if strings.Contains(out.String(), "Every expected frame") {
				t.Error("it claims success")
			}
		})
	}
}
