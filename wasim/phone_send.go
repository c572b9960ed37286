package wasim

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"

	"go.mau.fi/util/random"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// Send sends a message as the person, end-to-end encrypted for every device of everybody in the chat and for the
// person's own companions. to is a number, a person's address or a group's. It returns when the network has the
// message, with its id. The error wraps ErrNotFound for an unknown receiver or message.
func (p *Phone) Send(ctx context.Context, to string, m Message) (messageID string, err error) {
	chat, err := p.server().parseChat(to)
	if err != nil {
		return "", err
	}
	if p.useLID.Load() && chat.Server == types.DefaultUserServer {
		chat = p.server().accounts.find(chat).lid
	}
	content, err := p.compose(ctx, chat, m)
	if err != nil {
		return "", err
	}
	id := newMessageID()
	return id, p.sendContent(ctx, chat, id, content)
}

// newMessageID is an id in the form that phones use.
func newMessageID() string { return "3A" + strings.ToUpper(hex.EncodeToString(random.Bytes(9))) }

// sendContent encrypts and routes a message under an id of the caller's.
func (p *Phone) sendContent(ctx context.Context, chat types.JID, id string, content *waE2E.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.history.record(&logged{id: id, chat: chat, sender: p.addressIn(chat), fromMe: true, message: content})
	n := Node{Tag: "message", Attrs: Attrs{"id": id, "to": chat, "type": stanzaType(content)}}
	if edit := editAttribute(content); edit != "" {
		n.Attrs["edit"] = edit
	}
	p.crypto.Lock()
	defer p.crypto.Unlock()
	var err error
	if chat.Server == types.GroupServer {
		n.Content, err = p.encryptForGroup(ctx, chat, content)
	} else {
		n.Content, err = p.encryptForPerson(ctx, chat, content)
	}
	if err != nil {
		return err
	}
	n.Content = append(n.GetChildren(), metaNodes(content)...)
	if code := p.server().routeMessage(origin{account: p.account}, &n); code != 0 {
		return fmt.Errorf("the network refused the message: error %d", code)
	}
	return nil
}

// metaNodes are the elements beside the encrypted parts (whatsmeow: send.go/getMessageContent).
func metaNodes(content *waE2E.Message) []Node {
	switch {
	case pollOf(content) != nil:
		return []Node{{Tag: "meta", Attrs: Attrs{"polltype": "creation"}}}
	case content.GetPollUpdateMessage() != nil:
		return []Node{{Tag: "meta", Attrs: Attrs{"polltype": "vote"}}}
	default:
		return nil
	}
}

// encAttrs are the attributes of encrypted parts beside version and type (whatsmeow: send.go/prepareMessageNode).
func encAttrs(content *waE2E.Message) Attrs {
	attrs := Attrs{}
	if kind := mediaType(content); kind != "" {
		attrs["mediatype"] = kind
	}
	if content.GetReactionMessage() != nil || content.GetPollUpdateMessage() != nil || editAttribute(content) != "" {
		attrs["decrypt-fail"] = "hide"
	}
	return attrs
}

// addressIn is the phone's own address as it appears in a chat.
func (p *Phone) addressIn(chat types.JID) types.JID {
	if chat.Server == types.HiddenUserServer {
		return p.account.lid
	}
	if chat.Server == types.GroupServer {
		if route, code := p.server().routeOfGroup(chat, p.account); code == 0 && route.lid {
			return p.account.lid
		}
	}
	return p.account.pn
}

// encryptForPerson encrypts for all devices of the other person, and a copy that names the chat for the own
// companions. The caller holds p.crypto.
func (p *Phone) encryptForPerson(ctx context.Context, chat types.JID, content *waE2E.Message) ([]Node, error) {
	plain, err := proto.Marshal(content)
	if err != nil {
		return nil, err
	}
	copied, err := proto.Marshal(&waE2E.Message{
		DeviceSentMessage:  &waE2E.DeviceSentMessage{DestinationJID: proto.String(chat.String()), Message: content},
		MessageContextInfo: content.MessageContextInfo,
	})
	if err != nil {
		return nil, err
	}
	var devices []Node
	other := p.server().accounts.find(chat)
	if other != nil && other != p.account {
		devices = p.encryptForAll(ctx, other.everyDevice(noDevice), plain, encAttrs(content))
	}
	devices = append(devices, p.encryptForAll(ctx, p.account.everyDevice(0), copied, encAttrs(content))...)
	return []Node{{Tag: "participants", Content: devices}}, nil
}

// encryptForAll makes the <to> elements for devices. A device whose keys cannot be had is left out, as phones do; it
// was unlinked in this moment.
func (p *Phone) encryptForAll(ctx context.Context, devices []origin, plain []byte, attrs Attrs) []Node {
	out := make([]Node, 0, len(devices))
	for _, d := range devices {
		enc, err := p.encrypt(ctx, d, plain)
		if err != nil {
			p.server().log.Debug("left a device out", "phone", p.Number(), "error", err)
			continue
		}
		maps.Copy(enc.Attrs, attrs)
		out = append(out, Node{Tag: "to", Attrs: Attrs{"jid": d.jid()}, Content: []Node{enc}})
	}
	return out
}

