package wasim

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/proto/waWeb"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// historyPerChat is how many messages of a chat a new companion gets.
const historyPerChat = 20

// sendInitialHistory gives a new companion the chats that the phone knows, and the names of the people in them.
func (p *Phone) sendInitialHistory(d *device) {
	conversations := p.conversations()
	history := &waHistorySync.HistorySync{
		SyncType: waHistorySync.HistorySync_INITIAL_BOOTSTRAP.Enum(), Conversations: conversations,
		ChunkOrder: proto.Uint32(1), Progress: proto.Uint32(100),
	}
	names := &waHistorySync.HistorySync{SyncType: waHistorySync.HistorySync_PUSH_NAME.Enum()}
	for _, c := range conversations {
		other := p.server().accounts.find(parseJID(c.GetID()))
		if other == nil {
			continue
		}
		names.Pushnames = append(names.Pushnames, &waHistorySync.Pushname{ID: c.ID, Pushname: proto.String(other.pushName())})
		history.PhoneNumberToLidMappings = append(history.PhoneNumberToLidMappings, &waHistorySync.PhoneNumberToLIDMapping{
			PnJID: proto.String(other.pn.String()), LidJID: proto.String(other.lid.String()),
		})
	}
	inline := d.props.GetHistorySyncConfig().GetInlineInitialPayloadInE2EeMsg()
	p.sendHistory(d, history, inline, "")
	if len(names.Pushnames) > 0 {
		p.sendHistory(d, names, inline, "")
	}
}

func parseJID(text string) types.JID {
	jid, err := types.ParseJID(text)
	if err != nil {
		return types.EmptyJID
	}
	return jid
}

// conversations lists the phone's chats with their newest messages, newest first in each.
func (p *Phone) conversations() []*waHistorySync.Conversation {
	var out []*waHistorySync.Conversation
	byChat := map[string]*waHistorySync.Conversation{}
	for _, m := range p.history.newestFirst() {
		id := m.chat.String()
		c := byChat[id]
		if c == nil {
			c = &waHistorySync.Conversation{ID: &id, EndOfHistoryTransfer: proto.Bool(false)}
			byChat[id], out = c, append(out, c)
		}
		if len(c.Messages) < historyPerChat {
			c.Messages = append(c.Messages, p.historyMessage(m))
		}
	}
	return out
}

func (p *Phone) historyMessage(m *logged) *waHistorySync.HistorySyncMsg {
	return &waHistorySync.HistorySyncMsg{Message: p.webMessage(m)}
}

// webMessage is a message in the form of histories (whatsmeow: message.go, client.go/ParseWebMessage).
func (p *Phone) webMessage(m *logged) *waWeb.WebMessageInfo {
	info := &waWeb.WebMessageInfo{
		Key: &waCommon.MessageKey{
			RemoteJID: proto.String(m.chat.String()), FromMe: proto.Bool(m.fromMe), ID: proto.String(m.id),
		},
		Message: m.message, MessageTimestamp: proto.Uint64(uint64(p.timeOf(m).Unix())),
	}
	if p.groupLike(m.chat) && !m.fromMe {
		info.Participant = proto.String(m.sender.String())
		info.Key.Participant = info.Participant
	}
	if a := p.server().accounts.find(m.sender); a != nil && !m.fromMe {
		info.PushName = proto.String(a.pushName())
	}
	return info
}

// timeOf is when the network got a message.
func (p *Phone) timeOf(m *logged) time.Time {
	if t, ok := p.server().MessageTime(m.id); ok {
		return t
	}
	return time.Unix(0, 0)
}

// newestFirst lists what the phone remembers.
func (l *chatLog) newestFirst() []*logged {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]*logged, 0, len(l.order))
	for i := len(l.order) - 1; i >= 0; i-- {
		out = append(out, l.messages[l.order[i]])
	}
	return out
}

// sendHistory sends a piece of history, inside the message or as an encrypted file (whatsmeow:
// message.go/DownloadHistorySync). request is the id of the request it answers, if any.
func (p *Phone) sendHistory(d *device, history *waHistorySync.HistorySync, inline bool, request string) {
	notice, err := p.packHistory(history, inline)
	if err == nil {
		if request != "" {
			notice.PeerDataRequestSessionID = &request
		}
		err = p.sendPeer(p.context(), d, &waE2E.ProtocolMessage{
			Type: waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION.Enum(), HistorySyncNotification: notice,
		})
	}
	if err != nil {
		p.server().log.Debug("history not sent", "device", d.jid(), "error", err)
	}
}

