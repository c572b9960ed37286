package hub_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"github.com/chasqui/chasqui/internal/hub"
)

// The clients of these benchmarks live in another process, which is this test
// binary again, so that what is measured is the server alone: its CPU time,
// which other load on the machine disturbs least. Compare a form with raw: the
// same bytes written by a bare loop.

const crowdEnv = "CHASQUI_HUB_CROWD" // "<url> <number of clients>"

// beCrowd connects clients that only read, until standard input ends.
func beCrowd() error {
	url, count, _ := strings.Cut(os.Getenv(crowdEnv), " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	// The server is this very binary with a certificate of its own.
	d := ws.Dialer{Timeout: patience, TLSConfig: &tls.Config{InsecureSkipVerify: true}}
	for range n {
		conn, _, _, err := d.Dial(context.Background(), url)
		if err != nil {
			return err
		}
		go swallow(conn)
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// swallow reads until the end.
func swallow(conn net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}

// crowd starts a process of n clients that ends with the benchmark.
func crowd(b *testing.B, url string, n int) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", crowdEnv, url, n))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
}

// eachForm runs a benchmark of the hub over each of its forms.
func eachForm(b *testing.B, bench func(b *testing.B, opts hub.Options)) {
	if runtime.GOOS == "linux" {
		b.Run("epoll", func(b *testing.B) { bench(b, hub.Options{}) })
	}
	b.Run("portable", func(b *testing.B) { bench(b, hub.Options{Portable: true}) })
}

// openCrowd is a hub with n clients in another process.
func openCrowd(b *testing.B, opts hub.Options, n int) *place {
	b.Helper()
	p := open(b, opts)
	crowd(b, strings.Replace(p.srv.URL, "http", "ws", 1)+"/"+sales, n)
	p.clients(n)
	return p
}

// rawCrowd is the bare minimum: blocking sockets, and write.
func rawCrowd(b *testing.B, n int) []int {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	crowd(b, "ws://"+ln.Addr().String(), n)
	fds := make([]int, n)
	for i := range fds {
		conn, err := ln.Accept()
		if err == nil {
			_, err = ws.Upgrade(conn)
		}
		if err != nil {
			b.Fatal(err)
		}
		fds[i] = blockingFD(b, conn.(*net.TCPConn))
	}
	b.Cleanup(func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	})
	return fds
}

func blockingFD(b *testing.B, conn *net.TCPConn) int {
	b.Helper()
	f, err := conn.File()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	_ = conn.Close()
	fd, err := unix.Dup(int(f.Fd()))
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		b.Fatal(err)
	}
	return fd
}

func writeAll(b *testing.B, fd int, p []byte) {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err != nil && !errors.Is(err, unix.EINTR) {
			b.Fatal(err)
		}
		p = p[max(n, 0):]
	}
}

// cpu is the CPU time of this process so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// paced runs publish once every so often and reports the CPU per delivery.
func paced(b *testing.B, every time.Duration, deliveries int, publish func()) {
	b.Helper()
	pace := time.NewTicker(every)
	defer pace.Stop()
	start := cpu(b)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		publish()
		<-pace.C
	}
	runtime.ReadMemStats(&after)
	n := float64(b.N) * float64(deliveries)
	b.ReportMetric(float64(cpu(b)-start)/n, "cpu-ns/delivery")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/delivery")
	b.ReportMetric(0, "ns/op") // the pace says nothing
}

const crowdSize = 1000

var kilobyte = strings.Repeat("x", 1<<10)

// One event of 1 KB to 1,000 clients.
func BenchmarkSingle(b *testing.B) {
	eachForm(b, func(b *testing.B, opts hub.Options) {
		p := openCrowd(b, opts, crowdSize)
		paced(b, 20*time.Millisecond, crowdSize, func() { p.publish(kilobyte) })
	})
	b.Run("raw", func(b *testing.B) {
		fds := rawCrowd(b, crowdSize)
		frame := ws.MustCompileFrame(text(kilobyte))
		paced(b, 20*time.Millisecond, crowdSize, func() {
			for _, fd := range fds {
				writeAll(b, fd, frame)
			}
		})
	})
}

// 64 events of 1 KB at once to 1,000 clients.
func BenchmarkBurst(b *testing.B) {
	const burst = 64
	eachForm(b, func(b *testing.B, opts hub.Options) {
		p := openCrowd(b, opts, crowdSize)
		paced(b, 300*time.Millisecond, burst*crowdSize, func() {
			for range burst {
				p.publish(kilobyte)
			}
		})
		if slow := p.hub.Stats().Slow; slow > 0 {
			b.Errorf("%d clients were cut", slow)
		}
	})
	b.Run("raw", func(b *testing.B) {
		fds := rawCrowd(b, crowdSize)
		joined := bytes.Repeat(ws.MustCompileFrame(text(kilobyte)), burst)
		paced(b, 300*time.Millisecond, burst*crowdSize, func() {
			for _, fd := range fds {
				writeAll(b, fd, joined)
			}
		})
	})
}

// Nobody connected: one atomic load, no allocation, nothing serialised.
func BenchmarkPublishNobody(b *testing.B) {
	s := hub.New(hub.Options{}).Stream(sales)
	encode := func([]byte) ([]byte, error) { panic("serialised for nobody") }
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Publish(1024, encode); err != nil {
			b.Fatal(err)
		}
	}
}

// Memory of an idle client: RSS after a collection, without the kernel's part.
func BenchmarkIdleMemory(b *testing.B) {
	eachForm(b, func(b *testing.B, opts hub.Options) { idle(b, open(b, opts), 10000) })
	b.Run("tls", func(b *testing.B) {
		p := &place{t: b, hub: newHub(hub.Options{})}
		p.hub.Stream(sales)
		p.srv = httptest.NewUnstartedServer(p)
		p.srv.Listener = hub.Listener(p.srv.Listener)
		p.srv.StartTLS()
		p.closeWith(b)
		idle(b, p, 4000)
	})
}

func idle(b *testing.B, p *place, n int) {
	url := strings.Replace(p.srv.URL, "http", "ws", 1) + "/" + sales
	p.dialWith(p.dialer(), "").vanish() // what the first client alone makes us allocate
	p.clients(0)
	before, goroutines := rss(b), runtime.NumGoroutine()
	crowd(b, url, n)
	for some := 1000; some <= n; some += 1000 { // each with patience: handshakes take time
		eventually(b, fmt.Sprintf("%d clients", some), func() bool { return p.hub.Count(sales) >= some })
	}
	readers := n - p.hub.Stats().Polled
	eventually(b, "the server's goroutines of the requests to end", func() bool {
		return runtime.NumGoroutine() <= goroutines+readers+10
	})
	for b.Loop() { // measured once, whatever b.N
	}
	b.ReportMetric(float64(rss(b)-before)/float64(n), "rss-B/client")
	b.ReportMetric(0, "ns/op")
}

// rss is the resident memory of this process after garbage was returned.
func rss(b *testing.B) int64 {
	b.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip(err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
		b.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}
