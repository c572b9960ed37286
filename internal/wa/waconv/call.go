package waconv

import (
	"strconv"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
)

// call reads the call stanzas that users hear of. Preaccept, transport and
// unknown ones cause nothing.
func (c converter) call(evt any) []dispatch.Item {
	var data *event.Call
	switch e := evt.(type) {
	case *events.CallOffer:
		data = c.remoteCall("offer", &e.BasicCallMeta, &e.CallRemoteMeta)
		data.IsVideo = hasChild(e.Data, "video")
	case *events.CallAccept:
		data = c.remoteCall("accepted", &e.BasicCallMeta, &e.CallRemoteMeta)
		data.IsVideo = hasChild(e.Data, "video")
	case *events.CallReject:
		data = c.basicCall("rejected", &e.BasicCallMeta)
	case *events.CallTerminate:
		data = c.basicCall("terminated", &e.BasicCallMeta)
		data.Reason = e.Reason
	case *events.CallOfferNotice:
		data = c.basicCall("notification", &e.BasicCallMeta)
		data.IsGroup = data.IsGroup || e.Type == "group"
		data.IsVideo = e.Media == "video"
	case *events.CallRelayLatency:
		data = c.basicCall("latency", &e.BasicCallMeta)
		data.LatencyMS = relayLatency(e.Data)
	default:
		return nil
	}
	return []dispatch.Item{{Data: data}}
}

// AutomaticReject is the event of a call that the gateway itself rejected, as
// the instance's settings ask.
func AutomaticReject(offer *events.CallOffer, at time.Time, dir Directory) dispatch.Item {
	c := newConverter(dir)
	data := c.basicCall("rejected", &offer.BasicCallMeta)
	data.Timestamp = c.at(at)
	data.IsVideo = hasChild(offer.Data, "video")
	data.Automatic = true
	return dispatch.Item{Data: data}
}

func (c converter) basicCall(kind string, m *types.BasicCallMeta) *event.Call {
	creator := c.person(m.CallCreator, m.CallCreatorAlt)
	from := c.person(m.From)
	if from.is(creator) {
		from = creator
	}
	return &event.Call{
		Type:      kind,
		CallID:    m.CallID,
		Timestamp: c.at(m.Timestamp),
		From:      c.address(from, ""),
		Creator:   c.address(creator, ""),
		IsGroup:   !m.GroupJID.IsEmpty(),
	}
}

func (c converter) remoteCall(kind string, m *types.BasicCallMeta, r *types.CallRemoteMeta) *event.Call {
	data := c.basicCall(kind, m)
	data.RemotePlatform = r.RemotePlatform
	data.RemoteVersion = r.RemoteVersion
	return data
}

func hasChild(n *waBinary.Node, tag string) bool {
	if n == nil {
		return false
	}
	_, ok := n.GetOptionalChildByTag(tag)
	return ok
}

// latencyMask keeps the milliseconds of a relay's latency; WhatsApp puts flags
// in the highest byte.
const latencyMask = 1<<24 - 1

// relayLatency is the shortest way to a relay, in milliseconds, among the te
// children of a relaylatency stanza; nil if none tells.
func relayLatency(n *waBinary.Node) *int64 {
	if n == nil {
		return nil
	}
	var best *int64
	for _, te := range n.GetChildrenByTag("te") {
		raw, _ := te.Attrs["latency"].(string)
		v, err := strconv.ParseUint(raw, 10, 32)
		if err != nil {
			continue
		}
		if ms := int64(v & latencyMask); best == nil || ms < *best {
			best = &ms
		}
	}
	return best
}
