package httpapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/httpapi"
	"github.com/chasqui/chasqui/internal/message"
)

const setTarget = "/api/events/websocket/sales"

// endless is a body that never ends and counts what was read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

// TestBodyOver1MiB proves rest.md 1.6: 413, an announced length before a byte
// is read, an unannounced one as soon as the limit is passed.
func TestBodyOver1MiB(t *testing.T) {
	const limit = 1 << 20
	for _, tt := range []struct {
		name    string
		length  int64
		maxRead int
	}{
		{"10 MiB announced", 10 << 20, 0},
		{"one byte over announced", limit + 1, 0},
		{"endless, not announced", -1, limit + 64<<10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := &endless{}
			r := httptest.NewRequest("POST", setTarget, body)
			r.ContentLength = tt.length
			r.Header.Set("token", salesToken)
			rec := do(t, newWorld().api(t, httpapi.Options{}), r)
			if rec.Code != 413 || strings.TrimSpace(rec.Body.String()) != refusal("Request body too large") {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
			if body.read > tt.maxRead {
				t.Errorf("%d bytes were read, want at most %d", body.read, tt.maxRead)
			}
		})
	}
}

// TestBodyOfExactly1MiB is accepted.
func TestBodyOfExactly1MiB(t *testing.T) {
	body := `{"enabled":true}`
	body += strings.Repeat(" ", 1<<20-len(body))
	rec := do(t, newWorld().api(t, httpapi.Options{}), request("POST", setTarget, body, "token: "+salesToken))
	if rec.Code != 200 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// TestBodyIsCheckedLast proves the order token, rate limit, instance, body:
// before the body's turn nothing of it is read.
func TestBodyIsCheckedLast(t *testing.T) {
	two := 2
	h := newWorld().api(t, httpapi.Options{RateLimits: httpapi.Limits{Token: &two}})
	for _, tt := range []struct {
		target, token string
		status        int
	}{
		{setTarget, "wrong-token-00001", 401},
		{setTarget, supportToken, 401},
		{"/api/events/websocket/nobody", acmeToken, 404},
		{"/api/events/websocket/", acmeToken, 400},
		{"/api/events/websocket/nobody", acmeToken, 429},
	} {
		body := &endless{}
		r := httptest.NewRequest("POST", tt.target, body)
		r.Header.Set("token", tt.token)
		if rec := do(t, h, r); rec.Code != tt.status || body.read != 0 {
			t.Errorf("%s with %s: %d after %d bytes, want %d after 0", tt.target, tt.token, rec.Code, body.read, tt.status)
		}
	}
}

// TestBodyBroken: a body that ends with an error is 400, not 500.
func TestBodyBroken(t *testing.T) {
	r := httptest.NewRequest("POST", setTarget, io.MultiReader(strings.NewReader(`{"enabled":`), brokenReader{}))
	r.Header.Set("token", salesToken)
	rec := do(t, newWorld().api(t, httpapi.Options{}), r)
	want := `{"success":false,"error":{"message":"Invalid request body","details":[{"field":"body","reason":"could not be read"}]}}`
	if rec.Code != 400 || strings.TrimSpace(rec.Body.String()) != want {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestBodyNotUTF8: rest.md 1.1, JSON is UTF-8.
func TestBodyNotUTF8(t *testing.T) {
	rec := do(t, newWorld().api(t, httpapi.Options{}), request("POST", "/api/message/text/sales",
		"{\"number\":\"5511988887777\",\"message\":\"\xff\"}", "token: "+salesToken))
	want := `{"success":false,"error":{"message":"Invalid request body: body must be UTF-8","details":[{"field":"body","reason":"must be UTF-8"}]}}`
	if rec.Code != 400 || strings.TrimSpace(rec.Body.String()) != want {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// TestContentTypeIsNotEnforced: rest.md 1.1.
func TestContentTypeIsNotEnforced(t *testing.T) {
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/cbor", ";;"} {
		for _, accept := range []string{"", "text/html", "application/cbor"} {
			rec := do(t, newWorld().api(t, httpapi.Options{}), request("POST", setTarget, `{"enabled":true}`,
				"token: "+salesToken, "Content-Type: "+contentType, "Accept: "+accept))
			if rec.Code != 200 || rec.Header().Get("Content-Type") != "application/json" {
				t.Errorf("Content-Type %q, Accept %q: %d %s", contentType, accept, rec.Code, rec.Header().Get("Content-Type"))
			}
		}
	}
}

// TestTextReachesTheService: every field of the request arrives as it was sent.
func TestTextReachesTheService(t *testing.T) {
	w := newWorld()
	do(t, w.api(t, httpapi.Options{}), request("POST", "/api/message/text/sales",
		`{"number":"5511988887777","message":"Hi <b>&</b>","delay":5,"replyTo":"3EB0AA11","replyPrivate":true,`+
			`"mention":["5511977776666"],"mentionAll":true,"source":"crm","linkPreview":true}`, "token: "+salesToken))
	want := []any{message.Text{
		Number: "5511988887777", Message: "Hi <b>&</b>", Delay: 5, ReplyTo: "3EB0AA11", ReplyPrivate: true,
		Mention: []string{"5511977776666"}, MentionAll: true, Source: "crm", LinkPreview: true,
	}}
	if diff := cmp.Diff(want, w.asked); diff != "" {
		t.Error(diff)
	}
}

// TestHEADIsGETWithoutBody over a real connection, where net/http drops it.
func TestHEADIsGETWithoutBody(t *testing.T) {
	server := httptest.NewServer(newWorld().api(t, httpapi.Options{}))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), "HEAD", server.URL+"/api/account", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("token", acmeToken)
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || len(body) != 0 || err != nil || resp.ContentLength == 0 {
		t.Errorf("%d, %d bytes, length %d, %v", resp.StatusCode, len(body), resp.ContentLength, err)
	}
}

// FuzzBody sends arbitrary bodies: the answer is a success or a refusal in the
// envelope, never 500, and an invalid body has details.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{"enabled":true,"events":["call.update"],"mediaBase64":null}`, `{"enabled":"x"}`, `[]`, `null`, ``, `{`,
		`{"name":"a","websocketEnabled":1,"proxyPort":8080}`, "\xff", `{"events":[null,1,{}]}`, `{"enabled":true}{}`,
		`{"port":1e400,"host":{"a":[[[[]]]]}}`, strings.Repeat("[", 20000),
	} {
		f.Add(seed)
	}
	off := 0
	h := newWorld().api(f, httpapi.Options{RateLimits: httpapi.Limits{Token: &off}})
	targets := []string{setTarget, "/api/instance/new", "/api/instance/proxy/sales", "/api/instance/settings/sales", "/api/message/text/sales"}
	f.Fuzz(func(t *testing.T, body string) {
		for _, target := range targets {
			rec := do(t, h, request("POST", target, body, "token: "+acmeToken))
			var answer struct {
				Success *bool
				Error   *struct {
					Message string
					Details []struct{ Field, Reason string }
				}
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || answer.Success == nil || !utf8.Valid(rec.Body.Bytes()) {
				t.Fatalf("%s: no envelope: %s", target, rec.Body)
			}
			switch {
			case rec.Code == 200 || rec.Code == 201:
			case rec.Code != 400 && rec.Code != 403 && rec.Code != 409: // the account fills up
				t.Errorf("%s: status %d", target, rec.Code)
			case strings.HasPrefix(answer.Error.Message, "Invalid request body") && len(answer.Error.Details) == 0:
				t.Errorf("%s: no details: %s", target, rec.Body)
			}
		}
	})
}

// FuzzTokens puts arbitrary bytes where tokens go: nothing but the right token
// in the right place opens anything.
func FuzzTokens(f *testing.F) {
	f.Add(salesToken, "", "")
	f.Add("", "Bearer "+salesToken, "")
	f.Add("", "", "token="+salesToken)
	f.Add("", "Bearer", "ticket=%zz&token")
	f.Add(" ", "bearer  "+salesToken+" ", ";token="+salesToken)
	off := 0
	h := newWorld().api(f, httpapi.Options{RateLimits: httpapi.Limits{Token: &off}})
	f.Fuzz(func(t *testing.T, header, authorization, query string) {
		r := request("GET", "/api/instance/getProxy/sales", "")
		r.Header["Token"], r.Header["Authorization"], r.URL.RawQuery = []string{header}, []string{authorization}, query
		rec := do(t, h, r)
		scheme, rest, _ := strings.Cut(authorization, " ")
		bearer := strings.EqualFold(scheme, "Bearer") && strings.TrimSpace(rest) == salesToken
		opened := header == salesToken || header == "" && bearer
		if (rec.Code == 200) != opened || rec.Code != 200 && rec.Code != 401 {
			t.Errorf("token %q, authorization %q, query %q: %d", header, authorization, query, rec.Code)
		}
		for _, given := range []string{header, authorization} {
			if len(given) > 15 && given != salesToken && bytes.Contains(rec.Body.Bytes(), []byte(given)) {
				t.Errorf("the answer shows %q", given)
			}
		}
	})
}
