package waconv_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

var update = flag.Bool("update", false, "write the expected items of the golden files anew")

// Each testdata/<kind>/<case>.txtar holds one whatsmeow event, in a file named
// after its type and written with the names of its fields, its protobuf (if it
// has one) as message.json or action.json, what a second decryption gives as
// vote.json, reaction.json or edited.json, and the items expected of it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".txtar"), func(t *testing.T) {
			golden(t, file)
		})
	}
}

const itemsFile = "items.json"

func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in := input{t: t, files: make(map[string][]byte)}
	for _, f := range archive.Files {
		in.files[f.Name] = f.Data
	}
	evt, convert := in.event(strings.TrimSuffix(archive.Files[0].Name, ".json"))
	got := showItems(t, evt, convert(evt))
	if !*update {
		if diff := cmp.Diff(string(in.files[itemsFile]), got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		return
	}
	archive.Files = append(archive.Files[:len(in.inputs())], txtar.File{Name: itemsFile, Data: []byte(got)})
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// input reads the event of a golden file.
type input struct {
	t     *testing.T
	files map[string][]byte
}

func (in input) inputs() []string {
	var names []string
	for name := range in.files {
		if name != itemsFile {
			names = append(names, name)
		}
	}
	return names
}

// event builds the whatsmeow event and names the function that converts it.
func (in input) event(kind string) (evt any, convert func(any) []dispatch.Item) {
	in.t.Helper()
	dir := town{opened: in.opened()}
	convert = func(evt any) []dispatch.Item { return waconv.Convert(evt, dir) }
	switch kind {
	case "Message":
		return in.message(), convert
	case "UndecryptableMessage":
		e := new(events.UndecryptableMessage)
		in.fields(kind, e)
		return e, func(any) []dispatch.Item {
			return []dispatch.Item{waconv.Placeholder(e.Info, strings.TrimSpace(string(in.files["rawType"])), dir)}
		}
	case "LabelEdit":
		e := &events.LabelEdit{Action: new(waSyncAction.LabelEditAction)}
		in.proto("action.json", e.Action)
		return in.fields(kind, e), convert
	case "LabelAssociationChat":
		e := &events.LabelAssociationChat{Action: new(waSyncAction.LabelAssociationAction)}
		in.proto("action.json", e.Action)
		return in.fields(kind, e), convert
	case "LabelAssociationMessage":
		e := &events.LabelAssociationMessage{Action: new(waSyncAction.LabelAssociationAction)}
		in.proto("action.json", e.Action)
		return in.fields(kind, e), convert
	}
	return in.fields(kind, in.plain(kind)), convert
}

// plain returns an empty event of the kinds that hold no protobuf.
func (in input) plain(kind string) any {
	kinds := map[string]any{
		"Receipt": new(events.Receipt), "JoinedGroup": new(events.JoinedGroup), "GroupInfo": new(events.GroupInfo),
		"Picture": new(events.Picture), "CallOffer": new(events.CallOffer), "CallAccept": new(events.CallAccept),
		"CallReject": new(events.CallReject), "CallTerminate": new(events.CallTerminate),
		"CallOfferNotice": new(events.CallOfferNotice), "CallRelayLatency": new(events.CallRelayLatency),
		"CallPreAccept": new(events.CallPreAccept), "CallTransport": new(events.CallTransport),
		"UnknownCallEvent": new(events.UnknownCallEvent),
	}
	e, ok := kinds[kind]
	if !ok {
		in.t.Fatalf("the test does not know the event %s", kind)
	}
	return e
}

func (in input) fields(kind string, e any) any {
	in.t.Helper()
	if err := json.Unmarshal(in.files[kind+".json"], e); err != nil {
		in.t.Fatalf("%s.json: %v", kind, err)
	}
	switch e := e.(type) {
	case *events.GroupInfo:
		for _, n := range e.UnknownChanges {
			parseAddresses(n)
		}
	}
	return e
}

// parseAddresses turns text attributes into addresses, as whatsmeow's decoder
// gives them.
func parseAddresses(n *waBinary.Node) {
	for key, value := range n.Attrs {
		if s, ok := value.(string); ok && strings.Contains(s, "@") {
			if j, err := types.ParseJID(s); err == nil {
				n.Attrs[key] = j
			}
		}
	}
	for _, child := range n.GetChildren() {
		parseAddresses(&child)
	}
}

func (in input) message() *events.Message {
	in.t.Helper()
	e := &events.Message{RawMessage: new(waE2E.Message)}
	in.fields("Message", e)
	in.proto("message.json", e.RawMessage)
	return e.UnwrapRaw()
}

func (in input) proto(name string, m proto.Message) bool {
	in.t.Helper()
	data, ok := in.files[name]
	if !ok {
		return false
	}
	if err := protojson.Unmarshal(data, m); err != nil {
		in.t.Fatalf("%s: %v", name, err)
	}
	return true
}

func (in input) opened() waconv.Opened {
	in.t.Helper()
	vote, reaction, edited := new(waE2E.PollVoteMessage), new(waE2E.ReactionMessage), new(waE2E.Message)
	var o waconv.Opened
	if in.proto("vote.json", vote) {
		o.Vote = vote
	}
	if in.proto("reaction.json", reaction) {
		o.Reaction = reaction
	}
	if in.proto("edited.json", edited) {
		o.Edited = edited
	}
	return o
}

// shownItem is an item as golden files show it.
type shownItem struct {
	Event   event.Type              `json:"event,omitempty"`
	Data    json.RawMessage         `json:"data,omitempty"`
	Media   *media.Ref              `json:"media,omitempty"`
	Message *shownRecord            `json:"message,omitempty"`
	Receipt *dispatch.ReceiptRecord `json:"receipt,omitempty"`
	Label   *dispatch.LabelRecord   `json:"label,omitempty"`
	Names   []dispatch.NameRecord   `json:"names,omitempty"`
}

// shownRecord is a record whose protobuf is named instead of shown.
type shownRecord struct {
	dispatch.MessageRecord
	Raw string
}

func showItems(t *testing.T, evt any, items []dispatch.Item) string {
	t.Helper()
	shown := make([]shownItem, 0, len(items))
	for _, item := range items {
		shown = append(shown, showItem(t, evt, item))
	}
	out, err := json.MarshalIndent(shown, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

func showItem(t *testing.T, evt any, item dispatch.Item) shownItem {
	t.Helper()
	s := shownItem{Media: item.Media, Receipt: item.Receipt, Label: item.Label, Names: item.Names}
	if item.Data != nil {
		s.Event = item.Data.EventType()
		s.Data = dataJSON(t, item.Data)
	}
	if item.Message != nil {
		s.Message = &shownRecord{MessageRecord: *item.Message, Raw: nameRaw(t, evt, item.Message.Raw)}
	}
	return s
}

func dataJSON(t *testing.T, p event.Payload) json.RawMessage {
	t.Helper()
	envelope, err := event.AppendEnvelope(nil, &event.Event{Data: p}, event.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	var parts struct{ Data json.RawMessage }
	if err := json.Unmarshal(envelope, &parts); err != nil {
		t.Fatal(err)
	}
	return parts.Data
}

// nameRaw says whether the record keeps the message as it came out of the
// wrappers that whatsmeow takes off.
func nameRaw(t *testing.T, evt any, raw []byte) string {
	t.Helper()
	if raw == nil {
		return "none"
	}
	var m waE2E.Message
	if err := proto.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	if e, ok := evt.(*events.Message); ok && proto.Equal(&m, e.Message) {
		return "the message"
	}
	return "another message"
}
