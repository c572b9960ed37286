package httpapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/httpapi"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/webhook"
)

var update = flag.Bool("update", false, "rewrite the golden bodies in testdata")

// TestScenarios plays the exchanges in testdata/*.txtar. Each section is named
// after the contract line that it proves and plays in a world of its own:
//
//	given <fact>         something about the world, see givens
//	> METHOD /path       a request
//	> Header: value
//	> {"the":"body"}
//	< STATUS             its answer
//	< Header: value
//	{"the":"body"}       key order counts, white space does not
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, section := range archive.Files {
			t.Run(filepath.Base(file)+"/"+section.Name, func(t *testing.T) {
				archive.Files[i].Data = play(t, string(section.Data))
			})
		}
		if *update {
			if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// givens are the facts that a section may begin with.
var givens = map[string]func(*world){
	"draining": func(w *world) { w.draining = true },
	"starting": func(w *world) { w.starting = true },
	"full":     func(w *world) { w.full = true },
	"websocket of sales": func(w *world) {
		w.configs["id-sales"] = dispatch.WebSocket{Enabled: true, Events: []event.Type{event.TypeMessage}, MediaBase64: true}
	},
	"websocket of sales disabled": func(w *world) { w.configs["id-sales"] = dispatch.WebSocket{} },
	"sales connected": func(w *world) {
		w.status["id-sales"] = instance.Status{State: instance.Connected, NumberJID: "5511999999999@s.whatsapp.net", Presence: "available"}
		w.result = instance.ConnectResult{Connected: true}
		w.change("id-sales", func(in *instance.Instance) {
			in.Login = instance.Login{
				DeviceJID: "5511999999999:3@s.whatsapp.net", PushName: "Sales",
				BusinessName: "Acme", PictureURL: "https://pps.whatsapp.net/v/p.jpg",
			}
			in.Proxy = instance.Proxy{Enabled: true, Host: "proxy.example.com", Port: "1080", Protocol: "socks5", Username: "user1", Password: "hidden-password"}
		})
	},
	"a QR code":      func(w *world) { w.result = instance.ConnectResult{QRCode: "2@AbC,dEf=,gHi=,jKl,1", ExpiresIn: 20} },
	"a pairing code": func(w *world) { w.result = instance.ConnectResult{PairingCode: "ABCD-EFGH", ExpiresIn: 160} },
	"offline logout": func(w *world) { w.warning = "the phone still lists this device" },
	"two clients of sales": func(w *world) {
		w.clients["id-sales"] = []httpapi.Client{
			{ID: "c1", RemoteAddress: "203.0.113.7", UserAgent: "ws", TokenType: "instance", ConnectedAt: birth, FramesSent: 120, BytesSent: 88123},
			{ID: "c2", RemoteAddress: "203.0.113.8", UserAgent: "curl", TokenType: "account", ConnectedAt: birth.Add(time.Second), Pending: 4},
		}
	},
	"a webhook of sales": func(w *world) {
		authorization := "Bearer abc"
		w.hookOf("default", func(h *webhook.Webhook) {
			h.Authorization, h.Secret = &authorization, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
			h.Headers, h.Events = map[string]string{"X-Shop": "1"}, []event.Type{event.TypeMessage}
			h.MediaBase64, h.Ordering = true, webhook.Relaxed
		})
	},
	"a webhook of sales paused": func(w *world) {
		w.hookOf("default", func(h *webhook.Webhook) { h.Paused, h.Reason = true, "failing since 2026-08-27T12:00:00Z" })
	},
	"a webhook of sales disabled": func(w *world) {
		w.hookOf("default", func(h *webhook.Webhook) { h.Enabled, h.Reason = false, "the receiver answered 410" })
	},
	"three webhooks of sales": func(w *world) {
		for _, label := range []string{"c", "a", "b"} {
			w.hookOf(label, nil)
		}
	},
	"deliveries of sales": (*world).fillLog,
	"no saved session": func(w *world) {
		w.failing["Instances.Reconnect"] = fault.New(fault.Invalid, "Instance has no saved session — call /connect first")
	},
	"sending refused": func(w *world) { w.failing["Messages.SendText"] = fault.WhatsAppThrottled() },
	"not connected":   func(w *world) { w.failing["Messages.SendText"] = fault.NotConnected() },
	"bucket of sales": func(w *world) {
		w.buckets["id-sales"] = media.BucketConfig{
			Enabled: true, Region: "us-east-1", Bucket: "media", AccessKey: "AKIAEXAMPLE", SecretKey: "hidden-secret-key", PathPrefix: "wa/",
		}
	},
	"media offline":   func(w *world) { w.failing["Chats.Fetch"] = media.ErrOffline },
	"media too large": func(w *world) { w.failing["Chats.Fetch"] = media.ErrTooLarge },
	"passkey needed": func(w *world) {
		w.failing["Instances.Connect"] = fault.New(fault.Unsupported, "Not supported: this account needs a passkey to link a device")
	},
}

// play runs one section and returns it with the bodies that came.
func play(t *testing.T, text string) []byte {
	t.Helper()
	w := newWorld()
	h := w.api(t, httpapi.Options{})
	var out strings.Builder
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for len(lines) > 0 {
		switch line := lines[0]; {
		case strings.HasPrefix(line, "given "):
			arrange(t, w, strings.TrimPrefix(line, "given "))
			out.WriteString(line + "\n")
			lines = lines[1:]
		case strings.HasPrefix(line, "> "):
			lines = exchange(t, h, lines, &out)
		default:
			t.Fatalf("neither given nor request: %q", line)
		}
	}
	return []byte(out.String())
}

func arrange(t *testing.T, w *world, fact string) {
	t.Helper()
	if method, ok := strings.CutSuffix(fact, " fails"); ok {
		w.fail(method)
		return
	}
	change, ok := givens[fact]
	if !ok {
		t.Fatalf("unknown fact %q", fact)
	}
	change(w)
}

// exchange plays one request and compares its answer.
func exchange(t *testing.T, h http.Handler, lines []string, out *strings.Builder) []string {
	t.Helper()
	sent, lines := take(lines, "> ")
	expected, lines := take(lines, "< ")
	n := 0
	for n < len(lines) && !strings.HasPrefix(lines[n], "> ") && !strings.HasPrefix(lines[n], "given ") {
		n++
	}
	golden, lines := strings.Join(lines[:n], "\n"), lines[n:]

	method, target, _ := strings.Cut(sent[0], " ")
	headers, body := sent[1:], ""
	for i, line := range sent[1:] {
		if line != "" && !isHeader(line) {
			headers, body = sent[1:i+1], strings.Join(sent[i+1:], "\n")
			break
		}
	}
	rec := do(t, h, request(method, target, body, headers...))
	fmt.Fprintf(out, "> %s\n< %s\n%s\n", strings.Join(sent, "\n> "), strings.Join(expected, "\n< "), indented(rec.Body.Bytes()))
	if want, _ := strconv.Atoi(expected[0]); rec.Code != want {
		t.Errorf("%s: status %d, want %s; body %s", sent[0], rec.Code, expected[0], rec.Body)
	}
	for _, line := range expected[1:] {
		name, value, _ := strings.Cut(line, ": ")
		if got := rec.Header().Get(name); got != value {
			t.Errorf("%s: header %s is %q, want %q", sent[0], name, got, value)
		}
	}
	if diff := cmp.Diff(indented([]byte(golden)), indented(rec.Body.Bytes())); diff != "" && !*update {
		t.Errorf("%s: body differs (-want +got):\n%s", sent[0], diff)
	}
	return lines
}

// isHeader tells header lines from the first line of a body.
func isHeader(line string) bool {
	name, _, ok := strings.Cut(line, ": ")
	return ok && !strings.ContainsAny(name, "{\"[ ")
}

// take cuts the lines with a prefix off the front.
func take(lines []string, prefix string) (with, rest []string) {
	for len(lines) > 0 && strings.HasPrefix(lines[0], prefix) {
		with, lines = append(with, strings.TrimPrefix(lines[0], prefix)), lines[1:]
	}
	return with, lines
}

func indented(body []byte) string {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(body), "", " "); err != nil {
		return strings.TrimSpace(string(body))
	}
	return b.String()
}
