//go:build !linux

package hub

import (
	"errors"
	"net"
	"sync/atomic"
)

// poller is not there: every client is served in the portable form.
type poller struct{ count atomic.Int32 }

func newPoller(*Hub) (*poller, error) { return nil, nil } //nolint:nilnil // none is no failure

func (p *poller) run()                              {}
func (p *poller) stop()                             {}
func (p *poller) adopt(*client, *net.TCPConn) error { return errors.ErrUnsupported }
