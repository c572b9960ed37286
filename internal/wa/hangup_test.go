package wa_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/chasqui/chasqui/internal/wa"
	"github.com/chasqui/chasqui/wasim"
)

// TestCloseDoesNotWaitForAHandshake: a server that takes the connection and
// never answers holds the library's dial for 20 s; closing the client, and so
// stopping the gateway, must not wait for it.
func TestCloseDoesNotWaitForAHandshake(t *testing.T) {
	reached := make(chan struct{}, 1)
	mute := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.CloseNow() }() // the client is gone by then
		_, _, _ = conn.Read(r.Context())       // its hello
		reached <- struct{}{}
		_, _, _ = conn.Read(r.Context()) // until it hangs up
	}))
	defer mute.Close()
	r := newRig(t, func(o *wa.Options) {
		o.HTTPClient = func() *http.Client { return wasim.HTTPClient(mute.URL) }
	})
	r.open()
	dialled := make(chan error, 1)
	go func() { dialled <- r.client.Connect(t.Context()) }()
	<-reached
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		r.client.Close()
	}()
	for _, done := range []func() bool{
		func() bool { <-closed; return true },
		func() bool { return <-dialled != nil },
	} {
		answer := make(chan bool, 1)
		go func() { answer <- done() }()
		select {
		case ok := <-answer:
			if !ok {
				t.Error("a dial that was given up reports success")
			}
		case <-time.After(10 * time.Second):
			t.Fatal("still waiting for the handshake")
		}
	}
}
