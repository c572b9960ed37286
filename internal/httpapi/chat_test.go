package httpapi_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/chasqui/chasqui/internal/chat"
	"github.com/chasqui/chasqui/internal/httpapi"
	"github.com/chasqui/chasqui/internal/media"
)

// chats is the store, the describer and the files below the real chat.Service.
type chats struct{ *world }

func (w chats) service() *chat.Service { return chat.NewService(w, w, w) }

const (
	ownJID = "5511999999999@s.whatsapp.net"
	anaJID = "5511988887777@s.whatsapp.net"
)

// GetMessage implements chat.Store: sales has a picture from Ana, a voice
// message in a group, a text of its own and a picture that nobody has any more.
func (w chats) GetMessage(_ context.Context, instanceID, id string) (m chat.Stored, found bool, err error) {
	unlock, err := w.lock("Chats.GetMessage")
	defer unlock()
	if instanceID != "id-sales" {
		return chat.Stored{}, false, err
	}
	m, found = map[string]chat.Stored{
		"3EB0AA11": {ID: "3EB0AA11", ChatKey: anaJID, SenderKey: anaJID, Type: "image", Text: "Hi!", SentAt: birth, Raw: []byte("image")},
		"3EB0BB22": {ID: "3EB0BB22", ChatKey: "1203630001@g.us", SenderKey: anaJID, Type: "audio", SentAt: birth, Raw: []byte("ptt")},
		"3EB0CC33": {ID: "3EB0CC33", ChatKey: anaJID, SenderKey: ownJID, FromMe: true, Type: "text", Text: "Yes", SentAt: birth, Receipt: "read", Raw: []byte("")},
		"3EB0DD44": {ID: "3EB0DD44", ChatKey: anaJID, SenderKey: anaJID, Type: "image", SentAt: birth, Raw: []byte("image")},
	}[id]
	return m, found, err
}

func (w chats) Describe(raw []byte) (d chat.Description, ok bool, err error) {
	switch string(raw) {
	case "image":
		return chat.Description{Ref: media.Ref{Kind: "image", Mimetype: "image/jpeg", Size: 182344}}, true, nil
	case "ptt":
		return chat.Description{Ref: media.Ref{Kind: "ptt", Mimetype: "audio/ogg; codecs=opus", Size: 18234}, Duration: 7}, true, nil
	}
	return chat.Description{}, false, nil
}

func (w chats) Fetch(_ context.Context, _ string, key media.Key, _ media.Ref) (*media.File, error) {
	unlock, err := w.lock("Chats.Fetch")
	defer unlock()
	if err != nil {
		return nil, err
	}
	if key.MessageID == "3EB0DD44" {
		return nil, media.ErrExpired
	}
	w.open++
	return media.NewFile(w.file, w.file.Size(), func() { w.open-- }), nil
}

// giant is a file of the given size, all of one byte.
type giant struct{ size int64 }

func (g giant) Size() int64 { return g.size }

func (g giant) ReadAt(p []byte, _ int64) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// counter is an answer that keeps nothing but how much came.
type counter struct {
	http.ResponseWriter
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// A file of any size passes through: 200 MiB cost a few of memory.
func TestBase64IsStreamed(t *testing.T) {
	w := newWorld()
	const size = 200 << 20
	w.file = giant{size}
	h := w.api(t, httpapi.Options{})
	out := &counter{ResponseWriter: httptest.NewRecorder()}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h.ServeHTTP(out, request("GET", "/api/chat/base64/sales?messageId=3EB0AA11", "", "token: "+salesToken))
	runtime.ReadMemStats(&after)
	if out.n < size*4/3 {
		t.Errorf("only %d bytes came", out.n)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
		t.Errorf("%d KiB were allocated", got>>10)
	}
	if w.open != 0 {
		t.Errorf("%d files are left open", w.open)
	}
}

// What is announced is what comes, for every remainder of the length.
func TestBase64IsWhole(t *testing.T) {
	for _, content := range []string{"", "a", "ab", "abc", strings.Repeat("\x00\xff<&>", 50_000)} {
		w := newWorld()
		w.file = bytes.NewReader([]byte(content))
		server := httptest.NewServer(w.api(t, httpapi.Options{}))
		answer, err := http.Get(server.URL + "/api/chat/base64/sales?messageId=3EB0AA11&token=none")
		if err != nil || answer.StatusCode != http.StatusUnauthorized {
			t.Fatalf("without a token: %v, %v", answer.Status, err)
		}
		answer.Body.Close()
		r := request("GET", server.URL+"/api/chat/base64/sales?messageId=3EB0AA11", "", "token: "+salesToken)
		r.RequestURI = ""
		if answer, err = server.Client().Do(r); err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		var got struct{ Base64 string }
		if err != nil || answer.ContentLength != int64(len(body)) || json.Unmarshal(body, &got) != nil {
			t.Fatalf("%d of %d bytes, %v", len(body), answer.ContentLength, err)
		}
		if plain, err := base64.StdEncoding.DecodeString(got.Base64); err != nil || string(plain) != content {
			t.Errorf("%d bytes came as %d, %v", len(content), len(plain), err)
		}
		server.Close()
	}
	http.DefaultClient.CloseIdleConnections()
}

// failing is a file whose disk breaks.
type failing struct{ giant }

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("input/output error") }

// A file that cannot be read to its end does not look like a whole one.
func TestBase64BreaksOff(t *testing.T) {
	w := newWorld()
	w.file = failing{giant{1 << 20}}
	server := httptest.NewServer(w.api(t, httpapi.Options{}))
	defer server.Close()
	r := request("GET", server.URL+"/api/chat/base64/sales?messageId=3EB0AA11", "", "token: "+salesToken)
	r.RequestURI = ""
	answer, err := server.Client().Do(r)
	if err == nil {
		_, err = io.ReadAll(answer.Body)
		answer.Body.Close()
	}
	if err == nil {
		t.Error("the answer ended as if it were whole")
	}
}
