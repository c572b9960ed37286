package chat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chasqui/chasqui/internal/chat"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/media"
)

const (
	own   = "5511999999999@s.whatsapp.net"
	ana   = "5511988887777@s.whatsapp.net"
	group = "1203630001@g.us"
	sales = "instance-sales"
)

var at = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

// shelf is a store, a describer and the files: everything behind the service.
type shelf struct {
	stored  map[string]chat.Stored
	files   map[media.Key][]byte
	asked   []media.Ref
	failing error
	slow    bool // a fetch ends with its context
	closed  int
}

func (s *shelf) GetMessage(_ context.Context, instanceID, id string) (chat.Stored, bool, error) {
	m, found := s.stored[id]
	return m, found && instanceID == sales, nil
}

// Describe reads "<kind> <seconds>"; other protobufs have no file.
func (s *shelf) Describe(raw []byte) (d chat.Description, ok bool, err error) {
	if string(raw) == "garbage" {
		return d, false, errors.New("not a protobuf")
	}
	n, _ := fmt.Sscanf(string(raw), "%s %d", &d.Ref.Kind, &d.Duration)
	if n < 2 {
		return chat.Description{}, false, nil
	}
	d.Ref.Mimetype, d.Ref.Size = d.Ref.Kind+"/x", 7
	return d, true, nil
}

func (s *shelf) Fetch(ctx context.Context, _ string, key media.Key, ref media.Ref) (*media.File, error) {
	s.asked = append(s.asked, ref)
	if s.slow {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	b, ok := s.files[key]
	if s.failing != nil || !ok {
		return nil, s.failing
	}
	return media.NewFile(bytes.NewReader(b), int64(len(b)), func() { s.closed++ }), nil
}

func newShelf() *shelf {
	return &shelf{
		stored: map[string]chat.Stored{
			"TEXT":    {ID: "TEXT", ChatKey: ana, SenderKey: ana, Type: "text", Text: "Hi!", SentAt: at, Raw: []byte("text")},
			"OWN":     {ID: "OWN", ChatKey: ana, SenderKey: own, FromMe: true, Type: "text", Text: "Yes", SentAt: at, Raw: []byte("text")},
			"READ":    {ID: "READ", ChatKey: ana, SenderKey: own, FromMe: true, Type: "text", SentAt: at, Receipt: "read", Raw: []byte("text")},
			"REFUSED": {ID: "REFUSED", ChatKey: ana, SenderKey: own, FromMe: true, Type: "text", SentAt: at, Receipt: "server_error", Raw: []byte("text")},
			"GROUP":   {ID: "GROUP", ChatKey: group, SenderKey: ana, Type: "image", Text: "look", SentAt: at, Raw: []byte("image 0")},
			"VOICE":   {ID: "VOICE", ChatKey: ana, SenderKey: own, FromMe: true, Type: "audio", SentAt: at, Receipt: "played", Raw: []byte("ptt 7")},
			"BLANK":   {ID: "BLANK", ChatKey: ana, SenderKey: ana, Type: "unsupported", SentAt: at},
			"GARBAGE": {ID: "GARBAGE", ChatKey: ana, SenderKey: ana, Type: "image", SentAt: at, Raw: []byte("garbage")},
		},
		files: map[media.Key][]byte{
			{ChatKey: group, SenderKey: ana, MessageID: "GROUP"}: []byte("picture"),
			{ChatKey: ana, SenderKey: own, MessageID: "VOICE"}:   []byte("sound"),
		},
	}
}

func service(s *shelf) *chat.Service { return chat.NewService(s, s, s) }

// rest.md section 4, GET getMessage: received and sent messages, private and in
// groups.
func TestGetMessage(t *testing.T) {
	file := func(kind string, seconds int, fromMe bool) *chat.Description {
		return &chat.Description{Ref: media.Ref{Kind: kind, Mimetype: kind + "/x", Size: 7, SentAt: at, FromMe: fromMe}, Duration: seconds}
	}
	s := newShelf()
	for id, want := range map[string]chat.Message{
		"TEXT":    {Type: "text", Text: "Hi!", Chat: ana, From: ana, To: own, Status: "received"},
		"OWN":     {Type: "text", Text: "Yes", Chat: ana, From: own, To: ana, Status: "sent"},
		"READ":    {Type: "text", Chat: ana, From: own, To: ana, Status: "read"},
		"REFUSED": {Type: "text", Chat: ana, From: own, To: ana, Status: "error"},
		"GROUP":   {Type: "image", Text: "look", Chat: group, From: ana, To: group, Sender: ana, IsGroup: true, Status: "received", Media: file("image", 0, false)},
		"VOICE":   {Type: "audio", Chat: ana, From: own, To: ana, Status: "played", Media: file("ptt", 7, true)},
		"BLANK":   {Type: "unsupported", Chat: ana, From: ana, To: own, Status: "received"},
	} {
		want.ID, want.SentAt = id, at
		got, err := service(s).GetMessage(t.Context(), sales, own, id)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", id, err, diff)
		}
	}
	if len(s.asked) > 0 {
		t.Errorf("a file was fetched for what a message says: %+v", s.asked)
	}
}

