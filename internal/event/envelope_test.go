package event_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/event"
)

func appendEnvelope(t *testing.T, e *event.Event, o event.Origin) []byte {
	t.Helper()
	got, err := event.AppendEnvelope(nil, e, o)
	if err != nil {
		t.Fatalf("AppendEnvelope: %v", err)
	}
	return got
}

// decoded is an envelope as a reader sees it.
type decoded struct {
	Event        event.Type      `json:"event"`
	Data         json.RawMessage `json:"data"`
	InstanceData struct {
		BaseURL  string  `json:"baseUrl"`
		Instance string  `json:"instance"`
		Token    *string `json:"token"`
	} `json:"instanceData"`
	Meta struct {
		ID        string    `json:"id"`
		Sequence  int64     `json:"sequence"`
		Timestamp time.Time `json:"timestamp"`
	} `json:"meta"`
}

func decode(t *testing.T, envelope []byte) decoded {
	t.Helper()
	var d decoded
	if err := json.Unmarshal(envelope, &d); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, envelope)
	}
	return d
}

func dataOf(t *testing.T, envelope []byte) []byte {
	t.Helper()
	return decode(t, envelope).Data
}

// plain is what encoding/json makes of v without escaping for HTML.
func plain(t *testing.T, v any) string {
	t.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(buf.String(), "\n")
}

func emptyPayloads() []event.Payload {
	return []event.Payload{
		&event.Message{}, &event.Status{}, &event.Call{}, &event.Group{}, &event.State{}, &event.Label{},
	}
}

// reference is p for encoding/json; a Group writes itself, so it is compared
// as a struct without its methods.
func reference(p event.Payload) any {
	if g, ok := p.(*event.Group); ok {
		type tagged event.Group
		return (*tagged)(g)
	}
	return p
}

// fill sets every field below v to something that is not its zero value, so
// that a member forgotten by the writer shows.
func fill(v reflect.Value, salt *int) {
	*salt++
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), salt)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(*salt), 5e8).UTC()))
			return
		}
		if v.Type() == reflect.TypeFor[event.Base64]() {
			v.Set(reflect.ValueOf(*event.Base64Of([]byte{0, 1, byte(*salt)})))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), salt)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), salt)
		fill(v.Index(1), salt)
	case reflect.String:
		v.SetString("é\u2028<&>\"\\\b\f\n\r\t\x01\x7f\xff" + strings.Repeat("x", *salt%7))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(-23.5505199 * float64(*salt))
	case reflect.Interface:
		v.Set(reflect.ValueOf(float64(*salt)))
	case reflect.Uint32:
		v.SetUint(uint64(*salt))
	default:
		v.SetInt(int64(*salt))
	}
}

func TestEveryFieldIsWritten(t *testing.T) {
	for _, p := range emptyPayloads() {
		t.Run(string(p.EventType()), func(t *testing.T) {
			salt := 0
			fill(reflect.ValueOf(p).Elem(), &salt)
			want := plain(t, reference(p))
			got := appendEnvelope(t, &event.Event{ID: "evt_1", Data: p}, event.Origin{})
			if diff := cmp.Diff(want, string(dataOf(t, got))); diff != "" {
				t.Errorf("-encoding/json +got:\n%s", diff)
			}
			if strings.Contains(string(got), `\u003c`) {
				t.Error("escaped for HTML")
			}
		})
	}
}

func TestAbsentFieldsAreNotNull(t *testing.T) {
	nullable := map[string]bool{"jid": true, "lid": true}
	for _, p := range emptyPayloads() {
		data := dataOf(t, appendEnvelope(t, &event.Event{Data: p}, event.Origin{}))
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		forEachMember(v, func(key string, value any) {
			if value == nil && !nullable[key] {
				t.Errorf("%s: %q is null in %s", p.EventType(), key, data)
			}
		})
	}
}

func forEachMember(v any, visit func(key string, value any)) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			visit(key, value)
			forEachMember(value, visit)
		}
	case []any:
		for _, item := range v {
			forEachMember(item, visit)
		}
	}
}

func TestEmptyListsAreLists(t *testing.T) {
	p := &event.Message{Body: event.MessageBody{
		Poll: &event.Poll{}, PollVote: &event.PollVote{}, Mentions: &event.Mentions{},
	}}
	data := string(dataOf(t, appendEnvelope(t, &event.Event{Data: p}, event.Origin{})))
	for _, want := range []string{`"options":[],"maxAnswer":0`, `"message_id":"","options":[]`, `"mentionedUsers":[]`} {
		if !strings.Contains(data, want) {
			t.Errorf("no %s in %s", want, data)
		}
	}
}

// events.md 6: events.include_token=false omits the token.
func TestTokenIsOmitted(t *testing.T) {
	e := &event.Event{Data: &event.State{}}
	if got := decode(t, appendEnvelope(t, e, event.Origin{Instance: "a"})); got.InstanceData.Token != nil {
		t.Errorf("token is %q", *got.InstanceData.Token)
	}
	if got := decode(t, appendEnvelope(t, e, event.Origin{Token: "t"})); got.InstanceData.Token == nil || *got.InstanceData.Token != "t" {
		t.Error("token is missing")
	}
}

