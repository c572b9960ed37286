package peer

import (
	"context"
	"net"
	"time"

	"github.com/centrifugal/centrifuge"
)

// centrifugePeer is the centrifuge library with its memory broker; clients speak
// its JSON protocol and are subscribed by the server.
type centrifugePeer struct{ node *centrifuge.Node }

const centrifugeChannel = "bench"

func newCentrifuge() (Peer, error) {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{UserID: "bench"},
			Subscriptions: map[string]centrifuge.SubscribeOptions{centrifugeChannel: {}},
		}, nil
	})
	return &centrifugePeer{node: node}, node.Run()
}

// Serve implements Peer.
func (s *centrifugePeer) Serve(l net.Listener) error {
	return serve(l, centrifuge.NewWebsocketHandler(s.node, centrifuge.WebsocketConfig{
		// The default of one second is for those who would rather lose a client
		// than wait; here the machine may be busy.
		WriteTimeout: 10 * time.Second,
	}))
}

// Publish implements Peer.
func (s *centrifugePeer) Publish(events [][]byte) error {
	for _, p := range events {
		if _, err := s.node.Publish(centrifugeChannel, p); err != nil {
			return err
		}
	}
	return nil
}

// Clients implements Peer.
func (s *centrifugePeer) Clients() int { return s.node.Hub().NumSubscribers(centrifugeChannel) }
