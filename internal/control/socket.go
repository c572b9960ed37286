package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// maxAddress is the longest path that a Unix socket's address holds on every
// system we run on, in bytes (sys/un.h: 104 with its final zero on BSD and
// macOS, 108 on Linux).
const maxAddress = 103

// socketAddress returns an address for a socket at path. When the path is too
// long for one, the folder is named by a descriptor that release closes; where
// the system has no such names an error says so.
func socketAddress(path string) (address string, release func() error, err error) {
	if len(path) <= maxAddress {
		return path, func() error { return nil }, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	folder := fmt.Sprintf("/proc/self/fd/%d", dir.Fd())
	if _, err := os.Stat(folder); err != nil {
		return "", nil, errors.Join(fmt.Errorf("%s is longer than %d bytes: choose a shorter data folder", path, maxAddress), dir.Close())
	}
	return filepath.Join(folder, filepath.Base(path)), dir.Close, nil
}

// listenPrivate opens a socket that nobody else can reach at any moment: it is
// made in a private folder, closed to others, and only then moved into place.
func listenPrivate(path string) (_ net.Listener, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".control-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	private := filepath.Join(dir, "s")
	address, release, err := socketAddress(private)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(private, 0o600), os.Rename(private, path)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &ownedListener{Listener: l, path: path}, nil
}

// ownedListener removes its socket file when it is closed.
type ownedListener struct {
	net.Listener
	path string
}

// Close implements net.Listener.
func (l *ownedListener) Close() error {
	return errors.Join(l.Listener.Close(), os.Remove(l.path))
}
