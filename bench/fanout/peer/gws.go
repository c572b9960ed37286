package peer

import (
	"net"
	"net/http"

	"github.com/lxzan/gws"
)

// gwsPeer is lxzan/gws with its own Broadcaster: one frame for all, an
// asynchronous queue for each client.
type gwsPeer struct {
	gws.BuiltinEventHandler
	clients  set[*gws.Conn]
	upgrader *gws.Upgrader
}

func newGWS() (Peer, error) {
	s := &gwsPeer{}
	s.upgrader = gws.NewUpgrader(s, nil)
	return s, nil
}

// Serve implements Peer.
func (s *gwsPeer) Serve(l net.Listener) error { return serve(l, s) }

// ServeHTTP takes a client.
func (s *gwsPeer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := s.upgrader.Upgrade(w, r)
	if err != nil {
		return // it has been answered
	}
	go conn.ReadLoop() // until the client goes
}

// OnOpen implements gws.Event.
func (s *gwsPeer) OnOpen(conn *gws.Conn) { s.clients.add(conn) }

// OnClose implements gws.Event.
func (s *gwsPeer) OnClose(conn *gws.Conn, _ error) { s.clients.remove(conn) }

// Publish implements Peer.
func (s *gwsPeer) Publish(events [][]byte) error {
	for _, p := range events {
		b := gws.NewBroadcaster(gws.OpcodeText, p)
		var failed error
		s.clients.each(func(c *gws.Conn) {
			if err := b.Broadcast(c); err != nil {
				failed = err
			}
		})
		if err := b.Close(); err != nil || failed != nil {
			return failed
		}
	}
	return nil
}

// Clients implements Peer.
func (s *gwsPeer) Clients() int { return s.clients.size() }
