package wasim_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chasqui/chasqui/wasim"
)

func TestOnlyLoopbackIsServedAndReached(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "192.0.2.1:0", ":0", "nonsense"} {
		if s, err := wasim.New(wasim.Options{Listen: address}); err == nil {
			_ = s.Close()
			t.Errorf("listens on %q", address)
		}
	}
	for _, base := range []string{"http://192.0.2.1:80", "https://127.0.0.1:1", "http://example.com", "web.whatsapp.com", ""} {
		if response, err := wasim.HTTPClient(base).Get("https://web.whatsapp.com/"); err == nil {
			_ = response.Body.Close()
			t.Errorf("%q was reached", base)
		}
	}
}

func TestEveryHostLeadsToTheServer(t *testing.T) {
	server := wasim.Start(t)
	server.Handle("/hello", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hi") }))
	c := server.HTTPClient()
	t.Cleanup(c.CloseIdleConnections)
	response, err := c.Get("https://mmg.whatsapp.net/hello")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "hi" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestClosedServerRefusesAndCloseIsRepeatable(t *testing.T) {
	server := wasim.Start(t)
	c := linked(t, server, server.Phone("5511999990001"))
	for range 2 {
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the client has lost its connection", func() bool { return !c.IsConnected() })
}

func TestPeople(t *testing.T) {
	server := wasim.Start(t)
	for _, number := range []string{"", "123456", "1234567890123456", "55119999a0001", "+5511999990001"} {
		if _, err := server.AddPhone(number, "x"); err == nil {
			t.Errorf("number %q was accepted", number)
		}
	}
	ana, err := server.AddPhone("5511999990002", "Ana")
	if err != nil {
		t.Fatal(err)
	}
	again, err := server.AddPhone("5511999990002", "Ana Maria")
	if err != nil || again != ana || ana.Name() != "Ana Maria" {
		t.Errorf("renamed: %v, %q", err, ana.Name())
	}
	if p := server.Phone("5511999990001"); p.Name() != p.Number() || p.JID() != "5511999990001@s.whatsapp.net" || !strings.HasSuffix(p.LID(), "@lid") {
		t.Errorf("%q %q %q", p.Name(), p.JID(), p.LID())
	}
	var numbers []string
	for _, p := range server.Phones() {
		numbers = append(numbers, p.Number())
	}
	if strings.Join(numbers, " ") != "5511999990001 5511999990002" {
		t.Errorf("sorted: %v", numbers)
	}
	if _, ok := server.FindPhone("5511999990003"); ok {
		t.Error("found somebody who is not there")
	}
	if wasim.Start(t).Phone("5511999990001").LID() != server.Phone("5511999990001").LID() {
		t.Error("the hidden identity depends on more than the number")
	}
}
