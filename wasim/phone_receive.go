package wasim

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// receiveMessage decrypts a message for the phone, tells the sender that it arrived, and shows it to the person.
func (p *Phone) receiveMessage(n *Node) {
	m, ok := p.parseIncoming(n)
	if !ok {
		return
	}
	content, err := p.open(m)
	if errors.Is(err, signalerror.ErrOldCounter) {
		return // was decrypted before
	}
	if err != nil {
		p.server().log.Debug("phone cannot decrypt", "phone", p.Number(), "message", m.id, "error", err)
		p.askRetry(m)
		return
	}
	if m.from.account != p.account {
		p.confirm(m, "")
	}
	if content != nil {
		p.accept(m, content)
	}
}

// incoming is a message stanza as a phone sees it.
type incoming struct {
	stanza *Node
	id     string
	from   origin
	sender types.JID // as addressed, with device
	chat   types.JID // group, or the other person as addressed
	at     time.Time
}

func (p *Phone) parseIncoming(n *Node) (*incoming, bool) {
	m := &incoming{stanza: n, id: stringAttr(n, "id"), sender: jidAttr(n, "from"), at: time.Unix(int64(uintAttr(n, "t")), 0)}
	m.chat = m.sender.ToNonAD()
	if p.groupLike(m.chat) {
		m.sender = jidAttr(n, "participant")
	} else if r := jidAttr(n, "recipient"); !r.IsEmpty() {
		m.chat = r
	}
	m.from = origin{account: p.server().accounts.find(m.sender), dev: m.sender.Device}
	return m, m.from.account != nil
}

func (p *Phone) groupLike(j types.JID) bool {
	return j.Server == types.GroupServer || j.Server == types.BroadcastServer
}

// open decrypts all parts of a message. The content is nil if there was only a sender key.
func (p *Phone) open(m *incoming) (content *waE2E.Message, err error) {
	p.crypto.Lock()
	defer p.crypto.Unlock()
	for _, enc := range m.stanza.GetChildrenByTag("enc") {
		plain, err := p.decrypt(p.context(), m.from, m.chat, &enc)
		if err != nil {
			return nil, fmt.Errorf("%s from %s: %w", stringAttr(&enc, "type"), m.sender, err)
		}
		part := &waE2E.Message{}
		if err = proto.Unmarshal(plain, part); err != nil {
			return nil, err
		}
		if key := part.GetSenderKeyDistributionMessage(); key != nil {
			if err = p.learnSenderKey(p.context(), m.from, key.GetGroupID(), key.GetAxolotlSenderKeyDistributionMessage()); err != nil {
				return nil, err
			}
			part.SenderKeyDistributionMessage = nil
		}
		if sent := part.GetDeviceSentMessage(); sent != nil {
			part = sent.GetMessage()
		}
		if part != nil && proto.Size(part) > 0 {
			content = part
		}
	}
	return content, nil
}

// confirm sends a receipt for a message.
func (p *Phone) confirm(m *incoming, kind string, content ...Node) {
	n := Node{Tag: "receipt", Attrs: Attrs{"id": m.id, "to": m.stanza.Attrs["from"]}}
	for _, key := range []string{"participant", "recipient"} {
		if v, ok := m.stanza.Attrs[key]; ok {
			n.Attrs[key] = v
		}
	}
	if kind != "" {
		n.Attrs["type"] = kind
	}
	if len(content) > 0 {
		n.Content = content
	}
	p.server().routeReceipt(origin{account: p.account}, &n)
}

// accept records a message and shows it, unless it is an own companion's. What companions ask of their phone goes to
// the peer handlers.
func (p *Phone) accept(m *incoming, content *waE2E.Message) {
	own := m.from.account == p.account
	if peer := content.GetProtocolMessage(); own && stringAttr(m.stanza, "category") == "peer" {
		handler := p.server().router.peer[peer.GetType()]
		if d := p.account.companion(m.from.dev); handler != nil && d != nil {
			handler(p, d, m.id, peer)
		}
		return
	}
	fresh := p.history.record(&logged{id: m.id, chat: m.chat, sender: m.sender.ToNonAD(), fromMe: own, message: content})
	if own || !fresh {
		return
	}
	r := Received{ID: m.id, From: m.from.account.pn.User, Chat: m.chat.String(), Timestamp: m.at, Raw: content}
	if !p.groupLike(m.chat) {
		r.Chat = r.From
	}
	p.describe(&r, m.sender)
	p.history.show(r)
}

