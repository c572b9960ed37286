package httpapi

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"
)

const (
	ticketLife = 30 * time.Second
	// maxTickets bounds the unused tickets of one token; the oldest goes first.
	maxTickets = 100
)

// tickets are the one-time tickets that stand for a token in a URL. They live
// in memory only. A ticket leads back to its token, which is then checked like
// any other: with the token rotated or deleted, its tickets are worthless.
type tickets struct {
	mu      sync.Mutex // guards what follows
	byCode  map[string]ticket
	byToken map[string][]string // codes of a token, oldest first
}

type ticket struct {
	token    string
	tokenID  string
	instance string // name that it was made for
	expires  time.Time
}

func newTickets() *tickets {
	return &tickets{byCode: make(map[string]ticket), byToken: make(map[string][]string)}
}

// issue makes a ticket for the instance on behalf of the token.
func (t *tickets) issue(p Principal, name string) string {
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails: crypto/rand ends the program instead
	code := hex.EncodeToString(random)
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(now)
	codes := t.byToken[p.TokenID]
	codes = append(codes, code)
	if len(codes) > maxTickets {
		delete(t.byCode, codes[0])
		codes = codes[1:]
	}
	t.byToken[p.TokenID] = codes
	t.byCode[code] = ticket{token: p.token, tokenID: p.TokenID, instance: name, expires: now.Add(ticketLife)}
	return code
}

// redeem uses a ticket up and returns its token. A ticket that is shown for
// another instance is used up all the same.
func (t *tickets) redeem(code, name string) (token string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.byCode[code]
	if !ok {
		return "", false
	}
	t.drop(code)
	if found.instance != name || !time.Now().Before(found.expires) {
		return "", false
	}
	return found.token, true
}

// expire drops the tickets that nobody can use any more, of all tokens. The
// caller holds the lock.
func (t *tickets) expire(now time.Time) {
	for id, codes := range t.byToken {
		for len(codes) > 0 && !now.Before(t.byCode[codes[0]].expires) {
			delete(t.byCode, codes[0])
			codes = codes[1:]
		}
		if len(codes) == 0 {
			delete(t.byToken, id)
		} else {
			t.byToken[id] = codes
		}
	}
}

// drop removes one ticket. The caller holds the lock.
func (t *tickets) drop(code string) {
	id := t.byCode[code].tokenID
	delete(t.byCode, code)
	codes := t.byToken[id]
	for i, c := range codes {
		if c == code {
			t.byToken[id] = append(codes[:i:i], codes[i+1:]...)
			break
		}
	}
	if len(t.byToken[id]) == 0 {
		delete(t.byToken, id)
	}
}
