//go:build !linux

package hub

import (
	"errors"
	"net"
	"sync/atomic"
)

// poller is not there, and newPoller says so with nil: every client is served in
// the portable form.
type poller struct{ count atomic.Int32 }

func newPoller(*Hub) (*poller, error) { return nil, nil }

func (p *poller) run()                              {}
func (p *poller) stop()                             {}
func (p *poller) adopt(*client, *net.TCPConn) error { return errors.ErrUnsupported }
