package wasim

import (
	"sync"
	"time"
)

// maxLive bounds what a client that does not read may have waiting of stanzas that are never sent again (answers,
// presence). What must be acknowledged is kept by the device's outbox anyway and costs nothing more here.
const maxLive = 8192

// queued is a stanza on its way to a client.
type queued struct {
	node Node
	due  time.Time // not before; zero = at once
	last bool      // the stream ends with it
}

// sendQueue holds the stanzas of one connection for its writer. Adding never blocks, so a client that does not read
// cannot stop anybody who sends to it.
type sendQueue struct {
	wake chan struct{} // holds one token while items may be waiting

	mu    sync.Mutex // guards the fields below; held for appends and swaps only
	items []queued
	live  int // how many of items are not kept anywhere else
}

func newSendQueue() *sendQueue { return &sendQueue{wake: make(chan struct{}, 1)} }

// push adds stanzas that an outbox keeps until they are acknowledged.
func (q *sendQueue) push(items ...queued) {
	q.mu.Lock()
	q.items = append(q.items, items...)
	q.mu.Unlock()
	q.signal()
}

// pushLive adds a stanza that is not kept anywhere. It reports false when the client has too many waiting.
func (q *sendQueue) pushLive(item queued) bool {
	q.mu.Lock()
	full := q.live >= maxLive
	if !full {
		q.live++
		q.items = append(q.items, item)
	}
	q.mu.Unlock()
	q.signal()
	return !full
}

// take empties the queue.
func (q *sendQueue) take() []queued {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items, q.live = nil, 0
	return items
}

func (q *sendQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
