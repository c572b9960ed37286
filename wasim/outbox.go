package wasim

import (
	"container/list"
	"slices"
	"strconv"
	"sync"

	"go.mau.fi/whatsmeow/types"
)

// keptRecent is how many delivered messages an outbox remembers for the redeliver fault.
const keptRecent = 64

// outbox keeps what a companion has to receive, in order, until it acknowledges each stanza, across connections.
//
// Lock order: an outbox's lock may be held while appending to its connection's queue, which never blocks; nothing else
// is locked under it, and no input or output happens.
type outbox struct {
	account *account

	mu      sync.Mutex // guards the fields below
	pending *list.List // of *stanza, oldest first
	index   map[stanzaKey][]*list.Element
	conn    *conn  // the login that counts, nil when offline
	active  bool   // the client has asked for what waits
	greeted bool   // it was active at least once
	recent  []Node // delivered messages, newest last
	hold    int    // how many of the next messages to hold back, by the reorder fault
	held    []Node
}

// stanza is one stanza to be acknowledged.
type stanza struct {
	node Node
	key  stanzaKey
}

// stanzaKey is what an acknowledgement always names.
type stanzaKey struct{ class, id string }

func newOutbox(a *account) *outbox {
	return &outbox{account: a, pending: list.New(), index: map[stanzaKey][]*list.Element{}}
}

// add keeps a stanza until it is acknowledged and sends it if the client is active. The stanza must not be changed
// afterwards.
func (o *outbox) add(n Node) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := stanzaKey{class: n.Tag, id: stringAttr(&n, "id")}
	o.index[key] = append(o.index[key], o.pending.PushBack(&stanza{node: n, key: key}))
	if o.conn == nil || !o.active {
		return
	}
	if o.hold > 0 && n.Tag == "message" {
		o.holdBack(n)
		return
	}
	o.conn.queue.push(queued{node: n, due: o.conn.due()})
}

// holdBack collects messages and sends them in reverse once all expected ones are there. The caller holds o.mu.
func (o *outbox) holdBack(n Node) {
	o.held = append(o.held, n)
	o.hold--
	if o.hold > 0 {
		return
	}
	slices.Reverse(o.held)
	o.pushAll(o.held, nil)
	o.held = nil
}

// pushAll queues stanzas on the connection with additional attributes. The caller holds o.mu.
func (o *outbox) pushAll(nodes []Node, more Attrs) {
	due := o.conn.due()
	items := make([]queued, len(nodes))
	for i, n := range nodes {
		if more != nil {
			n.Attrs = withAttrs(n.Attrs, more)
		}
		items[i] = queued{node: n, due: due}
	}
	o.conn.queue.push(items...)
}

// live sends a stanza that is not kept, if the client is active.
func (o *outbox) live(n Node) {
	o.mu.Lock()
	c := o.conn
	if !o.active {
		c = nil
	}
	o.mu.Unlock()
	if c != nil {
		c.send(n)
	}
}

// attach makes c the device's connection and returns the one it replaces, if any.
func (o *outbox) attach(c *conn) (replaced *conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	replaced, o.conn, o.active = o.conn, c, false
	o.hold, o.held = 0, nil
	return replaced
}

// detach forgets c. It reports false when another connection has replaced it.
func (o *outbox) detach(c *conn) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conn != c {
		return false
	}
	o.conn, o.active = nil, false
	return true
}

// connection is the device's connection, nil when it is offline.
func (o *outbox) connection() *conn {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.conn
}

// activate sends what waits, between a preview and an end mark (whatsmeow: connectionevents.go/handleIB), and from
// then on everything at once. first reports the device's first activation.
func (o *outbox) activate(c *conn) (first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conn != c || o.active {
		return false
	}
	o.active = true
	first, o.greeted = !o.greeted, true
	waiting := make([]Node, 0, o.pending.Len())
	for e := o.pending.Front(); e != nil; e = e.Next() {
		waiting = append(waiting, e.Value.(*stanza).node)
	}
	if len(waiting) > 0 {
		c.queue.push(queued{node: offlinePreview(waiting), due: c.due()})
		o.pushAll(waiting, Attrs{"offline": "0"})
	}
	done := Node{Tag: "offline", Attrs: Attrs{"count": strconv.Itoa(len(waiting))}}
	c.queue.push(queued{node: Node{Tag: "ib", Attrs: Attrs{"from": types.ServerJID}, Content: []Node{done}}, due: c.due()})
	return first
}

// offlinePreview announces what waits, by kind.
func offlinePreview(waiting []Node) Node {
	count := map[string]int{}
	for _, n := range waiting {
		count[n.Tag]++
	}
	attrs := Attrs{"count": strconv.Itoa(len(waiting)), "appdata": "0"}
	for _, kind := range []string{"message", "receipt", "notification", "call"} {
		attrs[kind] = strconv.Itoa(count[kind])
	}
	return Node{Tag: "ib", Attrs: Attrs{"from": types.ServerJID}, Content: []Node{{Tag: "offline_preview", Attrs: attrs}}}
}

// deactivate stops deliveries until the next activate, for a client that asks to be passive.
func (o *outbox) deactivate(c *conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conn == c {
		o.active = false
	}
}

// acknowledged forgets a stanza. n is the client's ack or receipt, class what it acknowledges. Receipts of several
// people for one message share an id, so the sender, participant and type decide between stanzas of the same id.
func (o *outbox) acknowledged(class string, n *Node) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := stanzaKey{class: class, id: stringAttr(n, "id")}
	candidates := o.index[key]
	if len(candidates) == 0 || o.account.faults.loseAck() {
		return
	}
	i := max(slices.IndexFunc(candidates, func(e *list.Element) bool { return answers(n, &e.Value.(*stanza).node) }), 0)
	e := candidates[i]
	o.remember(e.Value.(*stanza).node)
	o.pending.Remove(e)
	if len(candidates) == 1 {
		delete(o.index, key)
		return
	}
	o.index[key] = slices.Delete(candidates, i, i+1)
}

// answers reports whether an acknowledgement names this stanza in full.
func answers(ack, n *Node) bool {
	if jidAttr(ack, "to") != jidAttr(n, "from") || jidAttr(ack, "participant") != jidAttr(n, "participant") {
		return false
	}
	return n.Tag == "message" || ack.Tag != "ack" || stringAttr(ack, "type") == stringAttr(n, "type")
}

func (o *outbox) remember(n Node) {
	if n.Tag != "message" {
		return
	}
	if len(o.recent) == keptRecent {
		o.recent = slices.Delete(o.recent, 0, 1)
	}
	o.recent = append(o.recent, n)
}
