package webhooktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chasqui/chasqui/internal/webhook"
)

// behaviour is how a receiver answers.
type behaviour int

const (
	accepts behaviour = iota
	unavailable
	refusesConnections
	stalls
	isSlow
)

// receivers are the webhooks' receivers, who watch the promises.
type receivers struct {
	store      webhook.Store
	instanceID string

	mu      sync.Mutex // guards the rest
	all     [webhooks]receiver
	problem error
}

type receiver struct {
	how      behaviour
	running  int
	refusals map[int]int  // by event: how often it is still refused
	refused  map[int]int  // how often it was
	accepted map[int]bool // by event
}

var errBrokenConnection = errors.New("connection refused")

func newReceivers(store webhook.Store, instanceID string) *receivers {
	r := &receivers{store: store, instanceID: instanceID}
	for i := range r.all {
		r.all[i] = receiver{refusals: map[int]int{}, refused: map[int]int{}, accepted: map[int]bool{}}
	}
	return r
}

func (r *receivers) behave(i int, how behaviour) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[i].how = how
}

// refuse makes a receiver answer 400 to an event, so many times.
func (r *receivers) refuse(i, number, times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[i].refusals[number] = times
}

func (r *receivers) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.all {
		r.all[i].how = accepts
	}
}

func (r *receivers) broken() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.problem
}

func (r *receivers) missing(i, events int) (list []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := 1; n <= events; n++ {
		if !r.all[i].accepted[n] {
			list = append(list, n)
		}
	}
	return list
}

// post takes an attempt.
func (r *receivers) post(ctx context.Context, q webhook.Request) (webhook.Response, error) {
	body, err := io.ReadAll(q.Body)
	if err := errors.Join(err, q.Body.Close()); err != nil {
		return webhook.Response{}, err
	}
	number, err := strconv.Atoi(string(body))
	if err != nil {
		return webhook.Response{}, err
	}
	i, err := strconv.Atoi(q.URL[strings.LastIndexByte(q.URL, '/')+1:])
	if err != nil {
		return webhook.Response{}, err
	}
	settled, err := r.settled(ctx, q.Header[webhook.HeaderID], i)
	if err != nil {
		return webhook.Response{}, err
	}
	how := r.open(i, number, settled)
	defer r.close(i)
	return r.answer(ctx, i, number, how)
}

// settled reports whether a delivery's success is in the store.
func (r *receivers) settled(ctx context.Context, id string, i int) (bool, error) {
	list, _, err := r.store.ListDeliveries(ctx, r.instanceID, webhook.Query{
		Label: fmt.Sprint(i), State: webhook.Delivered, Limit: 1 << 20,
	})
	return slices.ContainsFunc(list, func(d webhook.Delivery) bool { return d.ID == id }), err
}

// open checks what must hold when an attempt begins.
func (r *receivers) open(i, number int, settled bool) behaviour {
	r.mu.Lock()
	defer r.mu.Unlock()
	to := &r.all[i]
	to.running++
	switch {
	case r.problem != nil:
	case settled:
		r.problem = fmt.Errorf("webhook %d: event %d was attempted after its success was settled", i, number)
	case to.running > 1:
		r.problem = fmt.Errorf("webhook %d: two attempts at once", i)
	}
	const parks = 3 // refusals
	for before := 1; before < number && r.problem == nil; before++ {
		if !to.accepted[before] && to.refused[before] < parks {
			r.problem = fmt.Errorf("webhook %d: event %d overtook event %d", i, number, before)
		}
	}
	return to.how
}

func (r *receivers) close(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[i].running--
}

func (r *receivers) answer(ctx context.Context, i, number int, how behaviour) (webhook.Response, error) {
	switch how {
	case unavailable:
		return webhook.Response{Status: 503}, nil
	case refusesConnections:
		return webhook.Response{}, errBrokenConnection
	case stalls:
		<-ctx.Done()
		return webhook.Response{}, ctx.Err()
	case isSlow:
		select {
		case <-time.After(3 * time.Second):
		case <-ctx.Done():
			return webhook.Response{}, ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	to := &r.all[i]
	if to.refusals[number] > 0 {
		to.refusals[number]--
		to.refused[number]++
		return webhook.Response{Status: 400}, nil
	}
	to.accepted[number] = true
	return webhook.Response{Status: 200}, nil
}

// line is one worker's way to the receivers. A dead worker's attempts reach
// nobody.
type line struct {
	*receivers
	dead atomic.Bool
}

// CheckURL implements webhook.Sender.
func (l *line) CheckURL(string) error { return nil }

// Post implements webhook.Sender.
func (l *line) Post(ctx context.Context, q webhook.Request) (webhook.Response, error) {
	if l.dead.Load() {
		return webhook.Response{}, errors.Join(errBrokenConnection, q.Body.Close())
	}
	return l.post(ctx, q)
}

// connection is one worker's way to the store. While it is cut, nothing passes.
type connection struct {
	webhook.Queue
	cut atomic.Bool
}

var errCut = errors.New("the connection to the store is cut")

func (c *connection) whole() error {
	if c.cut.Load() {
		return errCut
	}
	return nil
}

// Claim implements webhook.Queue.
func (c *connection) Claim(ctx context.Context, owner string, slow bool, now, until time.Time, limit int) ([]webhook.Line, error) {
	if err := c.whole(); err != nil {
		return nil, err
	}
	return c.Queue.Claim(ctx, owner, slow, now, until, limit)
}

// Renew implements webhook.Queue.
func (c *connection) Renew(ctx context.Context, owner string, webhookIDs []string, until time.Time) ([]string, error) {
	if err := c.whole(); err != nil {
		return nil, err
	}
	return c.Queue.Renew(ctx, owner, webhookIDs, until)
}

// NextDue implements webhook.Queue.
func (c *connection) NextDue(ctx context.Context) (time.Time, error) {
	if err := c.whole(); err != nil {
		return time.Time{}, err
	}
	return c.Queue.NextDue(ctx)
}

// Load implements webhook.Queue.
func (c *connection) Load(ctx context.Context, webhookID string, now time.Time, skip []string, limit int) (webhook.Load, error) {
	if err := c.whole(); err != nil {
		return webhook.Load{}, err
	}
	return c.Queue.Load(ctx, webhookID, now, skip, limit)
}

// Bury implements webhook.Queue.
func (c *connection) Bury(ctx context.Context, webhookID string, limit int) (bool, error) {
	if err := c.whole(); err != nil {
		return false, err
	}
	return c.Queue.Bury(ctx, webhookID, limit)
}

// Settle implements webhook.Queue.
func (c *connection) Settle(ctx context.Context, owner string, now time.Time, list []webhook.Settlement) error {
	if err := c.whole(); err != nil {
		return err
	}
	return c.Queue.Settle(ctx, owner, now, list)
}
