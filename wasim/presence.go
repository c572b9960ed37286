package wasim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// keptPresence is how many presence and typing signs a phone remembers.
const keptPresence = 1000

// presence is whether a person is online, and who wants to know.
type presence struct {
	mu          sync.Mutex // guards the fields below
	available   bool
	last        time.Time // of being online
	subscribers map[*device]bool
	seen        []PresenceSign
}

func newPresence() *presence { return &presence{subscribers: map[*device]bool{}} }

// PresenceSign is what a phone saw of somebody. Chat is the number, or the group's address. State is available,
// unavailable, typing, recording or paused.
type PresenceSign struct{ From, Chat, State string }

// PresenceSigns returns what the phone saw of others' presence and typing, oldest first, the newest 1,000.
func (p *Phone) PresenceSigns() []PresenceSign {
	pr := p.account.presence
	pr.mu.Lock()
	defer pr.mu.Unlock()
	return append([]PresenceSign(nil), pr.seen...)
}

func (p *presence) remember(sign PresenceSign) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, sign)
	if len(p.seen) > keptPresence {
		p.seen = p.seen[1:]
	}
}

// Presence makes the person appear available or unavailable, which the clients that have subscribed see, or typing,
// recording or paused in the chat to, a number or a group's address. For the first two to is not used.
func (p *Phone) Presence(_ context.Context, to, state string) error {
	switch state {
	case "available", "unavailable":
		p.account.setAvailable(state == "available")
		return nil
	case "typing", "recording", "paused":
	default:
		return fmt.Errorf("presence state must be available, unavailable, typing, recording or paused, not %q", state)
	}
	chat, err := p.server().parseChat(to)
	if err != nil {
		return err
	}
	return p.server().showTyping(origin{account: p.account}, chat, typingNode(state))
}

// typingNode is a state as it travels (whatsmeow: presence.go/handleChatState).
func typingNode(state string) Node {
	switch state {
	case "recording":
		return Node{Tag: "composing", Attrs: Attrs{"media": "audio"}}
	case "typing":
		return Node{Tag: "composing"}
	default:
		return Node{Tag: "paused"}
	}
}

func typingState(n *Node) string {
	switch {
	case n.Tag != "composing":
		return "paused"
	case stringAttr(n, "media") == "audio":
		return "recording"
	default:
		return "typing"
	}
}

// showTyping passes a typing sign on to the other person, or to the other members of a group. Nobody keeps it.
func (s *Server) showTyping(from origin, chat types.JID, sign Node) error {
	if chat.Server == types.GroupServer {
		route, code := s.routeOfGroup(chat, from.account)
		if code != 0 {
			return groupError(chat, code)
		}
		attrs := Attrs{"from": chat, "participant": from.account.pn}
		if route.lid {
			attrs["participant"], attrs["participant_pn"] = from.account.lid, from.account.pn
		}
		for _, other := range route.members {
			if other != from.account {
				other.show(Node{Tag: "chatstate", Attrs: attrs, Content: []Node{sign}})
			}
		}
		return nil
	}
	other := s.accounts.find(chat)
	if other == nil {
		return fmt.Errorf("%s: %w", chat, ErrNotFound)
	}
	if other.blocks(from.account) {
		return nil
	}
	attrs := Attrs{"from": from.account.pn, "sender_lid": from.account.lid}
	if chat.Server == types.HiddenUserServer {
		attrs = Attrs{"from": from.account.lid, "sender_pn": from.account.pn}
	}
	other.show(Node{Tag: "chatstate", Attrs: attrs, Content: []Node{sign}})
	return nil
}

// show gives a passing sign to the phone and the companions that are connected.
func (a *account) show(n Node) {
	a.phone.inbox.add(n)
	a.showLive(n, noDevice)
}

// handleChatState passes a client's typing on. It is not acknowledged.
func handleChatState(c *conn, n *Node) {
	sign := firstChild(n)
	if sign.Tag == "" {
		c.server.router.unknown(c, n)
		return
	}
	if err := c.server.showTyping(c.origin(), jidAttr(n, "to"), sign); err != nil {
		c.server.log.Debug("typing sign not passed on", "client", c, "error", err)
	}
}

// handlePresence takes a client's presence: available or unavailable, possibly with the name alone (an unrelated client
// sends that), or a subscription to somebody's (whatsmeow: presence.go/SendPresence, SubscribePresence).
func handlePresence(c *conn, n *Node) {
	a := c.device.account
	if name := stringAttr(n, "name"); name != "" {
		a.rename(name)
	}
	switch stringAttr(n, "type") {
	case "subscribe":
		if other := c.server.accounts.find(jidAttr(n, "to").ToNonAD()); other != nil {
			other.subscribe(c.device)
		}
	case "unavailable":
		a.setAvailable(false)
	case "available":
		a.setAvailable(true)
	}
}

// subscribe shows a device the account's presence from now on, and at once if the person is online.
func (a *account) subscribe(d *device) {
	pr := a.presence
	pr.mu.Lock()
	pr.subscribers[d] = true
	online, known := pr.available, !pr.last.IsZero()
	pr.mu.Unlock()
	if online || known {
		d.outbox.live(a.presenceNode())
	}
}

// presenceNode is the account's presence (whatsmeow: presence.go/handlePresence).
func (a *account) presenceNode() Node {
	a.presence.mu.Lock()
	defer a.presence.mu.Unlock()
	attrs := Attrs{"from": a.pn}
	if !a.presence.available {
		attrs["type"], attrs["last"] = "unavailable", timestamp(a.presence.last)
	}
	return Node{Tag: "presence", Attrs: attrs}
}

// setAvailable changes the account's presence and shows it to the subscribers that are connected.
func (a *account) setAvailable(on bool) {
	pr := a.presence
	pr.mu.Lock()
	pr.available, pr.last = on, a.server.now()
	subscribers := make([]*device, 0, len(pr.subscribers))
	for d := range pr.subscribers {
		subscribers = append(subscribers, d)
	}
	pr.mu.Unlock()
	n := a.presenceNode()
	for _, d := range subscribers {
		d.outbox.live(n)
		if d.outbox.connection() == nil { // subscriptions last as long as the connection
			pr.mu.Lock()
			delete(pr.subscribers, d)
			pr.mu.Unlock()
		}
	}
}

// presenceOffline makes an account unavailable when the connection of the client that made it available has ended.
func presenceOffline(c *conn) {
	pr := c.device.account.presence
	pr.mu.Lock()
	was := pr.available
	pr.mu.Unlock()
	if was {
		c.device.account.setAvailable(false)
	}
}

func (p *Phone) receiveChatState(n *Node) {
	from := jidAttr(n, "from")
	sign := PresenceSign{Chat: from.String()}
	author := from
	if from.Server == types.GroupServer {
		author = jidAttr(n, "participant")
	}
	a := p.server().accounts.find(author)
	if a == nil {
		return
	}
	sign.From = a.pn.User
	if from.Server != types.GroupServer {
		sign.Chat = sign.From
	}
	child := firstChild(n)
	sign.State = typingState(&child)
	p.account.presence.remember(sign)
}
