package apptest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// maxFrame bounds a frame, in bytes.
const maxFrame = 64 << 20

// Frame is one event as it came over the WebSocket.
type Frame struct {
	Event        string         `json:"event"`
	Data         map[string]any `json:"data"`
	InstanceData map[string]any `json:"instanceData"`
	Meta         struct {
		ID        string    `json:"id"`
		Sequence  int64     `json:"sequence"`
		Timestamp time.Time `json:"timestamp"`
	} `json:"meta"`
	Raw []byte `json:"-"`
}

// Get returns the value at a dotted path inside the data as text, "" if none.
func (f Frame) Get(path string) string {
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

// Socket is a WebSocket client that keeps what it received and was not asked
// for yet.
type Socket struct {
	Conn    *websocket.Conn
	t       testing.TB
	pending []Frame
}

// Listen opens the WebSocket of an instance.
func (g *Gateway) Listen(name, token string) *Socket {
	g.t.Helper()
	url := "ws" + strings.TrimPrefix(g.URL("/ws/"+name), "http")
	conn, _, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{HTTPHeader: http.Header{"Token": {token}}})
	if err != nil {
		g.t.Fatal(err)
	}
	conn.SetReadLimit(maxFrame)
	g.t.Cleanup(func() { _ = conn.CloseNow() })
	return &Socket{Conn: conn, t: g.t}
}

// Next returns the next frame, or fails the test.
func (s *Socket) Next() Frame {
	s.t.Helper()
	if len(s.pending) > 0 {
		f := s.pending[0]
		s.pending = s.pending[1:]
		return f
	}
	f, err := s.Read()
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

// Read reads one frame from the connection.
func (s *Socket) Read() (Frame, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	_, data, err := s.Conn.Read(ctx)
	if err != nil {
		return Frame{}, err
	}
	f := Frame{Raw: data}
	return f, json.Unmarshal(data, &f)
}

// Expect waits for a frame of that type for which every path holds its value,
// and keeps the others for later. "*" stands for any value but none.
func (s *Socket) Expect(event string, fields map[string]string) Frame {
	s.t.Helper()
	for i, f := range s.pending {
		if f.matches(event, fields) {
			s.pending = append(s.pending[:i:i], s.pending[i+1:]...)
			return f
		}
	}
	for {
		f, err := s.Read()
		if err != nil {
			s.t.Fatalf("waiting for %s %v: %v; seen meanwhile: %s", event, fields, err, s.seen())
		}
		if f.matches(event, fields) {
			return f
		}
		s.pending = append(s.pending, f)
	}
}

func (f Frame) matches(event string, fields map[string]string) bool {
	if f.Event != event {
		return false
	}
	for path, want := range fields {
		got := f.Get(path)
		if got == "" || (want != "*" && got != want) {
			return false
		}
	}
	return true
}

func (s *Socket) seen() string {
	var b strings.Builder
	for _, f := range s.pending {
		fmt.Fprintf(&b, "\n  %s", f.Raw)
	}
	return b.String()
}
