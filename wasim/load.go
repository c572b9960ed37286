package wasim

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Load is a stream of messages for measuring. Each second Rate messages are sent, in turn by the numbers of From to the
// numbers or groups of To, for Seconds. Kind is text (the default) or image; Size is the length of the text or the
// picture in bytes, 200 if zero.
type Load struct {
	From, To []string
	Rate     float64
	Seconds  float64
	Kind     string
	Size     int
}

// LoadResult says what was sent. Messages holds the first 10,000.
type LoadResult struct {
	Sent     int
	Messages []LoadMessage
}

// LoadMessage is one message of a load. At is when the network had it.
type LoadMessage struct {
	ID, From, To string
	At           time.Time
}

// Bounds of a load.
const (
	keptLoadMessages = 10_000
	defaultLoadSize  = 200
	maxLoadSize      = 16 << 20
	maxLoadRate      = 10_000
	maxLoadSeconds   = 3600
)

func (l Load) check() error {
	switch {
	case len(l.From) == 0 || len(l.To) == 0:
		return fmt.Errorf("a load needs numbers to send from and to")
	case l.Rate <= 0 || l.Rate > maxLoadRate:
		return fmt.Errorf("rate must be above 0 and at most %d a second", maxLoadRate)
	case l.Seconds <= 0 || l.Seconds > maxLoadSeconds:
		return fmt.Errorf("seconds must be above 0 and at most %d", maxLoadSeconds)
	case l.Kind != "" && l.Kind != "text" && l.Kind != "image":
		return fmt.Errorf("kind must be text or image, not %q", l.Kind)
	case l.Size < 0 || l.Size > maxLoadSize:
		return fmt.Errorf("size must be 0 to %d bytes", maxLoadSize)
	}
	return nil
}

// Load sends a stream of messages and returns when the last one is with the network, or the context ends. Each sender
// sends in order, on a goroutine of its own; a sender that cannot keep up falls behind the rate, and what was sent by
// the end is the result.
func (s *Server) Load(ctx context.Context, l Load) (LoadResult, error) {
	if err := l.check(); err != nil {
		return LoadResult{}, err
	}
	senders := make([]*Phone, len(l.From))
	for i, number := range l.From {
		p, ok := s.FindPhone(number)
		if !ok {
			return LoadResult{}, fmt.Errorf("number %q: %w", number, ErrNotFound)
		}
		senders[i] = p
	}
	for _, to := range l.To {
		if _, err := s.parseChat(to); err != nil {
			return LoadResult{}, err
		}
	}
	run := &loadRun{load: l, message: l.message(), start: time.Now()}
	run.total = int(l.Rate*l.Seconds + 0.5)
	var all sync.WaitGroup
	for i, p := range senders {
		all.Go(func() { run.send(ctx, i, p) })
	}
	all.Wait()
	return run.result, run.err
}

// message is what the load sends, always the same.
func (l Load) message() Message {
	size := l.Size
	if size == 0 {
		size = defaultLoadSize
	}
	if l.Kind == "image" {
		return Message{Media: &Media{Type: "image", Mimetype: "image/jpeg", Data: make([]byte, size)}}
	}
	return Message{Text: strings.Repeat("x", size)}
}

// loadRun is a load under way.
type loadRun struct {
	load    Load
	message Message
	total   int
	start   time.Time

	mu     sync.Mutex // guards the fields below
	result LoadResult
	err    error
}

// send sends every message whose turn is the sender's: number i, i+senders, i+2·senders and so on, each at its time.
func (r *loadRun) send(ctx context.Context, first int, p *Phone) {
	for n := first; n < r.total; n += len(r.load.From) {
		due := r.start.Add(time.Duration(float64(n) / r.load.Rate * float64(time.Second)))
		if !waitUntil(ctx, due) {
			r.fail(ctx.Err())
			return
		}
		to := r.load.To[n%len(r.load.To)]
		id, err := p.Send(ctx, to, r.message)
		if err != nil {
			r.fail(err)
			return
		}
		r.sent(p, id, to)
	}
}

// waitUntil reports false when the context ended first.
func waitUntil(ctx context.Context, t time.Time) bool {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *loadRun) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

func (r *loadRun) sent(p *Phone, id, to string) {
	at, _ := p.server().MessageTime(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Sent++
	if len(r.result.Messages) < keptLoadMessages {
		r.result.Messages = append(r.result.Messages, LoadMessage{ID: id, From: p.Number(), To: to, At: at})
	}
}
