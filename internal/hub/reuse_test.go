package hub_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/chasqui/chasqui/internal/hub"
)

// turnover is the load of TestDescriptorsAreReused.
const (
	turnoverSockets   = 6000
	turnoverTime      = 10 * time.Second // at most
	turnoverInstances = 32
	turnoverWorkers   = 256
)

// turnover is a crowd of clients of many instances that come, stall and go at
// random, each of which checks whose frames it gets.
type turnover struct {
	*place
	opened, events, resets atomic.Int64
}

func turnoverInstance(i int) string { return fmt.Sprint("instance-", i) }

// File descriptors are reused at once: of many thousand sockets that open, are
// used, stall and close at random, no client ever sees a frame of another
// instance, nor a gap, nor a broken frame. The time is bounded, the seed is
// printed.
func TestDescriptorsAreReused(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := &turnover{place: open(t, hub.Options{
		Ping: 50 * time.Millisecond, Timeout: time.Second, Stall: 150 * time.Millisecond, CloseWait: 50 * time.Millisecond,
	})}
	for i := range turnoverInstances {
		w.hub.Stream(turnoverInstance(i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), turnoverTime)
	defer cancel()
	var publishers, clients sync.WaitGroup
	publishers.Go(func() { w.publishEverywhere(ctx, rand.New(rand.NewPCG(seed, 0))) })
	for i := range turnoverWorkers {
		rnd := rand.New(rand.NewPCG(seed, uint64(i+1)))
		clients.Go(func() {
			for ctx.Err() == nil && w.opened.Add(1) <= turnoverSockets {
				w.live(rnd)
			}
		})
	}
	clients.Wait()
	cancel()
	publishers.Wait()
	for i := range turnoverInstances {
		w.hub.Close(turnoverInstance(i), "", hub.CloseByAPI)
	}
	eventually(t, "everybody to have gone", func() bool { st := w.hub.Stats(); return st.Clients == 0 && st.LagMemory == 0 })
	st := w.hub.Stats()
	t.Logf("%d sockets, %d events checked, %d closed by the API, %d dropped, %d cut", st.Opened, w.events.Load(), w.resets.Load(), st.Dropped, st.Slow)
	if st.Opened < turnoverSockets/10 || w.events.Load() < 1000 {
		t.Error("hardly anything was tried")
	}
}

// publishEverywhere gives every instance numbered events of its own, some of
// them large enough to stall who does not read, and closes clients by the API.
func (w *turnover) publishEverywhere(ctx context.Context, rnd *rand.Rand) {
	var next [turnoverInstances]uint32
	large := strings.Repeat("x", 200<<10)
	pace := time.NewTicker(200 * time.Microsecond)
	defer pace.Stop()
	for ; ctx.Err() == nil; <-pace.C {
		i := rnd.IntN(turnoverInstances)
		for range 1 + rnd.IntN(8) {
			size := rnd.IntN(400)
			if rnd.IntN(12) == 0 {
				size = rnd.IntN(len(large))
			}
			w.tell(i, next[i], large[:size])
			next[i]++
		}
		if rnd.IntN(40) == 0 {
			w.resets.Add(int64(w.hub.Close(turnoverInstance(i), "", hub.CloseByAPI)))
		}
	}
}

// tell publishes an event that says whose it is, which, and how long.
func (w *turnover) tell(instance int, number uint32, filler string) {
	err := w.hub.Stream(turnoverInstance(instance)).Publish(len(filler)+8, func(dst []byte) ([]byte, error) {
		dst = binary.BigEndian.AppendUint32(dst, uint32(instance))
		dst = binary.BigEndian.AppendUint32(dst, number)
		return append(dst, filler...), nil
	})
	if err != nil {
		w.t.Error(err)
	}
}

// live is one life of a client of a random instance.
func (w *turnover) live(rnd *rand.Rand) {
	instance := rnd.IntN(turnoverInstances)
	small := rnd.IntN(2) == 0 // stalls soon
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		if !small {
			return nil
		}
		return raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) // or it stalls later
		})
	}}
	url := strings.Replace(w.srv.URL, "http", "ws", 1) + "/" + turnoverInstance(instance)
	conn, br, _, err := ws.Dialer{Timeout: patience, NetDial: dialer.DialContext}.Dial(context.Background(), url)
	if err != nil {
		w.t.Errorf("dial: %v", err)
		return
	}
	defer func() { _ = conn.Close() }()
	var r io.Reader = conn
	if br != nil {
		r = io.MultiReader(strings.NewReader(string(buffered(br))), conn)
	}
	w.check(r, conn, instance, rnd)
	w.part(conn, rnd)
}

// check reads some events and compares each with what this client is owed.
func (w *turnover) check(r io.Reader, conn net.Conn, instance int, rnd *rand.Rand) {
	var want uint32
	for i := range rnd.IntN(30) {
		if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			return
		}
		h, err := ws.ReadHeader(r)
		if err != nil {
			return // gone, or nothing to read
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(r, payload); err != nil {
			return
		}
		if h.OpCode == ws.OpPing {
			_, _ = conn.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewPongFrame(payload)))) // may be closed
			continue
		}
		if h.OpCode == ws.OpClose {
			return
		}
		if err := verify(h, payload, instance, want, i > 0 && want > 0); err != nil {
			w.t.Error(err)
			return
		}
		want = binary.BigEndian.Uint32(payload[4:]) + 1
		w.events.Add(1)
	}
}

// verify compares an event with whose and which it has to be.
func verify(h ws.Header, payload []byte, instance int, want uint32, later bool) error {
	if h.OpCode != ws.OpText || !h.Fin || h.Rsv != 0 || len(payload) < 8 {
		return fmt.Errorf("a broken frame: %+v", h)
	}
	of, number := int(binary.BigEndian.Uint32(payload)), binary.BigEndian.Uint32(payload[4:])
	switch {
	case of != instance:
		return fmt.Errorf("a client of instance %d got event %d of instance %d", instance, number, of)
	case later && number != want:
		return fmt.Errorf("event %d after %d", number, want-1)
	case strings.Trim(string(payload[8:]), "x") != "":
		return errors.New("an event of others' bytes")
	}
	return nil
}
