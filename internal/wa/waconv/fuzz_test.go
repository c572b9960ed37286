package waconv_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

// Whatever a sender puts into a message, converting it does not panic, gives at
// most one item with a type, and that can be written as JSON.
func FuzzConvertMessage(f *testing.F) {
	files, err := filepath.Glob("testdata/message/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(seed(f, file), "5511999999999@s.whatsapp.net", int64(1777372200), false)
		f.Add(seed(f, file), "120363000000000001@g.us", int64(-1), true)
	}
	f.Fuzz(func(t *testing.T, wire []byte, chat string, seconds int64, fromMe bool) {
		m := new(waE2E.Message)
		if proto.Unmarshal(wire, m) != nil {
			return
		}
		e := &events.Message{RawMessage: m}
		e.Info.Chat, _ = types.ParseJID(chat)
		e.Info.Sender, e.Info.IsFromMe, e.Info.ID = anaLID, fromMe, chat
		e.Info.IsGroup = e.Info.Chat.Server == types.GroupServer
		e.Info.Timestamp = time.Unix(seconds, 0)
		items := waconv.Convert(e.UnwrapRaw(), town{opened: waconv.Opened{Edited: m, Vote: &waE2E.PollVoteMessage{}}})
		if len(items) > 1 {
			t.Fatalf("%d items of one message", len(items))
		}
		for _, item := range items {
			if body := item.Data.(*event.Message).Body; body.Type == "" {
				t.Fatalf("no type: %+v", body)
			}
			out, err := event.AppendEnvelope(nil, &event.Event{ID: "evt_1", Timestamp: time.Unix(0, 0), Data: item.Data}, event.Origin{})
			if err != nil || !json.Valid(out) {
				t.Fatalf("%v: %s", err, out)
			}
		}
	})
}

func seed(f *testing.F, file string) []byte {
	f.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		f.Fatal(err)
	}
	for _, part := range archive.Files {
		if part.Name != "message.json" {
			continue
		}
		m := new(waE2E.Message)
		if err := protojson.Unmarshal(part.Data, m); err != nil {
			f.Fatal(err)
		}
		wire, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		return wire
	}
	f.Fatalf("%s has no message.json", file)
	return nil
}

// Events whose fields WhatsApp left out are converted without panic.
func TestConvertEmptyEvents(t *testing.T) {
	for _, evt := range []any{
		nil, &events.Message{}, &events.Receipt{}, &events.JoinedGroup{}, &events.GroupInfo{}, &events.Picture{},
		&events.LabelEdit{}, &events.LabelAssociationChat{}, &events.LabelAssociationMessage{}, &events.CallOffer{},
		&events.CallOfferNotice{}, &events.CallRelayLatency{}, &events.CallTerminate{}, &events.HistorySync{},
	} {
		for _, item := range waconv.Convert(evt, town{}) {
			if _, err := event.AppendEnvelope(nil, &event.Event{Data: item.Data}, event.Origin{}); err != nil {
				t.Errorf("%T: %v", evt, err)
			}
		}
	}
}
