package waconv_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

// events.md 7: times are RFC 3339 UTC, and ours have milliseconds. WhatsApp gives
// some of its times, and our clock all, finer and in a local zone.
func TestTimesOfEventsAreWholeMillisecondsInUTC(t *testing.T) {
	fine := time.Date(2026, 4, 28, 7, 30, 0, 123_456_789, time.FixedZone("BRT", -3*3600))
	want := time.Date(2026, 4, 28, 10, 30, 0, 123_000_000, time.UTC)
	source := types.MessageSource{Chat: anaPN, Sender: anaPN}
	offer := &events.CallOffer{BasicCallMeta: types.BasicCallMeta{From: anaPN, CallCreator: anaPN, CallID: "C1", Timestamp: fine}}
	label := &waSyncAction.LabelEditAction{Name: proto.String("New")}
	item := func(evt any) dispatch.Item {
		t.Helper()
		items := waconv.Convert(evt, town{})
		if len(items) != 1 {
			t.Fatalf("%T: %d items", evt, len(items))
		}
		return items[0]
	}
	info := types.MessageInfo{MessageSource: source, ID: "3EB0", Timestamp: fine}
	text := &events.Message{Info: info, Message: e2e(t, `{"conversation":"t"}`)}
	sent := message.Sent{ID: "3EB0", Timestamp: fine}
	for name, i := range map[string]dispatch.Item{
		"message":     item(text),
		"placeholder": waconv.Placeholder(info, "unavailable", town{}),
		"outgoing":    waconv.Outgoing(message.Outgoing{To: message.Recipient{JID: anaPN.String()}}, sent, text.Message, town{}),
		"receipt":     item(&events.Receipt{MessageSource: source, MessageIDs: []string{"3EB0"}, Timestamp: fine, Type: types.ReceiptTypeRead}),
		"call":        item(offer),
		"rejection":   waconv.AutomaticReject(offer, fine, town{}),
		"group":       item(&events.GroupInfo{JID: devTeam, Timestamp: fine, Topic: &types.GroupTopic{Topic: "t"}}),
		"label":       item(&events.LabelEdit{LabelID: "1", Timestamp: fine, Action: label}),
	} {
		for _, got := range timesOf(i) {
			if diff := cmp.Diff(want, got); diff != "" || got.Location() != time.UTC {
				t.Errorf("%s (-want +got):\n%s%v", name, diff, got.Location())
			}
		}
	}
}

// timesOf lists the times that an item tells and stores.
func timesOf(i dispatch.Item) (times []time.Time) {
	switch d := i.Data.(type) {
	case *event.Message:
		times = append(times, d.Body.Timestamp, i.Message.Timestamp)
	case *event.Status:
		times = append(times, d.Timestamp, i.Receipt.At)
	case *event.Call:
		times = append(times, d.Timestamp)
	case *event.Group:
		times = append(times, d.Timestamp)
	case *event.Label:
		times = append(times, d.Timestamp)
	}
	return times
}
