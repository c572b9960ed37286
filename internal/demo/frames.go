package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/chasqui/chasqui/internal/listen"
)

// maxFrame bounds one frame, in bytes.
const maxFrame = 64 << 20

// frame is one event as the WebSocket client received it.
type frame struct {
	Event string         `json:"event"`
	Data  map[string]any `json:"data"`
}

// get returns the value at a dotted path inside the data, as text; "" if there
// is none.
func (f frame) get(path string) string {
	var v any = f.Data
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[name]
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// want is a frame that must arrive: its type, and what its data must hold.
type want struct {
	event  string
	fields map[string]string // dotted path -> value; "*" means not empty
}

func (w want) String() string { return fmt.Sprintf("%s %v", w.event, w.fields) }

func (w want) matches(f frame) bool {
	if f.Event != w.event {
		return false
	}
	for path, value := range w.fields {
		got := f.get(path)
		if got == "" || (value != "*" && got != value) {
			return false
		}
	}
	return true
}

// client is a WebSocket client that keeps every frame it received.
type client struct {
	conn   *websocket.Conn
	show   func(string)
	color  bool
	frames []frame
}

func dial(ctx context.Context, g gateway, instance string, show func(string), color bool) (*client, error) {
	conn, _, err := websocket.Dial(ctx, g.socket(instance), &websocket.DialOptions{HTTPHeader: http.Header{"Token": {g.token}}})
	if err != nil {
		return nil, fmt.Errorf("open the WebSocket: %w", err)
	}
	conn.SetReadLimit(maxFrame)
	return &client{conn: conn, show: show, color: color}, nil
}

// expect reads until a frame that matches w has arrived, counting those that
// came before and were not expected by an earlier call.
func (c *client) expect(ctx context.Context, patience time.Duration, w want) (frame, error) {
	for i, f := range c.frames {
		if w.matches(f) {
			c.frames = append(c.frames[:i], c.frames[i+1:]...)
			return f, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		f, err := c.read(ctx)
		if err != nil {
			return frame{}, fmt.Errorf("expected frame did not arrive: %s: %w", w, err)
		}
		if w.matches(f) {
			return f, nil
		}
		c.frames = append(c.frames, f)
	}
}

func (c *client) read(ctx context.Context) (frame, error) {
	_, data, err := c.conn.Read(ctx)
	if err != nil {
		return frame{}, err
	}
	c.show(listen.Pretty(data, c.color))
	var f frame
	return f, json.Unmarshal(data, &f)
}