func (p *Phone) packHistory(history *waHistorySync.HistorySync, inline bool) (*waE2E.HistorySyncNotification, error) {
	raw, err := proto.Marshal(history)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	if _, err = z.Write(raw); err != nil {
		return nil, err
	}
	if err = z.Close(); err != nil {
		return nil, err
	}
	n := &waE2E.HistorySyncNotification{
		SyncType: waE2E.HistorySyncType(history.GetSyncType()).Enum(), ChunkOrder: proto.Uint32(1), Progress: proto.Uint32(100),
	}
	if inline {
		n.InitialHistBootstrapInlinePayload = packed.Bytes()
		return n, nil
	}
	f, err := sealMedia(packed.Bytes(), whatsmeow.MediaHistory)
	if err != nil {
		return nil, err
	}
	n.DirectPath, n.MediaKey, n.FileSHA256, n.FileEncSHA256 = proto.String(p.server().media.put(f.data)), f.key, f.hash, f.encHash
	n.FileLength = &f.length
	return n, nil
}

// answerDataRequest answers what a companion asks its phone for: older messages of a chat, or one message again.
func (p *Phone) answerDataRequest(d *device, id string, m *waE2E.ProtocolMessage) {
	ask := m.GetPeerDataOperationRequestMessage()
	switch ask.GetPeerDataOperationRequestType() {
	case waE2E.PeerDataOperationRequestType_HISTORY_SYNC_ON_DEMAND:
		p.sendHistory(d, p.olderMessages(ask.GetHistorySyncOnDemandRequest()), false, id)
	case waE2E.PeerDataOperationRequestType_PLACEHOLDER_MESSAGE_RESEND:
		if err := p.sendPlaceholders(d, id, ask); err != nil {
			p.server().log.Debug("messages not sent again", "device", d.jid(), "error", err)
		}
	default:
		p.server().log.Debug("unknown peer data request", "device", d.jid(), "type", ask.GetPeerDataOperationRequestType())
	}
}

// olderMessages is the part of a chat before the message that the request names, newest first.
func (p *Phone) olderMessages(ask *waE2E.PeerDataOperationRequestMessage_HistorySyncOnDemandRequest) *waHistorySync.HistorySync {
	chat := p.chatForms(parseJID(ask.GetChatJID()))
	c := &waHistorySync.Conversation{ID: proto.String(ask.GetChatJID())}
	found := false
	for _, m := range p.history.newestFirst() {
		switch {
		case !chat[m.chat]:
		case m.id == ask.GetOldestMsgID():
			found = true
		case found && len(c.Messages) < int(ask.GetOnDemandMsgCount()):
			c.Messages = append(c.Messages, p.historyMessage(m))
		}
	}
	c.EndOfHistoryTransfer = proto.Bool(len(c.Messages) < int(ask.GetOnDemandMsgCount()))
	return &waHistorySync.HistorySync{
		SyncType: waHistorySync.HistorySync_ON_DEMAND.Enum(), Conversations: []*waHistorySync.Conversation{c},
	}
}

// chatForms are the addresses under which a chat's messages may be remembered.
func (p *Phone) chatForms(chat types.JID) map[types.JID]bool {
	forms := map[types.JID]bool{chat: true}
	if a := p.server().accounts.find(chat); a != nil {
		forms[a.pn], forms[a.lid] = true, true
	}
	return forms
}

// sendPlaceholders sends messages again that a companion could not decrypt (whatsmeow:
// message.go/handlePlaceholderResendResponse).
func (p *Phone) sendPlaceholders(d *device, request string, ask *waE2E.PeerDataOperationRequestMessage) error {
	answer := &waE2E.PeerDataOperationRequestResponseMessage{
		PeerDataOperationRequestType: ask.PeerDataOperationRequestType, StanzaID: &request,
	}
	for _, wanted := range ask.GetPlaceholderMessageResendRequest() {
		m := p.history.find(wanted.GetMessageKey().GetID())
		if m == nil {
			return fmt.Errorf("message %s: %w", wanted.GetMessageKey().GetID(), ErrNotFound)
		}
		raw, err := proto.Marshal(p.webMessage(m))
		if err != nil {
			return err
		}
		answer.PeerDataOperationResult = append(answer.PeerDataOperationResult, &waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult{
			PlaceholderMessageResendResponse: &waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult_PlaceholderMessageResendResponse{
				WebMessageInfoBytes: raw,
			},
		})
	}
	return p.sendPeer(p.context(), d, &waE2E.ProtocolMessage{
		Type:                                    waE2E.ProtocolMessage_PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE.Enum(),
		PeerDataOperationRequestResponseMessage: answer,
	})
}
