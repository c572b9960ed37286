//go:build chasqui_inject

package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/hub"
	"github.com/chasqui/chasqui/internal/lifecycle"
)

// portableEnv, when set, keeps the hub to its portable form.
const portableEnv = "CHASQUI_INJECT_PORTABLE"

// injectSocket is the file of the injector's socket inside the data folder.
const injectSocket = "inject.sock"

func tuneHub(opts hub.Options) hub.Options {
	opts.Portable = os.Getenv(portableEnv) != ""
	return opts
}

func (p *parts) pushInjection(s *lifecycle.Stack) {
	s.Push("injection", &injector{parts: p, path: filepath.Join(p.cfg.Options.Data, injectSocket), log: p.log, feeds: map[string]*feed{}})
}

// injector makes events for benchmarks: it hands them to the dispatcher's live
// side past the store. It speaks lines of JSON on a Unix socket, one request and
// one answer at a time on each connection; bench/fanout/wire describes them.
type injector struct {
	parts    *parts
	path     string
	log      *slog.Logger
	listener net.Listener
	hangUp   context.CancelFunc // ends every connection
	wg       sync.WaitGroup

	mu        sync.Mutex // guards the rest
	feeds     map[string]*feed
	profiling *os.File // nil: no profile is being taken
}

// feed is one instance that events are made for. Its events are in order
// because one connection at a time publishes to it.
type feed struct {
	instanceID string
	made       uint32
}

// Start opens the socket.
func (j *injector) Start(ctx context.Context) error {
	if err := os.Remove(j.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var err error
	if j.listener, err = (&net.ListenConfig{}).Listen(ctx, "unix", j.path); err != nil {
		return err
	}
	ctx, j.hangUp = context.WithCancel(context.WithoutCancel(ctx)) // a start's context ends with the start
	j.wg.Go(func() { j.accept(ctx) })
	return nil
}

// Stop closes the socket and waits for those who are served.
func (j *injector) Stop(context.Context) error {
	if j.listener == nil {
		return nil
	}
	err := j.listener.Close()
	j.hangUp()
	j.wg.Wait()
	return err
}

func (j *injector) accept(ctx context.Context) {
	for {
		conn, err := j.listener.Accept()
		if err != nil {
			return // Stop has closed it
		}
		j.wg.Go(func() { j.serve(ctx, conn) })
	}
}

// injectRequest is wire.Request.
type injectRequest struct {
	Op        string `json:"op"` // publish, stats, collect, profile
	Prefix    string `json:"prefix"`
	First     int    `json:"first"`
	Instances int    `json:"instances"`
	Size      int    `json:"size"`
	Burst     int    `json:"burst"`
	Rounds    int    `json:"rounds"`
	Every     int64  `json:"every"`
	File      string `json:"file"`
}

// injectAnswer is wire.Answer.
type injectAnswer struct {
	Error   string `json:"error,omitempty"`
	Events  int    `json:"events,omitempty"`
	CPU     int64  `json:"cpu,omitempty"`
	Mallocs uint64 `json:"mallocs,omitempty"`
	Clients int    `json:"clients"`
}

// serve answers one connection until it ends.
func (j *injector) serve(ctx context.Context, conn net.Conn) {
	hangUp := func() { _ = conn.Close() } // the reader has gone, or the gateway goes
	defer hangUp()
	defer context.AfterFunc(ctx, hangUp)()
	in, out := json.NewDecoder(bufio.NewReader(conn)), json.NewEncoder(conn)
	for {
		var q injectRequest
		if err := in.Decode(&q); err != nil {
			return
		}
		a, err := j.do(ctx, q)
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			j.log.Warn("injection: the answer was lost", "error", err)
			return
		}
	}
}

func (j *injector) do(ctx context.Context, q injectRequest) (injectAnswer, error) {
	switch q.Op {
	case "publish":
		return j.publish(ctx, q)
	case "collect":
		debug.FreeOSMemory()
		return injectAnswer{}, nil
	case "stats":
		return j.stats()
	case "profile":
		return injectAnswer{}, j.profile(q.File)
	}
	return injectAnswer{}, fmt.Errorf("unknown operation %q", q.Op)
}

func (j *injector) stats() (injectAnswer, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return injectAnswer{}, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return injectAnswer{
		CPU: u.Utime.Nano() + u.Stime.Nano(), Mallocs: m.Mallocs, Clients: j.parts.hub.Stats().Clients,
	}, nil
}

