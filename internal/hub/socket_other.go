//go:build !linux

package hub

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// sendBuffer bounds what the kernel keeps for a client that does not read, in
// bytes, where TCP_NOTSENT_LOWAT cannot be relied on.
const sendBuffer = 64 << 10

func boundKernel(conn *net.TCPConn, _ syscall.RawConn) error {
	if err := errors.Join(conn.SetNoDelay(true), conn.SetWriteBuffer(sendBuffer)); err != nil {
		return fmt.Errorf("socket options: %w", err)
	}
	return nil
}

// write writes to a descriptor that never waits.
func write(fd int, p []byte) (int, error) { return unix.Write(fd, p) }