// events.md 6: times in UTC, meta.timestamp with three decimals.
func TestTimesAreUTC(t *testing.T) {
	zone := time.FixedZone("", -3*3600)
	e := &event.Event{
		Timestamp: time.Date(2026, 4, 28, 7, 30, 0, 120_999_999, zone),
		Data:      &event.State{Timestamp: time.Date(2026, 4, 28, 7, 30, 0, 0, zone)},
	}
	got := string(appendEnvelope(t, e, event.Origin{}))
	for _, want := range []string{`"timestamp":"2026-04-28T10:30:00.120Z"}}`, `"timestamp":"2026-04-28T10:30:00Z"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

// events.md 7.4: the picture id or null; absent where a type has no value.
func TestGroupValues(t *testing.T) {
	tests := map[string]event.Group{
		`"value":null`:                       {Type: "picture", HasValue: true},
		`"value":"17","previous":"16"`:       {Type: "picture", HasValue: true, Value: "17", Previous: "16"},
		`"value":false`:                      {Type: "announce", HasValue: true, Value: false},
		`"value":604800`:                     {Type: "ephemeral", HasValue: true, Value: uint32(604800)},
		`"value":7,"previous":9`:             {Type: "ephemeral", HasValue: true, Value: 7, Previous: int64(9)},
		`"timestamp":"0001-01-01T00:00:00Z"`: {Type: "created", Value: "not told"},
	}
	for want, g := range tests {
		data := string(dataOf(t, appendEnvelope(t, &event.Event{Data: &g}, event.Origin{})))
		if !strings.HasSuffix(data, want+"}") {
			t.Errorf("%s does not end in %s", data, want)
		}
		if alone := plain(t, &g); alone != data {
			t.Errorf("MarshalJSON gives %s, the envelope %s", alone, data)
		}
	}
}

func TestWhatJSONCannotSay(t *testing.T) {
	far := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := map[string]event.Payload{
		"no data":  nil,
		"NaN":      &event.Message{Body: event.MessageBody{Location: &event.Location{Latitude: math.NaN()}}},
		"infinity": &event.Group{HasValue: true, Value: math.Inf(-1)},
		"year":     &event.State{Timestamp: far},
		"a struct": &event.Group{HasValue: true, Value: struct{}{}},
	}
	for name, p := range tests {
		dst, err := event.AppendEnvelope([]byte("before"), &event.Event{ID: "evt_1", Data: p}, event.Origin{})
		if err == nil {
			t.Errorf("%s: no error, %s", name, dst)
		}
		if string(dst) != "before" {
			t.Errorf("%s: dst became %s", name, dst)
		}
	}
}

func TestAppendKeepsDst(t *testing.T) {
	e := &event.Event{ID: "evt_1", Sequence: 3, Data: &event.State{State: "connected"}}
	alone := appendEnvelope(t, e, event.Origin{})
	got, err := event.AppendEnvelope([]byte("before"), e, event.Origin{})
	if err != nil || string(got) != "before"+string(alone) {
		t.Errorf("got %s, %v", got, err)
	}
}

func FuzzAppendEnvelope(f *testing.F) {
	f.Add("evt_1", int64(1), "look <b>", "é\xff\u2028", 1.5e-9, []byte("file"), int64(1777372200), "tok")
	f.Add("", int64(-1), "", "\x00\x1f\"\\", -2e300, []byte(nil), int64(0), "")
	f.Fuzz(func(t *testing.T, id string, seq int64, text, name string, number float64, file []byte, sec int64, token string) {
		p := &event.Message{ID: id, Body: event.MessageBody{
			ID: id, Timestamp: time.Unix(sec, 0), Content: &event.Content{Text: text},
			Chat:     event.Chat{Address: event.Address{JID: &name}},
			Media:    &event.Media{Base64: event.Base64Of(file), Size: seq},
			Location: &event.Location{Latitude: number, Name: name},
			Mentions: &event.Mentions{MentionedUsers: []string{text, name}},
		}}
		e := &event.Event{ID: id, Sequence: seq, Timestamp: time.Unix(sec, 0), Data: p}
		got, err := event.AppendEnvelope(nil, e, event.Origin{BaseURL: name, Instance: text, Token: token})
		year := time.Unix(sec, 0).UTC().Year()
		if unwritable := year < 1 || year > 9999 || math.IsNaN(number) || math.IsInf(number, 0); unwritable != (err != nil) {
			t.Fatalf("year %d, number %v: %v", year, number, err)
		}
		if err != nil {
			return
		}
		again := decode(t, got)
		var back event.Message
		if err := json.Unmarshal(again.Data, &back); err != nil {
			t.Fatal(err)
		}
		p.Body.Timestamp = p.Body.Timestamp.UTC()
		if want := plain(t, p); want != string(again.Data) {
			t.Fatalf("encoding/json writes %s\n                     we %s", want, again.Data)
		}
		if !utf8.ValidString(id + "|" + text + "|" + name + "|" + token) {
			return // was mended, and reads back mended
		}
		e, o, err := event.ParseEnvelope(got)
		if err != nil {
			t.Fatal(err)
		}
		if second := appendEnvelope(t, e, o); !bytes.Equal(got, second) {
			t.Fatalf("read back and written again:\n%s\n%s", got, second)
		}
	})
}

func BenchmarkAppendEnvelope(b *testing.B) {
	name, jid := "Ana", "5511999999999@s.whatsapp.net"
	ana := event.Address{JID: &jid, Name: name}
	e := &event.Event{ID: "evt_01j9zq6m7w", Sequence: 1042, Timestamp: time.Unix(1777372200, 0), Data: &event.Message{
		ID: "3EB0C767D82B632A2A", Body: event.MessageBody{
			ID: "3EB0C767D82B632A2A", Direction: event.Incoming, Timestamp: time.Unix(1777372200, 0), Type: "text",
			Chat: event.Chat{Address: ana, Type: event.ChatPrivate}, Sender: ana, Content: &event.Content{Text: "hello"},
		},
	}}
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.AppendEnvelope(dst, e, event.Origin{Instance: "sales"}); err != nil {
			b.Fatal(err)
		}
	}
}
