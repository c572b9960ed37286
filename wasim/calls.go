package wasim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.mau.fi/whatsmeow/types"
)

// keptCalls is how many call signs a phone remembers.
const keptCalls = 1000

// What the caller's phone says it is.
const (
	callPlatform = "android"
	callVersion  = "2.25.1"
)

// CallAction is one step of a call. Action is offer, accept, reject or terminate, and besides these preaccept,
// transport or relaylatency, which phones exchange on the way. An offer to a group is a notice. CallID may be empty for
// an offer. Reason is that of a terminate. With LID the caller is named by hidden identity with the number beside it,
// as newer phones are.
type CallAction struct {
	Action, CallID string
	Video          bool
	Reason         string
	LID            bool
	From           string // in Calls: the number of who did it
}

type callLog struct {
	mu    sync.Mutex // guards seen
	seen  []CallAction
	calls map[string]*account // who started a call, by its id
}

// Calls returns what the phone saw of calls, oldest first, the newest 1,000: what others do, also the person's own
// companions.
func (p *Phone) Calls() []CallAction {
	l := p.account.calls
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.seen)
}

func (l *callLog) remember(c CallAction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, c)
	if len(l.seen) > keptCalls {
		l.seen = l.seen[1:]
	}
}

// started notes who created a call, or finds it out.
func (l *callLog) started(id string, by *account) *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls == nil {
		l.calls = map[string]*account{}
	}
	if l.calls[id] == nil {
		l.calls[id] = by
	}
	return l.calls[id]
}

var callActions = []string{"offer", "accept", "reject", "terminate", "preaccept", "transport", "relaylatency"}

// Call makes one step of a call with a number, or of a group call, and returns the call's id. The error wraps
// ErrNotFound for a number or group that does not exist.
func (p *Phone) Call(_ context.Context, to string, c CallAction) (callID string, err error) {
	if !slices.Contains(callActions, c.Action) {
		return "", fmt.Errorf("call action must be one of %s, not %q", strings.Join(callActions, ", "), c.Action)
	}
	if c.CallID == "" {
		if c.Action != "offer" {
			return "", fmt.Errorf("%s needs the id of the call", c.Action)
		}
		c.CallID = strings.ToUpper(randomName())
	}
	chat, err := p.server().parseChat(to)
	if err != nil {
		return "", err
	}
	return c.CallID, p.server().placeCall(p.account, chat, c)
}

func (s *Server) placeCall(from *account, chat types.JID, c CallAction) error {
	if chat.Server != types.GroupServer {
		other := s.accounts.find(chat)
		if other.blocks(from) {
			return nil
		}
		creator := other.calls.started(c.CallID, from.calls.started(c.CallID, from))
		other.deliverAll(s.callStanza(from, c, callStep(creator, c)), noDevice)
		return nil
	}
	route, code := s.routeOfGroup(chat, from)
	if code != 0 && code != 403 {
		return fmt.Errorf("group %s: %w", chat, ErrNotFound)
	}
	for _, other := range route.members {
		if other == from {
			continue
		}
		creator := other.calls.started(c.CallID, from.calls.started(c.CallID, from))
		step := callStep(creator, c)
		step.Attrs["group-jid"] = chat
		if c.Action == "offer" {
			step.Tag, step.Content = "offer_notice", nil
			step.Attrs["type"], step.Attrs["media"] = "group", onOff(c.Video, "video", "audio")
		}
		other.deliverAll(s.callStanza(from, c, step), noDevice)
	}
	return nil
}

// callStanza carries one step to the other side (whatsmeow: call.go/handleCallEvent).
func (s *Server) callStanza(from *account, c CallAction, step Node) Node {
	attrs := Attrs{
		"from": from.pn, "id": s.nextID(), "t": timestamp(s.now()), "notify": from.pushName(),
		"platform": callPlatform, "version": callVersion,
	}
	if c.LID {
		attrs["from"] = from.lid
	}
	return Node{Tag: "call", Attrs: attrs, Content: []Node{step}}
}

// callStep is the element that says what happens.
func callStep(creator *account, c CallAction) Node {
	n := Node{Tag: c.Action, Attrs: Attrs{"call-id": c.CallID, "call-creator": creator.pn}}
	if c.LID {
		n.Attrs["call-creator"], n.Attrs["caller_pn"] = creator.lid, creator.pn
	}
	switch c.Action {
	case "offer":
		n.Content = offerContent(c.Video)
	case "terminate":
		n.Attrs["reason"] = c.Reason
	case "relaylatency":
		latency := Attrs{"latency": "33554502", "relay_name": "sim1c01"}
		n.Content = []Node{{Tag: "te", Attrs: latency, Content: []byte{127, 0, 0, 1, 0x0d, 0x96}}}
	}
	return n
}

// offerContent names the codecs; a video child is what makes a video call.
func offerContent(video bool) []Node {
	out := []Node{
		{Tag: "audio", Attrs: Attrs{"enc": "opus", "rate": "8000"}},
		{Tag: "audio", Attrs: Attrs{"enc": "opus", "rate": "16000"}},
	}
	if video {
		out = append(out, Node{Tag: "video", Attrs: Attrs{"enc": "h.264", "dec": "h264", "orientation": "0"}})
	}
	return append(out, Node{Tag: "net", Attrs: Attrs{"medium": "3"}}, Node{Tag: "encopt", Attrs: Attrs{"keygen": "2"}})
}

// handleCall acknowledges a client's step of a call, which an unrelated client waits for, and passes it on to the other
// side and to the client's own other devices.
func handleCall(c *conn, n *Node) {
	step, s, from := firstChild(n), c.server, c.device.account
	if step.Tag == "" {
		s.router.unknown(c, n)
		return
	}
	ack := Attrs{"class": "call", "id": n.Attrs["id"], "from": n.Attrs["to"], "type": step.Tag}
	other := s.accounts.find(jidAttr(n, "to"))
	if other == nil {
		ack["error"] = "404"
	}
	c.send(Node{Tag: "ack", Attrs: ack})
	if other == nil {
		return
	}
	id := stringAttr(&step, "call-id")
	step.Attrs = withAttrs(step.Attrs, Attrs{"call-creator": from.calls.started(id, from).pn})
	passed := s.callStanza(from, CallAction{LID: jidAttr(n, "to").Server == types.HiddenUserServer}, step)
	other.deliverAll(passed, noDevice)
	from.deliverAll(passed, c.device.id)
}

func (p *Phone) receiveCall(n *Node) {
	step := firstChild(n)
	from := p.server().accounts.find(jidAttr(n, "from"))
	if from == nil {
		return
	}
	_, video := step.GetOptionalChildByTag("video")
	p.account.calls.remember(CallAction{
		Action: step.Tag, CallID: stringAttr(&step, "call-id"), Reason: stringAttr(&step, "reason"), From: from.pn.User,
		Video: video || stringAttr(&step, "media") == "video", LID: jidAttr(n, "from").Server == types.HiddenUserServer,
	})
}
