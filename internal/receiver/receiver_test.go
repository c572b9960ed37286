package receiver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"github.com/chasqui/chasqui/internal/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	patience = 10 * time.Second
)

// output collects what a receiver writes and tells when it did.
type output struct {
	mu    sync.Mutex // guards buf
	buf   bytes.Buffer
	wrote chan struct{} // holds one if something was written since
}

func newOutput() *output { return &output{wrote: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.wrote <- struct{}{}:
	default:
	}
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// wait waits until the text was written and returns what follows it in its line.
func (o *output) wait(t *testing.T, text string) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		if _, after, ok := strings.Cut(o.String(), text); ok && strings.Contains(after, "\n") {
			line, _, _ := strings.Cut(after, "\n")
			return line
		}
		select {
		case <-o.wrote:
		case <-deadline:
			t.Fatalf("%q never came:\n%s", text, o)
		}
	}
}

// hook is a running receiver.
type hook struct {
	t          *testing.T
	url        string
	out, notes *output
	ended      <-chan error
	stop       context.CancelFunc
	client     *http.Client
}

func start(t *testing.T, opts receiver.Options) *hook {
	t.Helper()
	h := &hook{t: t, out: newOutput(), notes: newOutput(), client: &http.Client{Transport: &http.Transport{}}}
	opts.Listen, opts.Notes = "127.0.0.1:0", h.notes
	if opts.Out == nil {
		opts.Out = h.out
	}
	r, err := receiver.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	h.ended, h.stop = ended, cancel
	go func() { ended <- r.Run(ctx); close(ended) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		h.client.CloseIdleConnections()
	})
	ready := h.out
	if opts.Raw {
		ready = h.notes
	}
	h.url = ready.wait(t, "chasqui hook listening on ")
	return h
}

// header is what the gateway sends with a delivery: with key, signed at at.
func header(t *testing.T, id, key, body string, at time.Time) http.Header {
	t.Helper()
	h := http.Header{"Webhook-Id": {id}, "Webhook-Attempt": {"1"}}
	if key == "" {
		return h
	}
	oracle, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := oracle.Sign(id, at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	h.Set("webhook-timestamp", fmt.Sprint(at.Unix()))
	h.Set("webhook-signature", signature)
	return h
}

// send posts and returns status and text, or the error of the connection.
func (h *hook) send(header http.Header, body string) (status int, text string, err error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/wh", strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header = header
	answer, err := h.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b), err
}

// deliver sends an unsigned event and returns the status, 0 for no answer.
func (h *hook) deliver(id string, sequence int) int {
	h.t.Helper()
	status, _, _ := h.send(header(h.t, id, "", "", time.Time{}), event(sequence))
	return status
}

func event(sequence int) string {
	return fmt.Sprintf(`{"event":"call.update","data":{"state":"<ringing>","file":%q},"instanceData":{"instance":"sales"},"meta":{"sequence":%d,"timestamp":"2026-01-02T03:04:05.678Z"}}`,
		strings.Repeat("long ", 80), sequence)
}

// cli.md, hook: verifies. Signatures are made by the specification's own
// library.
func TestSignaturesAreVerified(t *testing.T) {
	h := start(t, receiver.Options{Secret: secret})
	now := time.Now()
	body := event(1)
	other := "whsec_" + "Zm9ydHktdHdvIGlzIHRoZSBhbnN3ZXIgdG8gYWxs"
	change := func(name, value string) http.Header {
		head := header(t, "d", secret, body, now)
		if head.Set(name, value); value == "" {
			head.Del(name)
		}
		return head
	}
	old, current := header(t, "rotated", other, body, now), header(t, "rotated", secret, body, now)
	rotated := old.Clone()
	rotated.Set("webhook-signature", old.Get("webhook-signature")+" "+current.Get("webhook-signature"))
	for name, tt := range map[string]struct {
		header http.Header
		want   string // "" for a success
	}{
		"signed":                    {header(t, "a", secret, body, now), ""},
		"four minutes old":          {header(t, "b", secret, body, now.Add(-4*time.Minute)), ""},
		"two secrets":               {rotated, ""},
		"unknown version beside it": {change("webhook-signature", "v2,x "+header(t, "d", secret, body, now).Get("webhook-signature")), ""},
		"unsigned":                  {header(t, "e", "", body, now), "not signed"},
		"without id":                {change("webhook-id", ""), "not signed"},
		"without timestamp":         {change("webhook-timestamp", ""), "not signed"},
		"another secret":            {header(t, "f", other, body, now), "no signature matches"},
		"another id":                {change("webhook-id", "stolen"), "no signature matches"},
		"another time":              {change("webhook-timestamp", fmt.Sprint(now.Unix()-1)), "no signature matches"},
		"another body":              {header(t, "g", secret, body+" ", now), "no signature matches"},
		"no base64":                 {change("webhook-signature", "v1,?"), "no signature matches"},
		"no time":                   {change("webhook-timestamp", "now"), "not a number of seconds"},
		"old":                       {header(t, "h", secret, body, now.Add(-6*time.Minute)), "off the clock here"},
		"from the future":           {header(t, "i", secret, body, now.Add(6*time.Minute)), "off the clock here"},
	} {
		status, text, err := h.send(tt.header, body)
		if err != nil {
			t.Fatal(err)
		}
		if want := status == 200 && text == "ok"; tt.want == "" && !want {
			t.Errorf("%s: %d %s", name, status, text)
		}
		if want := status == 401 && strings.Contains(text, tt.want); tt.want != "" && !want {
			t.Errorf("%s: %d %s, want 401 %s", name, status, text, tt.want)
		}
	}
	for _, line := range []string{"POST /wh  a  attempt 1  signature ok  -> 200\n", "POST /wh  e  attempt 1  not signed  -> 401\n"} {
		if !strings.Contains(h.out.String(), line) {
			t.Errorf("%q is not in:\n%s", line, h.out)
		}
	}
	for _, text := range []string{secret, other} {
		if strings.Contains(h.out.String()+h.notes.String(), text) {
			t.Error("a secret was printed")
		}
	}
}

