package event_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/event"
)

// onDisk writes a file of the given size and returns it with its source.
func onDisk(t *testing.T, size int) ([]byte, *event.Base64) {
	t.Helper()
	file := make([]byte, size)
	for i := range file {
		file[i] = byte(rand.Uint32())
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, &event.Base64{Size: int64(size), Open: func() (io.ReadCloser, error) { return os.Open(path) }}
}

func picture(b *event.Base64) *event.Event {
	return &event.Event{ID: "evt_1", Sequence: 7, Data: &event.Message{ID: "m", Body: event.MessageBody{
		ID: "m", Type: "image", Content: &event.Content{Text: "look"},
		Media: &event.Media{Type: "image", Base64: b, Caption: "look", Size: 3},
	}}}
}

// sizes are on both sides of padding and of the step in which files are read.
var sizes = []int{0, 1, 2, 3, 4, 48<<10 - 1, 48 << 10, 48<<10 + 1, 200_000}

// events.md 7.1: base64 is plain base64 without a data: prefix.
func TestBase64OfAFile(t *testing.T) {
	for _, size := range sizes {
		file, b := onDisk(t, size)
		want := base64.StdEncoding.EncodeToString(file)
		if b.EncodedSize() != int64(len(want)) {
			t.Errorf("%d bytes: EncodedSize %d, want %d", size, b.EncodedSize(), len(want))
		}
		var got struct {
			Message struct{ Media struct{ Base64 string } }
		}
		if err := json.Unmarshal(dataOf(t, appendEnvelope(t, picture(b), event.Origin{})), &got); err != nil {
			t.Fatal(err)
		}
		if got.Message.Media.Base64 != want {
			t.Errorf("%d bytes: the envelope has other base64", size)
		}
		if text, err := json.Marshal(b); err != nil || string(text) != `"`+want+`"` {
			t.Errorf("%d bytes: encoding/json writes something else, %v", size, err)
		}
	}
}

// Whatever the reader asks for at once, the base64 is the same.
func TestEncodeInSmallReads(t *testing.T) {
	file, b := onDisk(t, 1000)
	want := base64.StdEncoding.EncodeToString(file)
	for _, room := range []int{1, 2, 3, 4, 5, 7, 8, 1333, 1336} {
		r, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for p := make([]byte, room); err == nil; {
			var n int
			n, err = r.Read(p)
			got = append(got, p[:n]...)
		}
		if !errors.Is(err, io.EOF) || string(got) != want {
			t.Errorf("%d bytes at a time: %d bytes, %v", room, len(got), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A file that is not as long as was said, or cannot be read, fails the envelope
// and leaves dst as it was.
func TestBase64Fails(t *testing.T) {
	broken := errors.New("broken disk")
	from := func(r io.Reader) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) { return io.NopCloser(r), nil }
	}
	for name, tc := range map[string]struct {
		file *event.Base64
		want error // nil: any
	}{
		"does not open":  {&event.Base64{Size: 3, Open: func() (io.ReadCloser, error) { return nil, broken }}, broken},
		"cannot be read": {&event.Base64{Size: 3, Open: from(iotest.ErrReader(broken))}, broken},
		"breaks at the end": {
			&event.Base64{Size: 3, Open: from(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)))}, broken,
		},
		"too short": {&event.Base64{Size: 4, Open: from(strings.NewReader("abc"))}, nil},
		"empty":     {&event.Base64{Size: 4, Open: from(strings.NewReader(""))}, nil},
		"too long":  {&event.Base64{Size: 2, Open: from(strings.NewReader("abc"))}, nil},
		"not empty": {&event.Base64{Size: 0, Open: from(strings.NewReader("abc"))}, nil},
	} {
		dst, err := event.AppendEnvelope([]byte("before"), picture(tc.file), event.Origin{})
		if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if errors.Is(err, io.EOF) || string(dst) != "before" {
			t.Errorf("%s: %v, dst %s", name, err, dst)
		}
	}
}

// closing counts how often a file was closed.
type closing struct {
	io.Reader
	closed *int
}

func (c closing) Close() error { *c.closed++; return nil }

func TestBase64IsClosed(t *testing.T) {
	for _, text := range []string{"abc", "ab"} {
		closed := 0
		b := &event.Base64{Size: 3, Open: func() (io.ReadCloser, error) {
			return closing{strings.NewReader(text), &closed}, nil
		}}
		_, err := event.AppendEnvelope(nil, picture(b), event.Origin{})
		if closed != 1 {
			t.Errorf("%q (%v): closed %d times", text, err, closed)
		}
	}
}

// A file's base64 must not be held twice: with room in dst, no more is
// allocated than one step of reading takes.
func TestBase64IsEncodedInPlace(t *testing.T) {
	_, b := onDisk(t, 3<<20)
	e := picture(b)
	dst := make([]byte, 0, 5<<20)
	const runs = 8
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		if _, err := event.AppendEnvelope(dst, e, event.Origin{}); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	bytesPerRun := (after.TotalAlloc - before.TotalAlloc) / runs
	if bytesPerRun > 64<<10 {
		t.Errorf("%d bytes allocated for one envelope", bytesPerRun)
	}
}

// Head, base64 and tail are the envelope with the file in it.
func TestSplitAtBase64(t *testing.T) {
	o := event.Origin{BaseURL: "https://api.example.com", Instance: "sales", Token: `with "quotes"`}
	for _, size := range sizes {
		file, b := onDisk(t, size)
		plain := picture(nil)
		head, tail, err := event.SplitAtBase64(plain, o)
		if err != nil {
			t.Fatal(err)
		}
		want, err := event.AppendEnvelope(nil, picture(b), o)
		if err != nil {
			t.Fatal(err)
		}
		got := append(append(head, base64.StdEncoding.EncodeToString(file)...), tail...)
		if !bytes.Equal(want, got) {
			t.Errorf("%d bytes: %.80s, want %.80s", size, got, want)
		}
		if plain.Data.(*event.Message).Body.Media.Base64 != nil {
			t.Error("the event was changed")
		}
	}
	for _, p := range []event.Payload{&event.State{}, &event.Message{}} {
		if _, _, err := event.SplitAtBase64(&event.Event{Data: p}, o); err == nil {
			t.Errorf("%T without media was split", p)
		}
	}
}

func TestParseEnvelopeRefuses(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `{}`, `{"event":"message.exchang","data":{}}`, `{"event":"message.exchange"}`,
		`{"event":"message.exchange","data":[]}`, `{"event":"instance.state","data":{"codes":"x"}}`,
		`{"event":"message.exchange","data":{"message":{"media":{"base64":"%%"}}}}`,
		`{"event":"instance.state","data":{}} {}`,
	} {
		if e, _, err := event.ParseEnvelope([]byte(text)); err == nil {
			t.Errorf("%s was read as %+v", text, e)
		}
	}
}

