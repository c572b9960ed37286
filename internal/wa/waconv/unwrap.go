package waconv

import (
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxWrappers bounds how deep messages are wrapped in one another; WhatsApp
// uses four at most.
const maxWrappers = 8

// payload is the one field of a WhatsApp message that says what it is.
type payload struct {
	name  string // of the protobuf field; "" if none is set
	value any    // proto.Message, or string for a plain conversation
	// machinery is true if other fields were set that only clients read.
	machinery bool
	viewOnce  bool
}

// isMachinery reports that nobody wrote anything: a sender key that comes as a
// message of its own (a group message that brings one arrives in two parts), or
// what devices tell each other about history, keys and app state.
func (p payload) isMachinery() bool {
	if m, ok := p.value.(*waE2E.ProtocolMessage); ok {
		return machineryProtocol[m.GetType()]
	}
	return p.name == "" && p.machinery
}

// machineryFields are set beside a content, or alone to carry keys.
var machineryFields = map[protoreflect.Name]bool{
	"senderKeyDistributionMessage":               true,
	"fastRatchetKeySenderKeyDistributionMessage": true,
	"groupRootKeyShare":                          true,
	"rootSecretDistributeMessage":                true,
	"stickerSyncRmrMessage":                      true,
	"messageHistoryBundle":                       true,
	"messageHistoryNotice":                       true,
}

// contextField goes with any content and is none by itself.
const contextField = "messageContextInfo"

// machineryProtocol lists the protocol messages between devices of one account
// and about encryption; all others are told, at least as unsupported.
var machineryProtocol = map[waE2E.ProtocolMessage_Type]bool{
	waE2E.ProtocolMessage_EPHEMERAL_SYNC_RESPONSE:                      true,
	waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION:                    true,
	waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_SHARE:                     true,
	waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_REQUEST:                   true,
	waE2E.ProtocolMessage_MSG_FANOUT_BACKFILL_REQUEST:                  true,
	waE2E.ProtocolMessage_INITIAL_SECURITY_NOTIFICATION_SETTING_SYNC:   true,
	waE2E.ProtocolMessage_APP_STATE_FATAL_EXCEPTION_NOTIFICATION:       true,
	waE2E.ProtocolMessage_PEER_DATA_OPERATION_REQUEST_MESSAGE:          true,
	waE2E.ProtocolMessage_PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE: true,
	waE2E.ProtocolMessage_LID_MIGRATION_MAPPING_SYNC:                   true,
	waE2E.ProtocolMessage_COEX_STATE_SYNC:                              true,
}

// unwrap takes a message out of its wrappers (ephemeral, view once, captioned
// document, edited, ...) and returns what it is.
func unwrap(m *waE2E.Message) payload {
	p := payloadOf(m)
	for range maxWrappers {
		inner, viewOnce := wrapped(p)
		if inner == nil {
			break
		}
		next := payloadOf(inner)
		next.viewOnce = p.viewOnce || viewOnce
		p = next
	}
	return p
}

func wrapped(p payload) (inner *waE2E.Message, viewOnce bool) {
	switch w := p.value.(type) {
	case *waE2E.FutureProofMessage:
		switch p.name {
		case "viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension":
			viewOnce = true
		}
		return w.GetMessage(), viewOnce
	case *waE2E.DeviceSentMessage:
		return w.GetMessage(), false
	}
	return nil, false
}

// payloadOf returns the first content in the order of field numbers.
func payloadOf(m *waE2E.Message) payload {
	var p payload
	if m == nil {
		return p
	}
	r := m.ProtoReflect()
	fields := r.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case !r.Has(f) || f.Name() == contextField:
		case machineryFields[f.Name()]:
			p.machinery = true
		case p.name == "":
			p.name = string(f.Name())
			p.value = goValue(r.Get(f), f)
		}
	}
	return p
}

func goValue(v protoreflect.Value, f protoreflect.FieldDescriptor) any {
	if f.Kind() == protoreflect.MessageKind && !f.IsList() && !f.IsMap() {
		return v.Message().Interface()
	}
	return v.Interface()
}
