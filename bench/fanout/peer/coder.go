package peer

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// coder is coder/websocket's chat example: a set of clients, each with a channel
// that its handler's goroutine writes from. Who has a full channel is closed.
type coder struct{ clients set[*coderClient] }

type coderClient struct {
	conn *websocket.Conn
	send chan []byte
}

// coderWriteWait is the chat example's.
const coderWriteWait = 5 * time.Second

func newCoder() (Peer, error) { return &coder{}, nil }

// Serve implements Peer.
func (s *coder) Serve(l net.Listener) error { return serve(l, s) }

// ServeHTTP serves a client as long as it is there.
func (s *coder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has been answered
	}
	defer func() { _ = conn.CloseNow() }() // whatever ended it
	c := &coderClient{conn: conn, send: make(chan []byte, window)}
	ctx := conn.CloseRead(r.Context())
	s.clients.add(c)
	defer s.clients.remove(c)
	for {
		select {
		case p := <-c.send:
			if c.write(ctx, p) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (c *coderClient) write(ctx context.Context, p []byte) error {
	ctx, cancel := context.WithTimeout(ctx, coderWriteWait)
	defer cancel()
	return c.conn.Write(ctx, websocket.MessageText, p)
}

// Publish implements Peer.
func (s *coder) Publish(events [][]byte) error {
	for _, p := range events {
		s.clients.each(func(c *coderClient) {
			select {
			case c.send <- p:
			default:
				go func() { _ = c.conn.Close(websocket.StatusPolicyViolation, "too slow") }() // as the example does
			}
		})
	}
	return nil
}

// Clients implements Peer.
func (s *coder) Clients() int { return s.clients.size() }