// everyDevice lists the phone and companions but one.
func (a *account) everyDevice(except uint16) []origin {
	var out []origin
	for _, dev := range a.deviceNumbers() {
		if dev != except {
			out = append(out, origin{account: a, dev: dev})
		}
	}
	return out
}

// encryptForGroup encrypts once with the sender key, and sends that key to devices that do not have it yet. When
// somebody has left, the key is replaced. The caller holds p.crypto.
func (p *Phone) encryptForGroup(ctx context.Context, group types.JID, content *waE2E.Message) ([]Node, error) {
	route, code := p.server().routeOfGroup(group, p.account)
	if code != 0 {
		return nil, groupError(group, code)
	}
	devices := map[types.JID]origin{}
	for _, member := range route.members {
		for _, d := range member.everyDevice(noDevice) {
			if d != (origin{account: p.account}) {
				devices[d.lid()] = d
			}
		}
	}
	missing := p.withoutSenderKey(group, devices)
	key, err := p.senderKey(ctx, group)
	if err != nil {
		return nil, err
	}
	distribution, err := proto.Marshal(senderKeyMessage(group, key))
	if err != nil {
		return nil, err
	}
	plain, err := proto.Marshal(content)
	if err != nil {
		return nil, err
	}
	sealed, err := p.encryptGroup(ctx, group, plain)
	if err != nil {
		return nil, err
	}
	maps.Copy(sealed.Attrs, encAttrs(content))
	return []Node{{Tag: "participants", Content: p.encryptForAll(ctx, missing, distribution, nil)}, sealed}, nil
}

func senderKeyMessage(group types.JID, key []byte) *waE2E.Message {
	return &waE2E.Message{SenderKeyDistributionMessage: &waE2E.SenderKeyDistributionMessage{
		GroupID: proto.String(group.String()), AxolotlSenderKeyDistributionMessage: key,
	}}
}

// withoutSenderKey lists the devices that need the phone's sender key of a group and notes that they get it. It forgets
// the key first if a device that has it is not in the group any more.
func (p *Phone) withoutSenderKey(group types.JID, devices map[types.JID]origin) []origin {
	holders := p.holders[group]
	for jid := range holders {
		if _, still := devices[jid]; !still {
			p.signal.forgetSenderKey(p.senderKeyName(group))
			holders = nil
			break
		}
	}
	if holders == nil {
		holders = map[types.JID]bool{}
		p.holders[group] = holders
	}
	var missing []origin
	for jid, d := range devices {
		if !holders[jid] {
			holders[jid] = true
			missing = append(missing, d)
		}
	}
	return missing
}

// sendPeer sends a protocol message to one of the person's own companions.
func (p *Phone) sendPeer(ctx context.Context, d *device, m *waE2E.ProtocolMessage) error {
	plain, err := proto.Marshal(&waE2E.Message{ProtocolMessage: m})
	if err != nil {
		return err
	}
	p.crypto.Lock()
	defer p.crypto.Unlock()
	enc, err := p.encrypt(ctx, origin{account: p.account, dev: d.id}, plain)
	if err != nil {
		return err
	}
	p.server().routeMessage(origin{account: p.account}, &Node{
		Tag:     "message",
		Attrs:   Attrs{"id": newMessageID(), "to": d.jid(), "type": "text", "category": "peer"},
		Content: []Node{enc},
	})
	return nil
}

// Receipt tells the sender of messages what the person did with them: delivered, read or played. to is the chat, as
// for Send. The error wraps ErrNotFound for a chat that does not exist, or a group message the phone does not know.
func (p *Phone) Receipt(ctx context.Context, to string, ids []string, status string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	chat, err := p.server().parseChat(to)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return fmt.Errorf("no message ids")
	}
	n := Node{Tag: "receipt", Attrs: Attrs{"id": ids[0], "to": chat}}
	switch status {
	case "delivered":
	case "read", "played":
		n.Attrs["type"] = status
	default:
		return fmt.Errorf("receipt status %q: use delivered, read or played", status)
	}
	if m := p.history.find(ids[0]); m != nil && !m.fromMe && m.chat.Server == chat.Server {
		n.Attrs["to"] = m.chat
		if chat.Server == types.GroupServer {
			n.Attrs["participant"] = m.sender
		}
	} else if chat.Server == types.GroupServer {
		return fmt.Errorf("message %s: %w", ids[0], ErrNotFound)
	}
	var items []Node
	for _, id := range ids[1:] {
		items = append(items, Node{Tag: "item", Attrs: Attrs{"id": id}})
	}
	if len(items) > 0 {
		n.Content = []Node{{Tag: "list", Content: items}}
	}
	p.server().routeReceipt(origin{account: p.account}, &n)
	return nil
}
