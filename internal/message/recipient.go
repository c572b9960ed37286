package message

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/waid"
)

const (
	cacheFor  = 24 * time.Hour
	cacheSize = 20_000 // numbers, about 200 bytes each
)

// recipient finds out whom an address means. Numbers must be registered.
func (s *Service) recipient(ctx context.Context, instanceID string, wire Transport, address string) (Recipient, error) {
	j, err := waid.ParseRecipient(address)
	if err != nil {
		return Recipient{}, err
	}
	if j.IsUser() {
		return s.person(ctx, instanceID, wire, j.User)
	}
	r, err := wire.Resolve(ctx, j.String())
	if err != nil {
		return Recipient{}, err
	}
	r.Type = chatType(j)
	switch {
	case j.IsLID():
		r.LID = j.String()
	case r.JID == "":
		r.JID = j.String()
	}
	return r, nil
}

func chatType(j waid.JID) string {
	switch {
	case j.IsGroup():
		return event.ChatGroup
	case j.IsNewsletter():
		return event.ChatNewsletter
	}
	return event.ChatPrivate
}

// person finds the account behind a phone number. A number that WhatsApp does
// not know is asked for again the next time: its owner may be joining.
func (s *Service) person(ctx context.Context, instanceID string, wire Transport, digits string) (Recipient, error) {
	key := numberKey{instanceID, digits}
	if r, ok := s.numbers.get(key); ok {
		return r, nil
	}
	forms := waid.BrazilianForms(digits)
	known, err := wire.Lookup(ctx, forms)
	if err != nil {
		return Recipient{}, fmt.Errorf("look up a number: %w", err)
	}
	n, ok := registered(forms, known)
	if !ok {
		return Recipient{}, fault.New(fault.Invalid, "Number is not registered on WhatsApp")
	}
	r := Recipient{JID: n.JID, LID: n.LID, Type: event.ChatPrivate}
	s.numbers.put(key, r)
	return r, nil
}

// registered returns the first form, in the order asked for, that is on
// WhatsApp: the given one wins a tie.
func registered(forms []string, known []Number) (Number, bool) {
	for _, form := range forms {
		for _, n := range known {
			if n.Exists && n.JID != "" && n.Query == form {
				return n, true
			}
		}
	}
	return Number{}, false
}

// numberKey is per instance, since the mapping to a LID has to be in that
// instance's own session store too.
type numberKey struct{ instanceID, digits string }

type cachedNumber struct {
	recipient Recipient
	until     time.Time
}

// numberCache remembers registered numbers for a day, at most size of them.
type numberCache struct {
	size int

	mu      sync.Mutex // guards numbers
	numbers map[numberKey]cachedNumber
}

func newNumberCache(size int) *numberCache {
	return &numberCache{size: size, numbers: make(map[numberKey]cachedNumber)}
}

func (c *numberCache) get(k numberKey) (Recipient, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.numbers[k]
	return n.recipient, ok && time.Now().Before(n.until)
}

func (c *numberCache) put(k numberKey, r Recipient) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.numbers) >= c.size {
		c.shrink()
	}
	c.numbers[k] = cachedNumber{r, time.Now().Add(cacheFor)}
}

// shrink drops what has expired, and then, in no particular order, as much as
// leaves a tenth free, so that a full cache is not swept at every put.
func (c *numberCache) shrink() {
	now := time.Now()
	for k, n := range c.numbers {
		if now.After(n.until) {
			delete(c.numbers, k)
		}
	}
	for k := range c.numbers {
		if len(c.numbers) <= c.size-c.size/10-1 {
			return
		}
		delete(c.numbers, k)
	}
}
