package receiver_test

import (
	"io"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/chasqui/chasqui/internal/receiver"
)

// alone is a writer that is meant for one at a time.
type alone struct {
	writing atomic.Int32
	shared  atomic.Bool
}

func (a *alone) Write(p []byte) (int, error) {
	if a.writing.Add(1) > 1 {
		a.shared.Store(true)
	}
	for range 100 {
		runtime.Gosched()
	}
	a.writing.Add(-1)
	return len(p), nil
}

// Notes are written one at a time, though deliveries come together.
func TestNotesComeOneAtATime(t *testing.T) {
	notes := &alone{}
	r, err := receiver.New(receiver.Options{Notes: notes, Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			broken := httptest.NewRequestWithContext(t.Context(), "POST", "/", iotest.ErrReader(io.ErrUnexpectedEOF))
			r.ServeHTTP(httptest.NewRecorder(), broken)
		})
	}
	senders.Wait()
	if notes.shared.Load() {
		t.Error("two notes were written at once")
	}
}