// maxRetries bounds how often one message is asked for again, or sent again (whatsmeow: retry.go).
const maxRetries = 5

// askRetry asks the sender to encrypt a message again; from the second time on it sends keys for a new session along
// (whatsmeow: retry.go/sendRetryReceipt).
func (p *Phone) askRetry(m *incoming) {
	key := m.id + " " + m.sender.String()
	p.crypto.Lock()
	p.retries[key]++
	count := p.retries[key]
	p.crypto.Unlock()
	if count >= maxRetries {
		return
	}
	keys := p.bundle()
	content := []Node{
		{Tag: "retry", Attrs: Attrs{"count": strconv.Itoa(count), "id": m.id, "t": m.stanza.Attrs["t"], "v": "1"}},
		keys[0], // registration
	}
	if count > 1 {
		content = append(content, Node{Tag: "keys", Content: keys[1:]})
	}
	p.confirm(m, "retry", content...)
}

// receiveReceipt answers retry receipts. Other receipts have nothing to change on a simulated phone.
func (p *Phone) receiveReceipt(n *Node) {
	if stringAttr(n, "type") != "retry" {
		return
	}
	if err := p.resend(n); err != nil {
		p.server().log.Debug("retry not answered", "phone", p.Number(), "message", stringAttr(n, "id"), "error", err)
	}
}

// resend encrypts a message again for the one device that could not read it (whatsmeow: retry.go/handleRetryReceipt).
func (p *Phone) resend(receipt *Node) error {
	id := stringAttr(receipt, "id")
	message := p.history.find(id)
	if message == nil || !message.fromMe {
		return ErrNotFound
	}
	asker := jidAttr(receipt, "participant")
	if asker.IsEmpty() {
		asker = jidAttr(receipt, "from")
	}
	to := origin{account: p.server().accounts.find(asker), dev: asker.Device}
	if to.account == nil {
		return ErrNotFound
	}
	retry := receipt.GetChildByTag("retry")
	count, err := strconv.Atoi(stringAttr(&retry, "count"))
	if err != nil || count > maxRetries {
		return fmt.Errorf("retry number %q", stringAttr(&retry, "count"))
	}
	p.crypto.Lock()
	defer p.crypto.Unlock()
	if err = p.renewSession(to, receipt, count); err != nil {
		return err
	}
	plain, err := p.retryContent(to, message)
	if err != nil {
		return err
	}
	enc, err := p.encrypt(p.context(), to, plain)
	if err != nil {
		return err
	}
	enc.Attrs["count"] = strconv.Itoa(count)
	p.server().routeMessage(origin{account: p.account}, retryStanza(receipt, message, asker, enc))
	return nil
}

// renewSession starts a new session when the asker sent keys, or asks again.
func (p *Phone) renewSession(to origin, receipt *Node, count int) error {
	if _, ok := receipt.GetOptionalChildByTag("keys"); ok {
		return p.startSession(p.context(), to, *receipt)
	}
	if count > 1 {
		return p.startSession(p.context(), to, p.server().bundle(to.jid()))
	}
	return nil
}

// retryContent is the message as that device has to get it: with the sender key in a group, as a copy for an own
// companion.
func (p *Phone) retryContent(to origin, m *logged) ([]byte, error) {
	content := m.message
	switch {
	case m.chat.Server == types.GroupServer:
		key, err := p.senderKey(p.context(), m.chat)
		if err != nil {
			return nil, err
		}
		content = proto.Clone(content).(*waE2E.Message)
		content.SenderKeyDistributionMessage = senderKeyMessage(m.chat, key).SenderKeyDistributionMessage
	case to.account == p.account:
		content = &waE2E.Message{DeviceSentMessage: &waE2E.DeviceSentMessage{
			DestinationJID: proto.String(m.chat.String()), Message: m.message,
		}}
	}
	return proto.Marshal(content)
}

func retryStanza(receipt *Node, m *logged, asker types.JID, enc Node) *Node {
	n := &Node{
		Tag:     "message",
		Attrs:   Attrs{"id": m.id, "to": asker, "type": stanzaType(m.message)},
		Content: []Node{enc},
	}
	if m.chat.Server == types.GroupServer {
		n.Attrs["to"], n.Attrs["participant"] = m.chat, asker
	}
	if recipient, ok := receipt.Attrs["recipient"]; ok {
		n.Attrs["recipient"] = recipient
	}
	if edit := editAttribute(m.message); edit != "" {
		n.Attrs["edit"] = edit
	}
	return n
}