// wholePayloads are the six types with every field set.
func wholePayloads() []event.Payload {
	payloads, salt := emptyPayloads(), 0
	for _, p := range payloads {
		fill(reflect.ValueOf(p).Elem(), &salt)
	}
	return payloads
}

// recordedEnvelopes are the events that the golden files of the conversion
// expect, written as an envelope is: not indented, not escaped for HTML.
func recordedEnvelopes(t *testing.T) [][]byte {
	t.Helper()
	files, err := filepath.Glob("../wa/waconv/testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	asIs := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&")
	var envelopes [][]byte
	for _, file := range files {
		for _, envelope := range goldenEnvelopes(t, file) {
			var compact bytes.Buffer
			if err := json.Compact(&compact, envelope); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			envelopes = append(envelopes, []byte(asIs.Replace(compact.String())))
		}
	}
	return envelopes
}

// A body that is parsed and written again is the same, byte for byte: the
// contract's examples, every field set, none set, and the recorded events of
// the conversion.
func TestParseEnvelopeRoundTrip(t *testing.T) {
	var envelopes [][]byte
	o := event.Origin{BaseURL: "https://api.example.com", Instance: "sales", Token: "the-instance-token"}
	add := func(p event.Payload, o event.Origin) {
		envelopes = append(envelopes, appendEnvelope(t, &event.Event{
			ID: "evt_1", Sequence: 1042, Timestamp: at(t, "2026-04-28T10:30:00.123Z"), Data: p,
		}, o))
	}
	for _, p := range contractPayloads(t) {
		add(p, o)
	}
	for _, p := range append(emptyPayloads(), wholePayloads()...) {
		add(p, event.Origin{})
	}
	for _, g := range []event.Group{
		{Type: "picture", HasValue: true},
		{Type: "picture", HasValue: true, Value: "17", Previous: "16"},
		{Type: "announce", HasValue: true, Value: false, Previous: true},
		{Type: "ephemeral", HasValue: true, Value: uint32(604800), Previous: int64(0)},
		{Type: "left", Previous: "nothing"},
	} {
		add(&g, o)
	}
	envelopes = append(envelopes, recordedEnvelopes(t)...)
	for _, want := range envelopes {
		e, o, err := event.ParseEnvelope(want)
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		// What was not UTF-8 is written as an escape once, then as itself.
		want = bytes.ReplaceAll(want, []byte(`\ufffd`), []byte("\ufffd"))
		got := appendEnvelope(t, e, o)
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Error(diff)
		}
	}
	t.Logf("%d envelopes", len(envelopes))
}

// FuzzParseEnvelope: what is read and can be written is stable from then on.
func FuzzParseEnvelope(f *testing.F) {
	for _, p := range append(emptyPayloads(), wholePayloads()...) {
		b, err := event.AppendEnvelope(nil, &event.Event{ID: "evt_1", Data: p}, event.Origin{Token: "t"})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, o, err := event.ParseEnvelope(b)
		if err != nil {
			return
		}
		first, err := event.AppendEnvelope(nil, e, o)
		if err != nil {
			return // such as a value that is an object
		}
		e, o, err = event.ParseEnvelope(first)
		if err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second := appendEnvelope(t, e, o); !bytes.Equal(first, second) {
			t.Fatalf("%s\n%s", first, second)
		}
	})
}
