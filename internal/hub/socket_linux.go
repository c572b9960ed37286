package hub

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsentLimit bounds what the kernel keeps for a client that does not read,
// beyond what the client's own window takes, in bytes.
const unsentLimit = 16 << 10

// boundKernel limits what a stalled client can hide in kernel buffers: with
// TCP_NOTSENT_LOWAT (tcp(7)) a socket takes no more while that many bytes have
// not been sent.
func boundKernel(conn *net.TCPConn, raw syscall.RawConn) error {
	err := conn.SetNoDelay(true)
	cerr := raw.Control(func(fd uintptr) {
		err = errors.Join(err, unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLimit))
	})
	if err = errors.Join(err, cerr); err != nil {
		return fmt.Errorf("socket options: %w", err)
	}
	return nil
}
