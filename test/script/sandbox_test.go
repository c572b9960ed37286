package script_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/proctest"
)

const (
	olga = "5511900000001"
	ana  = "5511900000002"
	rui  = "5511900000003"
	png  = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

// step is one request to a sandbox; UNTIL is a GET repeated until the answer is
// as wanted. {name} in path and body is what an earlier step kept under that
// name.
type step struct {
	method, path, body string
	status             int
	want               string // a regular expression; its first group is kept
	keep               string
}

// sandboxSteps use every route of the sandbox in cli.md, in an order in which
// each has what it needs.
var sandboxSteps = []step{
	{"POST", "/sandbox/phones", `{"number":"` + olga + `","name":"Olga"}`, 201, `"name":"Olga"`, ""},
	{"POST", "/sandbox/phones", `{"number":"` + ana + `","name":"Ana"}`, 201, "", ""},
	{"POST", "/sandbox/phones", `{"number":"` + ana + `","name":"Anna"}`, 200, `"name":"Anna"`, ""},
	{"POST", "/sandbox/phones", `{"number":"` + rui + `","name":"Rui"}`, 201, "", ""},
	{"GET", "/sandbox/phones", "", 200, `"name":"Olga".*"devices":\[\]`, ""},
	{"POST", "/api/instance/new", `{"name":"sales"}`, 201, "", ""},
	{"GET", "/api/instance/connect/sales", "", 200, `"qrCode":"([^"]*)"`, "qr"},
	{"POST", "/sandbox/phones/" + olga + "/scan", `{"qrCode":"nonsense"}`, 410, "QR code has expired", ""},
	{"POST", "/sandbox/phones/" + olga + "/scan", `{"instance":"sales"}`, 200, `"device":"([^"]*)"`, "device"},
	{"UNTIL", "/api/instance/list", "", 200, `"status":"connected"`, ""},
	{"POST", "/sandbox/phones/" + ana + "/messages", `{"to":"` + olga + `","text":"hi"}`, 201, `"messageId":"([^"]*)"`, "text"},
	{"POST", "/sandbox/phones/" + ana + "/messages", `{"to":"` + olga + `","media":{"type":"image","mimetype":"image/png","base64":"` + png + `","fileName":"a.png","caption":"c"}}`, 201, `"messageId":"([^"]*)"`, "image"},
	{"POST", "/sandbox/phones/" + ana + "/messages", `{"to":"` + olga + `","location":{"latitude":1.5,"longitude":2,"name":"n","address":"a"}}`, 201, "messageId", ""},
	{"POST", "/sandbox/phones/" + ana + "/messages", `{"to":"` + olga + `","contact":{"fullName":"Rui","phone":"351911222333"}}`, 201, "messageId", ""},
	{"POST", "/sandbox/phones/" + ana + "/messages", `{"to":"` + olga + `","poll":{"title":"Lunch?","options":["a","b"],"maxAnswer":1}}`, 201, `"messageId":"([^"]*)"`, "poll"},
	{"POST", "/sandbox/phones/" + ana + "/messages", `{"to":"` + olga + `","vote":{"messageId":"{poll}","options":["a"]}}`, 201, "messageId", ""},
	{"POST", "/sandbox/phones/" + ana + "/messages", `{"to":"` + olga + `","reaction":{"messageId":"{text}","emoji":"👍"}}`, 201, "messageId", ""},
	{"POST", "/sandbox/phones/" + ana + "/messages", `{"to":"` + olga + `","text":"again","replyTo":"{text}"}`, 201, "messageId", ""},
	{"POST", "/sandbox/phones/" + ana + "/messages", `{"to":"` + olga + `","edit":{"messageId":"{text}","text":"ho"}}`, 201, "messageId", ""},
	{"POST", "/sandbox/phones/" + ana + "/messages", `{"to":"` + olga + `","revoke":{"messageId":"{text}"}}`, 201, "messageId", ""},
	{"POST", "/sandbox/phones/" + ana + "/messages", `{"to":"` + olga + `"}`, 400, "give exactly one of", ""},
	{"POST", "/api/message/text/sales", `{"number":"` + ana + `","message":"one"}`, 200, `"messageId":"([^"]*)"`, "sent"},
	{"POST", "/api/message/text/sales", `{"number":"` + ana + `","message":"two"}`, 200, `"messageId":"([^"]*)"`, "last"},
	{"UNTIL", "/sandbox/phones/" + ana + "/messages", "", 200, `"id":"{sent}","from":"` + olga + `".*"type":"text","text":"one".*"text":"two"`, ""},
	{"GET", "/sandbox/phones/" + ana + "/messages?after={sent}", "", 200, `^{"messages":\[{"id":"{last}"`, ""},
	{"GET", "/sandbox/phones/" + ana + "/messages?after={last}", "", 200, `"messages":\[\]`, ""},
	{"POST", "/sandbox/phones/" + ana + "/receipts", `{"to":"` + olga + `","messageIds":["{sent}"],"status":"read"}`, 200, "", ""},
	{"POST", "/sandbox/phones/" + ana + "/presence", `{"to":"` + olga + `","state":"typing"}`, 200, "", ""},
	{"POST", "/sandbox/phones/" + ana + "/calls", `{"to":"` + olga + `","action":"offer","video":true}`, 200, `"callId":"([^"]*)"`, "call"},
	{"POST", "/sandbox/phones/" + ana + "/calls", `{"to":"` + olga + `","action":"terminate","callId":"{call}"}`, 200, "", ""},
	{"POST", "/sandbox/phones/" + olga + "/labels", `{"action":"edit","labelId":"1","name":"VIP","color":3}`, 200, "", ""},
	{"POST", "/sandbox/phones/" + olga + "/labels", `{"action":"chat","labelId":"1","chat":"` + ana + `","labeled":true}`, 200, "", ""},
	{"POST", "/sandbox/phones/" + olga + "/labels", `{"action":"message","labelId":"1","chat":"` + ana + `","messageId":"{sent}","labeled":true}`, 200, "", ""},
	{"POST", "/sandbox/groups", `{"name":"Team","owner":"` + olga + `","participants":["` + ana + `"]}`, 201, `"jid":"([^"]*)"`, "group"},
	{"PUT", "/sandbox/groups/{group}", `{"actor":"` + olga + `","name":"Crew","topic":"t","announce":true,"locked":true,"ephemeral":86400,"membershipApproval":false}`, 200, "", ""},
	{"PUT", "/sandbox/groups/{group}", `{"actor":"` + ana + `","name":"Mine"}`, 403, "Not allowed in this group", ""},
	{"POST", "/sandbox/groups/{group}/participants", `{"actor":"` + olga + `","action":"add","participants":["` + rui + `"]}`, 200, rui, ""},
	{"POST", "/sandbox/groups/{group}/participants", `{"actor":"` + olga + `","action":"promote","participants":["` + rui + `"]}`, 200, "", ""},
	{"POST", "/sandbox/groups/{group}/participants", `{"actor":"` + olga + `","action":"demote","participants":["` + rui + `"]}`, 200, "", ""},
	{"POST", "/sandbox/groups/{group}/participants", `{"actor":"` + rui + `","action":"leave"}`, 200, "", ""},
	{"POST", "/sandbox/groups/{group}/participants", `{"actor":"` + rui + `","action":"join"}`, 200, rui, ""},
	{"POST", "/sandbox/groups/{group}/participants", `{"actor":"` + olga + `","action":"remove","participants":["` + rui + `"]}`, 200, "", ""},
	{"POST", "/sandbox/faults", `{"kind":"media_gone","target":"` + olga + `","messageId":"{image}","final":true}`, 200, "", ""},
	{"POST", "/sandbox/faults", `{"kind":"delay","target":"` + olga + `","ms":0}`, 200, "", ""},
	{"POST", "/sandbox/faults", `{"kind":"lose_ack","target":"` + olga + `","count":1}`, 200, "", ""},
	{"POST", "/sandbox/faults", `{"kind":"redeliver","target":"` + olga + `","count":1}`, 200, "", ""},
	{"POST", "/sandbox/faults", `{"kind":"drop_connection","target":"` + olga + `"}`, 200, "", ""},
	{"POST", "/sandbox/faults", `{"kind":"nonsense","target":"` + olga + `"}`, 400, "must be one of client_outdated", ""},
	{"POST", "/sandbox/load", `{"from":["` + ana + `"],"to":["` + olga + `"],"rate":20,"seconds":1,"kind":"text","size":10}`, 200, `"from":"` + ana + `"`, ""},
	{"POST", "/sandbox/phones/" + olga + "/unlink", `{"device":"{device}"}`, 200, "", ""},
	{"GET", "/sandbox/phones", "", 200, `"name":"Olga"[^}]*"devices":\[\]`, ""},
	{"PUT", "/sandbox/phones", "", 405, "Method not allowed", ""},
	{"GET", "/sandbox/nothing", "", 404, "Not found", ""},
}

// TestSandboxRoutes plays every route of the sandbox through the binary, with a
// network of its own and with one in another process.
func TestSandboxRoutes(t *testing.T) {
	flags := []string{"sandbox", "--listen", "127.0.0.1:0", "--account-token", token, "--rate-limit", "0", "--data"}
	t.Run("own network", func(t *testing.T) {
		playSteps(t, proctest.Start(t, append(flags, t.TempDir())...))
	})
	t.Run("forwarded", func(t *testing.T) {
		network := proctest.Start(t, "network")
		playSteps(t, proctest.Start(t, append(flags, t.TempDir(), "--network", network.URL)...))
	})
}

func playSteps(t *testing.T, p *proctest.Process) {
	t.Helper()
	kept := map[string]string{}
	fill := func(s string, quote func(string) string) string {
		for name, value := range kept {
			s = strings.ReplaceAll(s, "{"+name+"}", quote(value))
		}
		return s
	}
	same := func(s string) string { return s }
	for i, s := range sandboxSteps {
		name := fmt.Sprintf("step %d: %s %s %s", i, s.method, fill(s.path, same), fill(s.body, same))
		want := regexp.MustCompile(fill(s.want, regexp.QuoteMeta))
		status, body := request(t, p, s.method, fill(s.path, same), fill(s.body, same))
		found := want.FindStringSubmatch(body)
		for deadline := time.Now().Add(patience); s.method == "UNTIL" && found == nil && time.Now().Before(deadline); {
			status, body = request(t, p, s.method, fill(s.path, same), "")
			found = want.FindStringSubmatch(body)
		}
		if status != s.status || found == nil {
			t.Fatalf("%s: %d %s, want %d with %q", name, status, body, s.status, s.want)
		}
		checkEnvelope(t, name, status, body)
		if s.keep != "" {
			kept[s.keep] = found[1]
		}
	}
}

func request(t *testing.T, p *proctest.Process, method, path, body string) (status int, answer string) {
	t.Helper()
	if method == "UNTIL" {
		method = http.MethodGet
	}
	req, err := http.NewRequest(method, p.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("token", token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(bytes.TrimSpace(text))
}

// checkEnvelope: success and errors come in the envelope of rest.md 1.3.
func checkEnvelope(t *testing.T, name string, status int, body string) {
	t.Helper()
	var e struct {
		Success *bool
		Error   *struct{ Message string }
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Success == nil {
		t.Fatalf("%s: no envelope (%v): %s", name, err, body)
	}
	if good := status < 300; *e.Success != good || (e.Error == nil) != good {
		t.Errorf("%s: status %d and %s", name, status, body)
	}
}
