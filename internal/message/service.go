package message

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/chasqui/chasqui/internal/fault"
)

const (
	// sendLimit is how long WhatsApp has to acknowledge a message.
	sendLimit = 75 * time.Second
	// previewLimit bounds what a link preview may delay a message.
	previewLimit = 10 * time.Second
	// drainGrace is how long the sends that run may go on once the service
	// drains; most take less than one second, unless they show typing.
	drainGrace = 5 * time.Second
)

// Service validates, paces and sends.
type Service struct {
	store      Store
	transports Transports
	previews   Previewer
	log        *slog.Logger
	pace       *pacers
	numbers    *numberCache

	// mu guards what follows, and with it that no send begins once Stop waits.
	mu       sync.Mutex
	stopped  bool
	stopping chan struct{}
	cut      *time.Timer // ends the sends that outlast the grace
	running  map[uint64]context.CancelFunc
	next     uint64 // key of running
	sends    sync.WaitGroup
}

// NewService returns a service; previews may be nil.
func NewService(store Store, transports Transports, previews Previewer, opts Options) *Service {
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Service{
		store: store, transports: transports, previews: previews, log: log,
		pace:     newPacers(opts.Rate, opts.Burst),
		numbers:  newNumberCache(cacheSize),
		stopping: make(chan struct{}),
		running:  make(map[uint64]context.CancelFunc),
	}
}

// SendText checks the request, waits its turn and sends. The context's end
// does not stop a send that was handed to WhatsApp.
func (s *Service) SendText(ctx context.Context, instanceID string, t Text) (Answer, error) {
	if err := s.begin(); err != nil {
		return Answer{}, err
	}
	defer s.sends.Done()
	if err := t.check(); err != nil {
		return Answer{}, err
	}
	wire, err := s.transport(instanceID)
	if err != nil {
		return Answer{}, err
	}
	m, err := s.compose(ctx, instanceID, wire, t)
	if err != nil {
		return Answer{}, sendError(err, "")
	}
	if err := s.pace.wait(ctx, instanceID, s.stopping); err != nil {
		return Answer{}, err
	}
	// The connection may have changed while this call waited.
	if wire, err = s.transport(instanceID); err != nil {
		return Answer{}, err
	}
	sent, err := s.send(ctx, wire, m)
	if err != nil {
		return Answer{}, sendError(err, m.ID)
	}
	return answer(m, sent), nil
}

func (s *Service) transport(instanceID string) (Transport, error) {
	wire, ok := s.transports.Transport(instanceID)
	if !ok {
		return nil, fault.NotConnected()
	}
	return wire, nil
}

// begin counts a send that Stop has to wait for.
func (s *Service) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return fault.ShuttingDown()
	}
	s.sends.Add(1)
	return nil
}

// send hands the message to WhatsApp. When the caller goes away it returns at
// once, while the send runs on; Stop waits for it.
func (s *Service) send(ctx context.Context, wire Transport, m Outgoing) (Sent, error) {
	type result struct {
		sent Sent
		err  error
	}
	done := make(chan result, 1)
	s.sends.Add(1) // the caller's own count keeps Stop from having ended its wait
	go func() {
		defer s.sends.Done()
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.TypingTime+sendLimit)
		defer s.track(cancel)()
		sent, err := wire.Send(free, m)
		if err != nil && errors.Is(free.Err(), context.Canceled) {
			err = fault.ShuttingDown()
		}
		done <- result{sent, err}
	}()
	select {
	case r := <-done:
		return r.sent, r.err
	case <-ctx.Done():
		return Sent{}, context.Cause(ctx)
	}
}

// track lets the end of the grace cancel a send; the result is called when the
// send is over.
func (s *Service) track(cancel context.CancelFunc) (over func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.next
	s.next++
	s.running[key] = cancel
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.running, key)
		cancel()
	}
}

// sendError turns any error into one that a send route may show. id names the
// message that may nevertheless arrive, if it was handed over.
func sendError(err error, id string) error {
	var shown *fault.Error
	if errors.As(err, &shown) {
		return shown
	}
	f := fault.Wrap(fault.Internal, "Failed to send message: "+fault.Reason(err), err)
	if id != "" {
		f.Details = []fault.Detail{{Field: "messageId", Reason: id}}
	}
	return f
}

func answer(m Outgoing, sent Sent) Answer {
	a := Answer{
		ID: sent.ID, Type: "text", Content: m.Text, Timestamp: sent.Timestamp,
		Source: m.Source, Chat: m.To, Sender: sent.Sender, Mentions: m.Mentions,
	}
	if a.ID == "" {
		a.ID = m.ID
	}
	if m.Quote != nil {
		a.ReplyTo = m.Quote.MessageID
	}
	return a
}

// Drain turns away new sends and those that wait for their turn, and ends those
// that run if they take much longer. It returns at once; Stop waits. Call it
// before the server that waits for its requests is stopped.
func (s *Service) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.stopping)
		s.cut = time.AfterFunc(drainGrace, s.cutOff)
	}
}

func (s *Service) cutOff() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cancel := range s.running {
		cancel()
	}
}

// Stop drains and waits for the sends that are still running. It may be called
// more than once.
func (s *Service) Stop(ctx context.Context) error {
	s.Drain()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.sends.Wait()
	}()
	select {
	case <-done:
		s.cut.Stop()
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
