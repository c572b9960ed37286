package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/dispatch/dispatchtest"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/hub"
	"github.com/chasqui/chasqui/internal/media"
)

// streams makes a hub what package dispatch wants.
type streams struct{ *hub.Hub }

func (s streams) Stream(instanceID string) dispatch.Stream { return s.Hub.Stream(instanceID) }

// gateway is a dispatcher over a hub, with real clients.
type gateway struct {
	*place
	dispatch *dispatch.Dispatcher
	store    *dispatchtest.Store
	files    *dispatchtest.Files
	made     int // messages with a file
}

func openGateway(t *testing.T, opts hub.Options) *gateway {
	t.Helper()
	g := &gateway{place: open(t, opts), store: &dispatchtest.Store{}, files: &dispatchtest.Files{}}
	g.dispatch = dispatch.New(g.store, streams{g.hub}, g.files, dispatch.Options{MediaWait: patience})
	if err := g.dispatch.Open(t.Context(), dispatch.Origin{InstanceID: sales, Name: "sales"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.dispatch.Stop(context.Background()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return g
}

func (g *gateway) set(enabled, base64 bool, events ...event.Type) {
	g.t.Helper()
	if _, err := g.dispatch.SetWebSocket(g.t.Context(), sales, dispatch.WebSocket{Enabled: enabled, Events: events, MediaBase64: base64}); err != nil {
		g.t.Fatal(err)
	}
}

// produce makes events happen, one of each given payload.
func (g *gateway) produce(payloads ...event.Payload) {
	g.t.Helper()
	for _, data := range payloads {
		item := dispatch.Item{Data: data}
		if m, ok := data.(*event.Message); ok && m.Body.Media != nil {
			item.Media = &media.Ref{DirectPath: m.ID, Size: m.Body.Media.Size}
			g.made++ // each is another message, even with the same file
			item.Message = &dispatch.MessageRecord{ID: fmt.Sprint(m.ID, g.made)}
		}
		if err := g.dispatch.Publish(g.t.Context(), sales, item); err != nil {
			g.t.Fatal(err)
		}
	}
}

func message(id string) event.Payload {
	jid := "5511999999999@s.whatsapp.net"
	return &event.Message{ID: id, Body: event.MessageBody{ID: id, Chat: event.Chat{Address: event.Address{JID: &jid}}}}
}

func picture(id string) event.Payload {
	m := message(id).(*event.Message)
	m.Body.Media = &event.Media{Type: "image", Size: 3}
	return m
}

func call(id string) event.Payload { return &event.Call{CallID: id, Type: "offer"} }

func receipt() event.Payload {
	jid := "5511999999999@s.whatsapp.net"
	return &event.Status{Status: "read", Chat: event.Chat{Address: event.Address{JID: &jid}}}
}

// seen is what a client makes of a frame: sequence, type, and for a file its
// base64 or its error.
func (c *peer) seen(n int) []string {
	c.t.Helper()
	var list []string
	for range n {
		f := c.next()
		var e struct {
			Event string
			Data  struct {
				Message struct {
					Media struct{ Base64, Error string }
				}
			}
			Meta struct{ Sequence int }
		}
		if err := json.Unmarshal(f.Payload, &e); err != nil {
			c.t.Fatalf("opcode %v, %.80q: %v", f.Header.OpCode, f.Payload, err)
		}
		m := e.Data.Message.Media
		list = append(list, strings.TrimSpace(fmt.Sprint(e.Meta.Sequence, " ", e.Event, " ", m.Base64, m.Error)))
	}
	return list
}

func (c *peer) wantSeen(want ...string) {
	c.t.Helper()
	if diff := cmp.Diff(want, c.seen(len(want))); diff != "" {
		c.t.Fatal(diff)
	}
}

// Section 2, effect 1: a change reaches sockets that are already open, from the
// next event on: filter and mediaBase64.
func TestEffect1ChangeReachesOpenSockets(t *testing.T) {
	g := openGateway(t, hub.Options{})
	g.files.Finish("two", []byte{1, 2, 3}, nil)
	g.set(true, false, event.TypeMessage)
	c := g.dial("")
	g.produce(picture("one"), call("c"))
	g.set(true, true, event.TypeMessage)
	g.produce(picture("two"))
	c.wantSeen("1 message.exchange", "3 message.exchange AQID")
	g.set(true, true, event.TypeCall)
	g.produce(message("m"), call("c"))
	g.set(true, false)
	g.produce(message("m"), call("c"), receipt())
	c.wantSeen("5 call.update", "6 message.exchange", "7 call.update", "8 message.status")
}

// Section 2, effect 2: turning the channel off closes nothing; open sockets keep
// their heartbeat and what the last enabled configuration let through, which
// does not become all six types.
func TestEffect2DisablingKeepsOpenSockets(t *testing.T) {
	g := openGateway(t, hub.Options{Ping: 10 * time.Millisecond})
	g.set(true, false, event.TypeCall)
	c := g.dial("")
	g.set(false, false)
	g.set(false, false)
	g.produce(message("m"), call("c"), receipt(), call("d"))
	c.wantSeen("2 call.update", "4 call.update")
	for {
		if f, err := c.frame(); err != nil {
			t.Fatal(err)
		} else if f.Header.OpCode == ws.OpPing {
			break
		}
	}
	g.clients(1)
}

// Section 2, effect 3: turning it on again applies the new configuration to
// those old sockets too.
func TestEffect3EnablingAppliesToOldSockets(t *testing.T) {
	g := openGateway(t, hub.Options{})
	g.set(true, false, event.TypeCall)
	c := g.dial("")
	g.set(false, false)
	g.produce(message("m"))
	g.set(true, false, event.TypeMessage)
	g.produce(call("c"), message("m"))
	c.wantSeen("3 message.exchange")
}

// Section 2, effect 4: concurrent sets end in one of the bodies, whole: stored
// and in force alike.
func TestEffect4ConcurrentSets(t *testing.T) {
	g := openGateway(t, hub.Options{})
	bodies := []dispatch.WebSocket{
		{Enabled: true, Events: []event.Type{event.TypeMessage}, MediaBase64: true},
		{Enabled: true, Events: []event.Type{event.TypeCall}},
	}
	g.files.Finish("p", []byte{1, 2, 3}, nil)
	c := g.dial("")
	sequence := 0
	for range 20 {
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				if _, err := g.dispatch.SetWebSocket(t.Context(), sales, bodies[i%2]); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		stored, _, err := g.dispatch.WebSocket(t.Context(), sales)
		if err != nil {
			t.Fatal(err)
		}
		g.produce(picture("p"), call("c"))
		switch {
		case cmp.Equal(stored, bodies[0]):
			c.wantSeen(fmt.Sprint(sequence+1, " message.exchange AQID"))
		case cmp.Equal(stored, bodies[1]):
			c.wantSeen(fmt.Sprint(sequence+2, " call.update"))
		default:
			t.Fatalf("a mixture: %+v", stored)
		}
		sequence += 2
	}
}

// Section 4, order, at the socket: messages and receipts of a chat wait behind a
// picture, everything else goes on; the sequence shows the original order.
func TestMediaWaitAtTheSocket(t *testing.T) {
	g := openGateway(t, hub.Options{})
	g.set(true, true)
	a, b := g.dial(""), g.dial("")
	g.produce(picture("slow"), receipt(), message("m"), call("c"))
	for _, c := range []*peer{a, b} {
		c.wantSeen("4 call.update")
	}
	g.files.Finish("slow", []byte{1, 2, 3}, nil)
	for _, c := range []*peer{a, b} {
		c.wantSeen("1 message.exchange AQID", "2 message.status", "3 message.exchange")
	}
	if calls := g.files.Calls(); len(calls) != 1 {
		t.Errorf("downloads %q, want one for all clients", calls)
	}
}

// Section 4, nobody connected: recorded, but neither downloaded nor handed on.
func TestNobodyConnectedDownloadsNothing(t *testing.T) {
	g := openGateway(t, hub.Options{})
	g.set(true, true)
	g.produce(picture("p"), call("c"))
	if calls := g.files.Calls(); len(calls) != 0 {
		t.Errorf("downloads %q for nobody", calls)
	}
	if recorded, handed := g.dispatch.Produced(); recorded != 2 || handed != 0 {
		t.Errorf("%d recorded, %d handed on; want 2, 0", recorded, handed)
	}
	c := g.dial("")
	g.produce(call("d"))
	c.wantSeen("3 call.update")
}
