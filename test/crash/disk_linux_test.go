package crash_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/proctest"
)

// TestFullDiskLosesNothing: contract/events.md section 5. The file system of
// the store is full in the middle of a stream: what cannot be recorded is not
// acknowledged, and what was delivered but not noted is delivered again. Once
// there is room, everything arrives.
func TestFullDiskLosesNothing(t *testing.T) {
	data := smallDisk(t, 192<<20)
	network := proctest.Start(t, "network")
	g := gateway(t, network.URL, data)
	link(t, g)
	waitConnected(t, g)
	hook := newReceiver(t)
	g.Do("POST", "/api/events/webhook/sales", token,
		object{"enabled": true, "url": hook.URL, "events": []string{"message.exchange"}}, nil)
	sender := "5511900000002"
	network.Do("POST", "/sandbox/phones", "", object{"number": sender, "name": sender}, nil)

	stop, done := make(chan struct{}), make(chan struct{})
	var sent []string
	go func() { // ends with the close below, which is waited for
		defer close(done)
		sent = stream(t, network, []string{sender}, stop)
	}()
	eventually(t, func() bool { return hook.count() > 0 }, func() string { return "nothing is delivered yet" })
	const rounds = 2
	for range rounds {
		ballast := fill(t, data)
		still := hook.count()
		eventually(t, func() bool { // one second without a delivery: nothing can be recorded
			before := hook.count()
			pause(time.Second)
			still = hook.count()
			return still == before
		}, func() string { return fmt.Sprintf("deliveries go on with a full disk: %d", still) })
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return hook.count() > still }, func() string { return "nothing is delivered although there is room" })
	}
	close(stop)
	<-done
	eventually(t, func() bool { return hook.missing(sent) == 0 },
		func() string {
			return fmt.Sprintf("%d of %d messages were not delivered", hook.missing(sent), len(sent))
		})
	stored := waitStored(t, filepath.Join(data, "chasqui.db"), len(sent))
	for _, id := range sent {
		if n := stored[id]; n != 1 {
			t.Errorf("message %s is stored %d times", id, n)
		}
	}
	hook.check(t, sent)
	t.Logf("the disk was full %d times, %d messages sent", rounds, len(sent))
	g.Terminate()
}

// smallDisk mounts a file system of so many bytes for the test.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "chasqui-disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // empty once unmounted
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		t.Skipf("a small file system cannot be mounted: %v (it takes root)", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// fill takes all the room that is left, with a file whose path it returns.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	return path
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
