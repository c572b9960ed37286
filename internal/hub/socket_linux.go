package hub

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"unsafe"

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

// rawLimit is the most that one write takes without telling Go's scheduler, in
// bytes: copying it lasts about as long as telling would.
const rawLimit = 64 << 10

// write writes to a descriptor that never waits. The scheduler is not told of
// short writes, as it is of calls that may block: it would look for other work
// for this processor around each of them, which costs about a tenth of a delivery
// (BenchmarkSingle).
func write(fd int, p []byte) (int, error) {
	if len(p) == 0 || len(p) > rawLimit {
		return unix.Write(fd, p)
	}
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p))) //nolint:gosec // the call's own argument, kept alive by it
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil //nolint:gosec // at most len(p)
}
