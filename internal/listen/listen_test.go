package listen_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/chasqui/chasqui/internal/listen"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output collects what a listener writes.
type output struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func frame(event string, sequence int) string {
	return fmt.Sprintf(`{"event":%q,"data":{"z":1,"a":%q},"meta":{"id":"x","sequence":%d,"timestamp":"2026-01-02T03:04:05.678Z"}}`,
		event, strings.Repeat("long ", 80), sequence)
}

// gateway serves one list of frames per connection, then closes with the code
// that goes with it.
func gateway(t *testing.T, rounds ...func(ctx context.Context, c *websocket.Conn)) string {
	t.Helper()
	next := make(chan func(context.Context, *websocket.Conn), len(rounds))
	for _, r := range rounds {
		next <- r
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("token") != "secret-token-of-a-test" || r.URL.Path != "/ws/sales" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"success":false,"error":{"message":"Invalid token"}}`))
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		(<-next)(r.Context(), c)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func say(frames []string, code websocket.StatusCode) func(context.Context, *websocket.Conn) {
	return func(ctx context.Context, c *websocket.Conn) {
		for _, f := range frames {
			_ = c.Write(ctx, websocket.MessageText, []byte(f)) // a lost frame fails the test's own checks
		}
		_ = c.Close(code, "")
	}
}

func run(t *testing.T, opts listen.Options) (out, notes *output, err error) {
	t.Helper()
	out, notes = &output{}, &output{}
	opts.Instance, opts.Out, opts.Notes = "sales", out, notes
	l, err := listen.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return out, notes, l.Run(ctx)
}

const token = "secret-token-of-a-test"

// TestReconnectSaysWhatWasMissed: contract/cli.md, listen.
func TestReconnectSaysWhatWasMissed(t *testing.T) {
	url := gateway(t,
		say([]string{frame("instance.state", 7)}, 1001),
		say([]string{frame("message.exchange", 11)}, 4404),
	)
	out, notes, err := run(t, listen.Options{URL: url, Token: token, Raw: true})
	if websocket.CloseStatus(err) != 4404 {
		t.Errorf("ended with %v, want the close code that says stop", err)
	}
	if want := frame("instance.state", 7) + "\n" + frame("message.exchange", 11) + "\n"; out.String() != want {
		t.Errorf("raw frames:\n%s\nwant:\n%s", out, want)
	}
	if !strings.Contains(notes.String(), "missed 3 events") {
		t.Errorf("notes: %s", notes)
	}
	if strings.Contains(notes.String(), token) {
		t.Error("the notes hold the token")
	}
}

// TestGapsOfAFilterAreNotLosses: while connected, jumps are what the server's
// filter hides.
func TestGapsOfAFilterAreNotLosses(t *testing.T) {
	url := gateway(t, say([]string{frame("instance.state", 1), frame("instance.state", 9)}, 4403))
	_, notes, _ := run(t, listen.Options{URL: url, Token: token})
	if strings.Contains(notes.String(), "missed") {
		t.Errorf("notes: %s", notes)
	}
}

func TestEventsHideOtherTypes(t *testing.T) {
	url := gateway(t, say([]string{frame("instance.state", 1), frame("call.update", 2)}, 4404))
	out, _, _ := run(t, listen.Options{URL: url, Token: token, Events: []string{"call.update"}})
	if strings.Contains(out.String(), "instance.state") || !strings.Contains(out.String(), "call.update  #2") {
		t.Errorf("printed: %s", out)
	}
}

// TestRefusalIsFinal: a wrong token is not tried again, and the gateway's words
// are passed on.
func TestRefusalIsFinal(t *testing.T) {
	_, _, err := run(t, listen.Options{URL: gateway(t), Token: "wrong"})
	if err == nil || !strings.Contains(err.Error(), "401 Invalid token") {
		t.Errorf("error %v", err)
	}
}

func TestPrettyKeepsOrderAndShortens(t *testing.T) {
	got := listen.Pretty([]byte(frame("call.update", 5)), false)
	if !strings.Contains(got, "call.update  #5\n") || strings.Index(got, `"z"`) > strings.Index(got, `"a"`) {
		t.Errorf("pretty: %s", got)
	}
	if !strings.Contains(got, "… (400 characters)") || len(got) > 300 {
		t.Errorf("a long string is not shortened: %s", got)
	}
	if colored := listen.Pretty([]byte(frame("call.update", 5)), true); !strings.Contains(colored, "\x1b[1;32m") {
		t.Errorf("no colour: %q", colored)
	}
	if listen.Pretty([]byte("no json"), false) != "no json\n" {
		t.Error("what is no JSON must be printed as it is")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, opts := range map[string]listen.Options{
		"url":    {URL: "127.0.0.1:8080", Token: token},
		"token":  {URL: "http://127.0.0.1:8080"},
		"events": {URL: "http://127.0.0.1:8080", Token: token, Events: []string{"call.update", "message.sent"}},
	} {
		if _, err := listen.New(opts); err == nil || !strings.HasPrefix(err.Error(), name+":") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