// cli.md, hook: prints: events as chasqui listen does, files shortened, the
// body of a repeat not again; it says repeats and gaps.
func TestItPrintsAndSaysRepeatsAndGaps(t *testing.T) {
	h := start(t, receiver.Options{})
	for _, d := range []struct {
		id       string
		sequence int
	}{{"a", 4}, {"b", 5}, {"b", 5}, {"c", 9}, {"d", 7}, {"e", 10}} {
		if status := h.deliver(d.id, d.sequence); status != 200 {
			t.Fatalf("%s: %d", d.id, status)
		}
	}
	out := h.out.String()
	for text, want := range map[string]int{
		"POST /wh  b  attempt 1  -> 200": 2, "call.update  #5": 1, "call.update  #": 5,
		`"state": "<ringing>"`: 5, "(400 characters)": 5, strings.Repeat("long ", 20): 0,
	} {
		if got := strings.Count(out, text); got != want {
			t.Errorf("%q %d times, want %d:\n%s", text, got, want, out)
		}
	}
	want := "hook: b: a repeat, accepted before\n" +
		"hook: sales: missed 3 events before #9 (counting those that the filter hides)\n" +
		"hook: sales: #7 comes after #9\n"
	if got := h.notes.String(); got != want {
		t.Errorf("notes:\n%s\nwant:\n%s", got, want)
	}
}

// cli.md, hook: fails, stalls or answers as told.
func TestItAnswersAsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		plan receiver.Plan
		want []int // statuses of attempts in a row, 0 for no answer
	}{
		"nothing told": {receiver.Plan{}, []int{200, 200}},
		"status":       {receiver.Plan{Status: 418}, []int{418, 418}},
		"no content":   {receiver.Plan{Status: 204}, []int{204}},
		"redirect":     {receiver.Plan{Status: 302}, []int{302}},
		"gone":         {receiver.Plan{Status: 410}, []int{410}},
		"first":        {receiver.Plan{FailFirst: 2}, []int{503, 503, 200, 200}},
		"first 500":    {receiver.Plan{FailFirst: 1, Status: 500}, []int{500, 200}},
		"every":        {receiver.Plan{FailEvery: 3}, []int{200, 200, 503, 200, 200, 503}},
		"both":         {receiver.Plan{FailFirst: 2, FailEvery: 4}, []int{503, 503, 200, 503, 200}},
		"reset":        {receiver.Plan{Reset: true}, []int{0, 0}},
		"reset first":  {receiver.Plan{Reset: true, FailFirst: 1}, []int{0, 200}},
		"stall":        {receiver.Plan{Stall: time.Millisecond, Status: 201}, []int{201}},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, receiver.Options{Plan: tt.plan})
			for i, want := range tt.want {
				if got := h.deliver("a", 1); got != want {
					t.Errorf("attempt %d: %d, want %d", i+1, got, want)
				}
				h.client.CloseIdleConnections() // a kept connection that is reset is tried again
			}
		})
	}
}