func TestGetMessageRefusals(t *testing.T) {
	for _, tc := range []struct {
		instance, id string
		want         *fault.Error
	}{
		{sales, "", fault.New(fault.Invalid, "Message ID is required (use ?messageId=<message-id>)")},
		{sales, "UNKNOWN", fault.New(fault.NotFound, "Message not found")},
		{"another", "TEXT", fault.New(fault.NotFound, "Message not found")},
	} {
		if _, err := service(newShelf()).GetMessage(t.Context(), tc.instance, own, tc.id); !errors.Is(err, tc.want) {
			t.Errorf("%s %q: got %v, want %v", tc.instance, tc.id, err, tc.want)
		}
	}
}

// rest.md section 4, GET base64: received and sent media.
func TestMedia(t *testing.T) {
	for id, want := range map[string]struct{ kind, bytes string }{"GROUP": {"image", "picture"}, "VOICE": {"ptt", "sound"}} {
		s := newShelf()
		m, err := service(s).Media(t.Context(), sales, id)
		if err != nil {
			t.Fatal(err)
		}
		r, err := m.File.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil || string(b) != want.bytes || m.Kind != want.kind || m.MessageID != id || m.Mimetype != want.kind+"/x" {
			t.Errorf("%s: %q of %+v, %v", id, b, m, err)
		}
		if ref := s.asked[0]; ref.SentAt != at || ref.FromMe != (id == "VOICE") {
			t.Errorf("%s: fetched by %+v", id, ref)
		}
		m.File.Close()
		if s.closed != 1 {
			t.Errorf("%s: file closed %d times", id, s.closed)
		}
	}
}

func TestMediaRefusals(t *testing.T) {
	none := fault.New(fault.NotFound, "Message not found or no media available")
	for _, tc := range []struct {
		id      string
		failing error
		want    *fault.Error
	}{
		{"", nil, fault.New(fault.Invalid, "messageId query parameter is required")},
		{"UNKNOWN", nil, none},
		{"TEXT", nil, none},
		{"BLANK", nil, none},
		{"GROUP", media.ErrExpired, none},
		{"GROUP", media.ErrDamaged, none},
		{"GROUP", media.ErrTooLarge, fault.New(fault.TooLarge, "Media too large")},
		{"GROUP", media.ErrOffline, fault.NotConnected()},
	} {
		s := newShelf()
		s.failing = tc.failing
		if _, err := service(s).Media(t.Context(), sales, tc.id); !errors.Is(err, tc.want) {
			t.Errorf("%q, %v: got %v, want %v", tc.id, tc.failing, err, tc.want)
		}
	}
	for _, id := range []string{"GARBAGE", "GROUP"} {
		s := newShelf()
		s.failing = errors.New("disk full")
		if _, err := service(s).Media(t.Context(), sales, id); err == nil || fault.KindOf(err) != fault.Internal {
			t.Errorf("%s: got %v, want an unknown error", id, err)
		}
	}
}

// A file that does not come is waited for no longer than a minute.
func TestMediaGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.slow = true
		start := time.Now()
		_, err := service(s).Media(t.Context(), sales, "GROUP")
		if waited := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || waited != time.Minute {
			t.Errorf("%v after %s", err, waited)
		}
	})
}
