package wasim_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
	_ "modernc.org/sqlite"

	"github.com/chasqui/chasqui/wasim"
)

// client is an unmodified whatsmeow client with what it has reported.
type client struct {
	*whatsmeow.Client
	t      testing.TB
	events chan any
}

// newStore is a whatsmeow store on SQLite in the test's folder.
func newStore(t testing.TB) *sqlstore.Container {
	t.Helper()
	address := fmt.Sprintf("file:%s/store.db?_txlock=immediate&_pragma=foreign_keys(1)&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)", t.TempDir())
	container, err := sqlstore.New(t.Context(), "sqlite", address, nil)
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	t.Cleanup(func() { _ = container.Close() })
	return container
}

// newClient makes a client for a device of a store and points it at the server.
func newClient(t testing.TB, server *wasim.Server, device *store.Device) *client {
	t.Helper()
	c := &client{Client: whatsmeow.NewClient(device, nil), t: t, events: make(chan any, 1024)}
	c.EnableDecryptedEventBuffer = true
	c.AddEventHandler(func(e any) {
		select {
		case c.events <- e:
		case <-t.Context().Done():
		}
	})
	server.Attach(c.Client)
	t.Cleanup(c.Disconnect)
	return c
}

// linked makes a client that is linked to a phone and connected. Its switches
// are set by change, before the library reads them.
func linked(t testing.TB, server *wasim.Server, phone *wasim.Phone, change ...func(*client)) *client {
	t.Helper()
	c := newClient(t, server, newStore(t).NewDevice())
	for _, f := range change {
		f(c)
	}
	c.connect()
	code := await[*events.QR](c).Codes[0]
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := phone.ScanQR(ctx, code); err != nil {
		t.Fatalf("scan: %v", err)
	}
	var connected, greeted bool // in either order
	awaitWhere(c, func(e any) bool {
		switch e.(type) {
		case *events.Connected:
			connected = true
		case *events.HistorySync:
			greeted = true
		}
		return connected && greeted
	})
	eventually(t, "the phone's greeting is acknowledged", func() bool { return wasim.Waiting(phone) == 0 })
	return c
}

// resumed takes the place of a linked client, with a device read anew from the store: when the library deletes it, no
// goroutine of the linking uses it any more (docs/library-races.md).
func (c *client) resumed(server *wasim.Server) *client {
	c.t.Helper()
	c.Disconnect()
	device, err := c.Store.Container.(*sqlstore.Container).GetDevice(c.t.Context(), *c.Store.ID)
	if err != nil || device == nil {
		c.t.Fatalf("the stored device: %v", err)
	}
	return newClient(c.t, server, device)
}

func (c *client) connect() {
	c.t.Helper()
	if err := c.Connect(); err != nil {
		c.t.Fatalf("connect: %v", err)
	}
}

// await returns the client's next event of a type, dropping others.
func await[E any](c *client) E {
	c.t.Helper()
	return awaitWhere(c, func(E) bool { return true })
}

// awaitWhere returns the client's next event of a type that match accepts, dropping others.
func awaitWhere[E any](c *client, match func(E) bool) E {
	c.t.Helper()
	deadline := time.After(10 * time.Second)
	var seen []string
	for {
		select {
		case e := <-c.events:
			if want, ok := e.(E); ok && match(want) {
				return want
			}
			seen = append(seen, fmt.Sprintf("%T", e))
		case <-deadline:
			var want E
			c.t.Fatalf("no %T; saw %v", want, seen)
			return want
		}
	}
}

// text awaits a text message and returns it.
func (c *client) text(want string) *events.Message {
	c.t.Helper()
	return awaitWhere(c, func(m *events.Message) bool { return m.Message.GetConversation() == want })
}

func jid(t testing.TB, s string) types.JID {
	t.Helper()
	j, err := types.ParseJID(s)
	if err != nil {
		t.Fatalf("address: %v", err)
	}
	return j
}

func (c *client) say(to types.JID, text string) whatsmeow.SendResponse {
	c.t.Helper()
	r, err := c.SendMessage(c.t.Context(), to, &waE2E.Message{Conversation: proto.String(text)})
	if err != nil {
		c.t.Fatalf("send: %v", err)
	}
	return r
}

// received waits for a text at a phone.
func received(t testing.TB, p *wasim.Phone, text string) wasim.Received {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := p.Wait(ctx, func(r wasim.Received) bool { return r.Text == text })
	if err != nil {
		t.Fatalf("%s did not receive %q: %v; has %v", p.Number(), text, err, p.Messages(""))
	}
	return r
}

func TestLinkByQRAndTextBothWays(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)

	id, err := person.Send(t.Context(), bot.Number(), wasim.Message{Text: "hello bot"})
	if err != nil {
		t.Fatal(err)
	}
	m := c.text("hello bot")
	if m.Info.ID != id || m.Info.Sender.User != person.Number() || m.Info.PushName != person.Name() {
		t.Errorf("message info: %+v", m.Info)
	}

	sent := c.say(jid(t, person.JID()), "hello person")
	r := received(t, person, "hello person")
	if r.ID != sent.ID || r.From != bot.Number() || r.Chat != bot.Number() || r.Type != "text" {
		t.Errorf("received: %+v", r)
	}
	receipt := awaitWhere(c, func(e *events.Receipt) bool { return e.Type == types.ReceiptTypeDelivered })
	if receipt.MessageIDs[0] != sent.ID {
		t.Errorf("receipt for %v, want %s", receipt.MessageIDs, sent.ID)
	}
	if _, ok := server.MessageTime(sent.ID); !ok {
		t.Error("MessageTime does not know the message")
	}
}

type jidType = types.JID

// eventually polls until done, with a deadline.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
