package peer

import (
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// gorilla is the hub of gorilla/websocket's chat example: a goroutine that owns
// the set of clients, and for each client a channel and two goroutines. A frame
// is prepared once for all of them.
type gorilla struct {
	join, leave chan *gorillaClient
	broadcast   chan *websocket.PreparedMessage
	count       atomic.Int64
}

type gorillaClient struct {
	conn *websocket.Conn
	send chan *websocket.PreparedMessage
}

// The chat example's figures.
const (
	gorillaWriteWait = 10 * time.Second
	gorillaPongWait  = 60 * time.Second
	gorillaPing      = gorillaPongWait * 9 / 10
)

func newGorilla() (Peer, error) {
	g := &gorilla{
		join: make(chan *gorillaClient), leave: make(chan *gorillaClient),
		broadcast: make(chan *websocket.PreparedMessage, window),
	}
	return g, nil
}

// Serve implements Peer.
func (g *gorilla) Serve(l net.Listener) error {
	go g.run() // as long as the process
	return serve(l, g)
}

// run owns the set of clients.
func (g *gorilla) run() {
	clients := map[*gorillaClient]struct{}{}
	drop := func(c *gorillaClient) {
		if _, ok := clients[c]; ok {
			delete(clients, c)
			close(c.send)
		}
	}
	for {
		select {
		case c := <-g.join:
			clients[c] = struct{}{}
		case c := <-g.leave:
			drop(c)
		case m := <-g.broadcast:
			for c := range clients {
				select {
				case c.send <- m:
				default:
					drop(c)
				}
			}
		}
		g.count.Store(int64(len(clients)))
	}
}

// ServeHTTP takes a client.
func (g *gorilla) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // it has been answered
	}
	c := &gorillaClient{conn: conn, send: make(chan *websocket.PreparedMessage, window)}
	g.join <- c
	go c.write()
	go g.read(c)
}

// read notices that the client has gone.
func (g *gorilla) read(c *gorillaClient) {
	defer func() { g.leave <- c }()
	c.conn.SetPongHandler(func(string) error { return c.conn.SetReadDeadline(time.Now().Add(gorillaPongWait)) })
	for {
		if _, _, err := c.conn.ReadMessage(); err != nil {
			return
		}
	}
}

// write sends what is in the channel, and pings.
func (c *gorillaClient) write() {
	defer func() { _ = c.conn.Close() }() // whatever ended it
	ticker := time.NewTicker(gorillaPing)
	defer ticker.Stop()
	for {
		select {
		case m, ok := <-c.send:
			if !ok || c.deadline() != nil || c.conn.WritePreparedMessage(m) != nil {
				return
			}
		case <-ticker.C:
			if c.deadline() != nil || c.conn.WriteMessage(websocket.PingMessage, nil) != nil {
				return
			}
		}
	}
}

func (c *gorillaClient) deadline() error {
	return c.conn.SetWriteDeadline(time.Now().Add(gorillaWriteWait))
}

// Publish implements Peer.
func (g *gorilla) Publish(events [][]byte) error {
	for _, p := range events {
		m, err := websocket.NewPreparedMessage(websocket.TextMessage, p)
		if err != nil {
			return err
		}
		g.broadcast <- m
	}
	return nil
}

// Clients implements Peer.
func (g *gorilla) Clients() int { return int(g.count.Load()) }
