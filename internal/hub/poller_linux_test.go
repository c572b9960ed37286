package hub_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/chasqui/chasqui/internal/hub"
)

// A descriptor outlives its client as long as a system call on it may still be
// under way: until then its number cannot be given to another connection. After
// the client's end no system call may begin.
func TestDescriptorOutlivesItsUsers(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	open := func() bool {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		return err == nil
	}
	s := hub.NewDescriptor(fd)
	for range 2 {
		if !s.Enter() {
			t.Fatal("an open descriptor cannot be used")
		}
	}
	s.Leave()
	if s.Free(); !open() {
		t.Error("closed under a user's hands")
	}
	if s.Enter() {
		t.Error("a freed descriptor can be used")
	}
	if s.Leave(); open() {
		t.Error("not closed after its last user")
	}
	if _, err := s.Write([]byte("late")); err != net.ErrClosed { //nolint:errorlint // exactly that one
		t.Errorf("a late write: %v, want %v", err, net.ErrClosed)
	}
}
