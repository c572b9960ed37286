package sandbox_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chasqui/chasqui/internal/sandbox"
	"github.com/chasqui/chasqui/wasim"
)

// FuzzBodies posts whatever comes to every route but load, which takes its time. The answer is always an envelope, and
// never an internal error.
func FuzzBodies(f *testing.F) {
	network := wasim.Start(f)
	for _, number := range []string{botNumber, anaNumber} {
		network.Phone(number)
	}
	group, err := network.CreateGroup("Fuzz", network.Phone(botNumber), network.Phone(anaNumber))
	if err != nil {
		f.Fatal(err)
	}
	routes := sandbox.New(network, sandbox.Options{})
	paths := []string{
		"/sandbox/phones", bot + "/scan", bot + "/code", bot + "/unlink", bot + "/messages", bot + "/receipts", bot + "/presence",
		bot + "/calls", bot + "/labels", "/sandbox/groups", "/sandbox/groups/" + group.JID() + "/participants",
		"/sandbox/groups/" + group.JID(), "/sandbox/faults",
	}
	for i, body := range []string{
		`{"number":"5511999990001","name":"n"}`, `{"to":"` + anaNumber + `","text":"x"}`, `{"to":"` + anaNumber + `","poll":{"title":"t","options":["a","b"]}}`,
		`{"to":"` + anaNumber + `","media":{"type":"ptt","base64":"AA=="}}`, `{"actor":"` + botNumber + `","action":"promote","participants":["` + anaNumber + `"]}`,
		`{"actor":"` + botNumber + `","ephemeral":1,"topic":null}`, `{"kind":"delay","target":"` + botNumber + `","ms":0}`, `{"instance":"a"}`,
		`{"action":"edit","labelId":"1","name":"x","color":1e400}`, `[`, `{"to":{}}`,
	} {
		for j := range paths {
			f.Add(uint(i+j), body)
		}
	}
	f.Fuzz(func(t *testing.T, which uint, body string) {
		path := paths[which%uint(len(paths))]
		method := "POST"
		if strings.HasSuffix(path, "@g.us") {
			method = "PUT"
		}
		w := httptest.NewRecorder()
		routes.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
		var answer struct {
			Success bool
			Error   *struct{ Message string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Success != (w.Code < 300) || (answer.Error == nil) != answer.Success || w.Code == 500 {
			t.Errorf("%s %s: %d %s", path, body, w.Code, w.Body)
		}
	})
}
