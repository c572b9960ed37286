package event_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/event"
)

const contractFile = "../../docs/contract/events.md"

func ptr[T any](v T) *T { return &v }

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// contractBlocks returns the JSON examples of the contract by the heading of
// their section ("6", "7.1", ...), without white space, in their key order.
func contractBlocks(t *testing.T) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(contractFile)
	if err != nil {
		t.Fatal(err)
	}
	blocks := make(map[string][]byte)
	heading := regexp.MustCompile(`(?m)^##+ ([67](?:\.\d)?)\b`)
	starts := heading.FindAllSubmatchIndex(text, -1)
	for i, m := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		_, rest, _ := bytes.Cut(text[m[0]:end], []byte("```json\n"))
		example, _, found := bytes.Cut(rest, []byte("```"))
		if !found {
			continue
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, example); err != nil {
			t.Fatalf("section %s: %v", text[m[2]:m[3]], err)
		}
		blocks[string(text[m[2]:m[3]])] = compact.Bytes()
	}
	return blocks
}

// contractPayloads are the examples of section 7 as our structs.
func contractPayloads(t *testing.T) map[string]event.Payload {
	t.Helper()
	noon := at(t, "2026-04-28T10:30:00Z")
	anaJID, anaLID := ptr("5511999999999@s.whatsapp.net"), ptr("100200300@lid")
	ana := event.Address{JID: anaJID, LID: anaLID, Name: "Ana"}
	caller := event.Address{JID: anaJID, Name: "Ana"}
	chat := event.Chat{Address: ana, Type: event.ChatPrivate}
	file, err := base64.StdEncoding.DecodeString("iVBORw0KGgo=")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]event.Payload{
		"7.1": &event.Message{ID: "3EB0C767D82B632A2A", Body: event.MessageBody{
			ID: "3EB0C767D82B632A2A", Direction: event.Incoming, Timestamp: noon, Type: "image",
			Chat: chat, Sender: ana, Content: &event.Content{Text: "look"},
			Media: &event.Media{
				Type: "image", URL: "https://mmg.whatsapp.net/v/t62.7118-24/example",
				S3URL:  "https://bucket.example.com/sales/3EB0C767D82B632A2A.jpg",
				Base64: event.Base64Of(file), Mimetype: "image/jpeg", FileName: "photo.jpg", Caption: "look",
				Size: 48213, SHA256: "q1MKE+RZFJgrefm34/uplM/R8/si9xzqGvvwK0YMbR0=",
			},
		}},
		"7.2": &event.Status{
			Timestamp: at(t, "2026-04-28T10:30:05Z"), Status: "read", MessageIDs: []string{"3EB0C767D82B632A2A"},
			Chat: chat, Recipient: ana,
		},
		"7.3": &event.Call{
			Type: "offer", CallID: "0A1B2C3D4E5F", Timestamp: noon, From: caller, Creator: caller,
			RemotePlatform: "android", RemoteVersion: "2.25.1",
		},
		"7.4": &event.Group{
			Type: "joined", GroupJID: "120363000000000001@g.us", GroupName: "Dev team", Timestamp: noon,
			Actor:        &event.Address{JID: ptr("5511888888888@s.whatsapp.net"), Name: "Rui"},
			Participants: []event.Address{ana}, Reason: "invite",
		},
		"7.5": &event.State{State: "connected", Timestamp: noon, Instance: "sales", JID: *anaJID},
		"7.6": &event.Label{
			Type: "chat", LabelID: "100", Action: "add", ChatJID: *anaJID, Labeled: ptr(true), Timestamp: noon,
		},
	}
}

// events.md section 6: keys in this order.
func TestContractEnvelope(t *testing.T) {
	e := &event.Event{
		ID: "evt_01j9zq6m7w", Sequence: 1042, Timestamp: at(t, "2026-04-28T10:30:00.123Z"), Data: &event.Message{},
	}
	o := event.Origin{BaseURL: "https://api.example.com", Instance: "sales", Token: "the-instance-token"}
	got := withoutData(t, appendEnvelope(t, e, o))
	if diff := cmp.Diff(string(contractBlocks(t)["6"]), got); diff != "" {
		t.Errorf("envelope (-contract +got):\n%s", diff)
	}
}

// withoutData empties the data of an envelope and keeps the order of its keys.
func withoutData(t *testing.T, envelope []byte) string {
	t.Helper()
	data := dataOf(t, envelope)
	return string(bytes.Replace(envelope, data, []byte("{}"), 1))
}

// events.md section 7: the examples, byte for byte.
func TestContractPayloads(t *testing.T) {
	blocks := contractBlocks(t)
	for section, p := range contractPayloads(t) {
		t.Run(section+" "+string(p.EventType()), func(t *testing.T) {
			want, ok := blocks[section]
			if !ok {
				t.Fatalf("the contract has no example in section %s", section)
			}
			got := dataOf(t, appendEnvelope(t, &event.Event{ID: "evt_1", Sequence: 1, Data: p, Timestamp: at(t, "2026-01-01T00:00:00Z")}, event.Origin{}))
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-contract +got:\n%s", diff)
			}
		})
	}
}
