package wasim

import (
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
)

// payload is what a message says once wrappers that only change its presentation are taken off.
func payload(m *waE2E.Message) *waE2E.Message {
	for {
		inner := firstWrapped(
			m.GetViewOnceMessage(), m.GetViewOnceMessageV2(), m.GetViewOnceMessageV2Extension(),
			m.GetEphemeralMessage(), m.GetDocumentWithCaptionMessage(), m.GetLottieStickerMessage(), m.GetEditedMessage(),
		)
		if inner == nil {
			return m
		}
		m = inner
	}
}

func firstWrapped(wrappers ...*waE2E.FutureProofMessage) *waE2E.Message {
	for _, w := range wrappers {
		if inner := w.GetMessage(); inner != nil {
			return inner
		}
	}
	return nil
}

// stanzaType is the type attribute of a message stanza (whatsmeow: send.go/getTypeFromMessage).
func stanzaType(m *waE2E.Message) string {
	inner := payload(m)
	switch {
	case inner.GetReactionMessage() != nil, inner.GetEncReactionMessage() != nil:
		return "reaction"
	case pollOf(inner) != nil, inner.GetPollUpdateMessage() != nil:
		return "poll"
	case mediaType(m) != "":
		return "media"
	default:
		return "text"
	}
}

// mediaType is the mediatype attribute of an encrypted part, "" for messages without one (whatsmeow:
// send.go/getMediaTypeFromMessage).
func mediaType(m *waE2E.Message) string {
	switch inner := payload(m); {
	case inner.GetImageMessage() != nil:
		return "image"
	case inner.GetStickerMessage() != nil:
		return "sticker"
	case inner.GetDocumentMessage() != nil:
		return "document"
	case inner.GetAudioMessage().GetPTT():
		return "ptt"
	case inner.GetAudioMessage() != nil:
		return "audio"
	case inner.GetPtvMessage() != nil:
		return "ptv"
	case inner.GetVideoMessage() != nil:
		return "video"
	case inner.GetContactMessage() != nil:
		return "vcard"
	default:
		return ""
	}
}

// editAttribute marks edits and revocations: 1 edit, 7 revoked by the sender, 8 by a group's admin (whatsmeow:
// send.go/getEditAttribute, types/message.go).
func editAttribute(m *waE2E.Message) string {
	protocol := payload(m).GetProtocolMessage()
	switch {
	case protocol.GetKey() == nil && m.GetReactionMessage() != nil && m.GetReactionMessage().GetText() == "":
		return string(types.EditAttributeSenderRevoke)
	case protocol.GetKey() == nil:
		return ""
	case protocol.GetType() == waE2E.ProtocolMessage_MESSAGE_EDIT:
		return string(types.EditAttributeMessageEdit)
	case protocol.GetType() == waE2E.ProtocolMessage_REVOKE && protocol.GetKey().GetFromMe():
		return string(types.EditAttributeSenderRevoke)
	case protocol.GetType() == waE2E.ProtocolMessage_REVOKE:
		return string(types.EditAttributeAdminRevoke)
	default:
		return ""
	}
}

// describe fills in what a received message says.
func (p *Phone) describe(r *Received, sender types.JID) {
	inner := payload(r.Raw)
	media, err := p.server().openMedia(r.Raw)
	if err != nil {
		p.server().log.Debug("phone cannot fetch a file", "phone", p.Number(), "message", r.ID, "error", err)
	}
	switch {
	case media != nil:
		r.Media, r.Type, r.Text = media, media.Type, media.Caption
	case mediaType(inner) != "" && inner.GetContactMessage() == nil:
		r.Type = mediaType(inner)
	case inner.GetLocationMessage() != nil:
		r.Type, r.Text = "location", inner.GetLocationMessage().GetName()
	case inner.GetContactMessage() != nil:
		r.Type, r.Text = "contact", inner.GetContactMessage().GetDisplayName()
	case pollOf(inner) != nil:
		r.Type, r.Text = "poll", pollOf(inner).GetName()
	case inner.GetPollUpdateMessage() != nil:
		r.Type, r.Text = "vote", strings.Join(p.votedFor(inner.GetPollUpdateMessage(), sender), ", ")
	case inner.GetReactionMessage() != nil:
		r.Type, r.Text = "reaction", inner.GetReactionMessage().GetText()
	case inner.GetProtocolMessage() != nil:
		r.Type, r.Text = describeProtocol(inner.GetProtocolMessage())
	default:
		r.Type, r.Text = describeText(inner)
	}
}

func describeProtocol(m *waE2E.ProtocolMessage) (kind, text string) {
	switch m.GetType() {
	case waE2E.ProtocolMessage_MESSAGE_EDIT:
		_, text = describeText(payload(m.GetEditedMessage()))
		return "edit", text
	case waE2E.ProtocolMessage_REVOKE:
		return "revoke", ""
	default:
		return "other", ""
	}
}

func describeText(m *waE2E.Message) (kind, text string) {
	switch {
	case m.GetConversation() != "":
		return "text", m.GetConversation()
	case m.GetExtendedTextMessage() != nil:
		return "text", m.GetExtendedTextMessage().GetText()
	default:
		return "other", ""
	}
}