// profile ends the CPU profile that is being taken, if there is one, and begins
// one in file unless that is empty.
func (j *injector) profile(file string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	pprof.StopCPUProfile()
	if j.profiling != nil {
		if err := j.profiling.Close(); err != nil {
			return err
		}
		j.profiling = nil
	}
	if file == "" {
		return nil
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	j.profiling = f
	return pprof.StartCPUProfile(f)
}

// publish makes Rounds bursts of Burst events, one burst every so many
// nanoseconds, for the instances in turn.
func (j *injector) publish(ctx context.Context, q injectRequest) (injectAnswer, error) {
	feeds, err := j.find(ctx, q)
	if err != nil {
		return injectAnswer{}, err
	}
	padding, err := j.padding(feeds[0], q.Size)
	if err != nil {
		return injectAnswer{}, err
	}
	clock, err := newInjectClock()
	if err != nil {
		return injectAnswer{}, err
	}
	made := 0
	pace := time.NewTicker(time.Duration(max(q.Every, 1)))
	defer pace.Stop()
	for range q.Rounds {
		for range q.Burst {
			f := feeds[made%len(feeds)]
			f.made++
			if err := j.parts.dispatcher.Inject(ctx, f.instanceID, firstInjected+int64(f.made), injected(f.made, clock.now(), padding)); err != nil {
				return injectAnswer{}, err
			}
			made++
		}
		if q.Every > 0 {
			<-pace.C
		}
		if err := ctx.Err(); err != nil {
			return injectAnswer{Events: made}, err
		}
	}
	return injectAnswer{Events: made}, nil
}

// find returns the feeds of the instances whose names are the prefix and a number
// of five digits, Instances of them from First on.
func (j *injector) find(ctx context.Context, q injectRequest) ([]*feed, error) {
	account, err := j.parts.accounts.Get(ctx, "default")
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []*feed
	for i := range q.Instances {
		name := fmt.Sprintf("%s%05d", q.Prefix, q.First+i)
		f := j.feeds[name]
		if f == nil {
			in, err := j.parts.instances.Get(ctx, account.ID, name)
			if err != nil {
				return nil, fmt.Errorf("instance %s: %w", name, err)
			}
			f = &feed{instanceID: in.ID}
			j.feeds[name] = f
		}
		found = append(found, f)
	}
	if len(found) == 0 {
		return nil, errors.New("no instances")
	}
	return found, nil
}

// firstInjected is so large that every sequence has as many digits, and every
// frame the same length.
const firstInjected = 1_000_000_000

// padding is a text with which an event's envelope is size bytes long.
func (j *injector) padding(f *feed, size int) (string, error) {
	bare, err := j.parts.dispatcher.EnvelopeSize(f.instanceID, firstInjected, injected(0, 0, ""))
	if err != nil {
		return "", err
	}
	if bare > size {
		return "", fmt.Errorf("an envelope takes %d bytes at least", bare)
	}
	return strings.Repeat("x", size-bare), nil
}

// injected is a text message whose id carries the marker that the load client
// reads (bench/fanout/payload): the event's number and when it was made.
func injected(number uint32, at int64, text string) *event.Message {
	const prefix = "bench:"
	mark := make([]byte, 0, 64) // little more than the marker is allocated: it counts in the figures
	mark = append(mark, prefix...)
	mark = appendHex(mark, uint64(number), 8)
	mark = append(mark, ':')
	id := string(appendHex(mark, uint64(at), 16))
	return &event.Message{ID: id, Body: event.MessageBody{
		ID: id[len(prefix):], Direction: event.Incoming, Timestamp: time.Unix(1_700_000_000, 0).UTC(), Type: "text",
		Chat: event.Chat{Address: injectedSender, Type: event.ChatPrivate}, Sender: injectedSender,
		Content: &event.Content{Text: text}, Source: "android",
	}}
}

// injectedSender is who sends all injected messages.
var injectedSender = event.Address{JID: new("5511999999999@s.whatsapp.net"), LID: new("123456789012345@lid"), Name: "Ana"}

// appendHex appends the last digits of v, lower case, with leading zeros.
func appendHex(dst []byte, v uint64, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[v>>shift&0xf])
	}
	return dst
}

// injectClock reads CLOCK_MONOTONIC, which all processes of a machine share,
// without a system call each time.
type injectClock struct {
	start time.Time
	base  int64
}

func newInjectClock() (injectClock, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return injectClock{}, err
	}
	return injectClock{start: time.Now(), base: ts.Nano()}, nil
}

func (c injectClock) now() int64 { return c.base + int64(time.Since(c.start)) }