func TestItSaysWhatItWasTold(t *testing.T) {
	h := start(t, receiver.Options{Plan: receiver.Plan{RetryAfter: 7, Answer: "busy"}})
	answer, err := h.client.Post(h.url, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != 503 || answer.Header.Get("Retry-After") != "7" || string(text) != "busy" {
		t.Errorf("%d %v %s", answer.StatusCode, answer.Header, text)
	}
}

// A stalled answer does not outlive its sender, nor keep the receiver from
// ending, and what was not answered was not accepted.
func TestStallingEndsWithTheSenderAndWithTheReceiver(t *testing.T) {
	h := start(t, receiver.Options{Plan: receiver.Plan{Stall: time.Hour}})
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan error, 1)
	sendIn := func(ctx context.Context, id string) {
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, h.url, strings.NewReader("{}"))
		req.Header.Set("webhook-id", id)
		answer, err := h.client.Do(req)
		if err == nil {
			_ = answer.Body.Close()
		}
		sent <- err
	}
	go sendIn(ctx, "impatient")
	h.out.wait(t, "impatient  -> 200 after 1h")
	cancel()
	<-sent
	h.notes.wait(t, "impatient: the sender did not wait")
	go sendIn(t.Context(), "patient")
	h.out.wait(t, "POST /  patient  -> 200 after 1h")
	h.stop()
	if err := <-sent; err == nil {
		t.Error("a stalled delivery was answered")
	}
	if err := <-h.ended; err != nil {
		t.Error(err)
	}
}

// cli.md: hook is useful in pipes: each accepted body once, as it came, and
// nothing else.
func TestRawIsTheAcceptedBodiesOnly(t *testing.T) {
	h := start(t, receiver.Options{Raw: true, Secret: secret, Plan: receiver.Plan{FailEvery: 2}})
	now := time.Now()
	send := func(id, key, body string) int {
		status, _, err := h.send(header(t, id, key, body, now), body)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	pretty := "{\n  \"event\": \"x\"\n}"
	for i, tt := range []struct {
		id, key, body string
		want          int
	}{
		{"a", secret, event(1), 200}, // printed
		{"b", secret, event(2), 503}, // told to fail
		{"b", secret, event(2), 200}, // printed
		{"c", secret, event(3), 503},
		{"a", secret, event(1), 200}, // a repeat
		{"c", secret, event(3), 503},
		{"d", "", event(4), 401}, // not signed
		{"e", secret, event(5), 503},
		{"f", secret, pretty, 200}, // printed in one line
		{"g", secret, event(6), 503},
		{"h", secret, "no json", 400},
	} {
		if got := send(tt.id, tt.key, tt.body); got != tt.want {
			t.Errorf("attempt %d: %d, want %d", i+1, got, tt.want)
		}
	}
	if want := event(1) + "\n" + event(2) + "\n" + `{"event":"x"}` + "\n"; h.out.String() != want {
		t.Errorf("printed:\n%s\nwant:\n%s", h.out, want)
	}
}

// cli.md: --count ends it with exit code 0 after so many good deliveries;
// repeats and failures do not count, and nothing is accepted beyond.
func TestCountEndsIt(t *testing.T) {
	h := start(t, receiver.Options{Count: 2, Plan: receiver.Plan{FailFirst: 1}})
	for i, want := range []int{503, 200, 200, 200} {
		id := []string{"a", "a", "a", "b"}[i]
		if got := h.deliver(id, i+1); got != want {
			t.Errorf("attempt %d: %d, want %d", i+1, got, want)
		}
	}
	select {
	case err := <-h.ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
	if status := h.deliver("c", 9); status != 0 {
		t.Errorf("%d after the end", status)
	}
}

// A pipe that broke ends the receiver, and a delivery that could not be printed
// is not accepted.
func TestABrokenPipeEndsIt(t *testing.T) {
	h := start(t, receiver.Options{Raw: true, Out: broken{}})
	if status := h.deliver("a", 1); status != 503 {
		t.Errorf("%d", status)
	}
	if err := <-h.ended; !errors.Is(err, errPipe) {
		t.Errorf("%v", err)
	}
}

var errPipe = errors.New("broken pipe")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errPipe }

func TestOnlyPostIsAWebhook(t *testing.T) {
	h := start(t, receiver.Options{})
	answer, err := h.client.Get(h.url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != 405 || answer.Header.Get("Allow") != "POST" {
		t.Errorf("%d", answer.StatusCode)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, opts := range map[string]receiver.Options{
		"secret":      {Secret: "whsec_short"},
		"status":      {Plan: receiver.Plan{Status: 101}},
		"stall":       {Plan: receiver.Plan{Stall: -1}},
		"retry-after": {Plan: receiver.Plan{RetryAfter: -1}},
		"fail-first":  {Plan: receiver.Plan{FailFirst: -1}},
		"fail-every":  {Plan: receiver.Plan{FailEvery: -1}},
		"count":       {Count: -1},
	} {
		_, err := receiver.New(opts)
		if err == nil || !strings.HasPrefix(err.Error(), name+":") {
			t.Errorf("%s: error %v", name, err)
		} else if strings.Contains(err.Error(), "short") {
			t.Error("the error repeats the secret")
		}
	}
	r, err := receiver.New(receiver.Options{Listen: "127.0.0.1:99999", Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if r.Run(t.Context()) == nil {
		t.Error("listening on no port is no error")
	}
}
