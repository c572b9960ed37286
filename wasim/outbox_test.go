package wasim_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

// send sends a text from one person to another and returns its id.
func send(t testing.TB, from, to *wasim.Phone, text string) string {
	t.Helper()
	id, err := from.Send(t.Context(), to.Number(), wasim.Message{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// texts collects the client's next texts. What the phone tells a new device comes as messages without one.
func (c *client) texts(count int) []string {
	c.t.Helper()
	var out []string
	for range count {
		m := awaitWhere(c, func(m *events.Message) bool { return m.Message.GetConversation() != "" })
		out = append(out, m.Message.GetConversation())
	}
	return out
}

func numbered(count int) []string {
	out := make([]string, count)
	for i := range out {
		out[i] = fmt.Sprintf("text %d", i)
	}
	return out
}

func TestOfflineQueueComesInOrderBetweenPreviewAndEnd(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	c.Disconnect()
	eventually(t, "the device is offline", func() bool { return !bot.Devices()[0].Online })
	want := numbered(20)
	for _, text := range want {
		send(t, person, bot, text)
	}
	c.connect()
	preview := await[*events.OfflineSyncPreview](c)
	if preview.Total != 20 || preview.Messages != 20 {
		t.Errorf("preview %+v", preview)
	}
	if got := c.texts(20); !slices.Equal(got, want) {
		t.Errorf("order %v", got)
	}
	if done := await[*events.OfflineSyncCompleted](c); done.Count != 20 {
		t.Errorf("end %+v", done)
	}
	eventually(t, "everything is acknowledged", func() bool { return wasim.Waiting(bot) == 0 })
}

func TestWhatIsNotAcknowledgedComesAgain(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot, func(c *client) { c.SynchronousAck = true })
	var refused atomic.Bool // once
	c.AddEventHandlerWithSuccessStatus(func(e any) bool {
		m, message := e.(*events.Message)
		return !message || m.Message.GetConversation() != "keep me" || refused.Swap(true)
	})
	id := send(t, person, bot, "keep me")
	c.text("keep me")
	eventually(t, "it is refused", refused.Load)
	if n := wasim.Waiting(bot); n != 1 {
		t.Fatalf("%d stanzas wait", n)
	}
	c.Disconnect()
	c.connect()
	if again := c.text("keep me"); again.Info.ID != id {
		t.Errorf("came again as %s, was %s", again.Info.ID, id)
	}
	eventually(t, "it is acknowledged", func() bool { return wasim.Waiting(bot) == 0 })
}

func TestLostAcknowledgementsCauseRedelivery(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot, func(c *client) { c.SynchronousAck = true }) // the first is acknowledged first
	wasim.LoseAcks(bot, 1)
	send(t, person, bot, "first")
	send(t, person, bot, "second")
	c.text("second")
	eventually(t, "one is acknowledged", func() bool { return wasim.Waiting(bot) == 1 })
	wasim.Drop(bot)
	await[*events.Connected](c)
	eventually(t, "both are acknowledged", func() bool { return wasim.Waiting(bot) == 0 })
}

func TestDroppedConnectionLosesNothing(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	want := numbered(30)
	for i, text := range want {
		send(t, person, bot, text)
		if i == 10 {
			wasim.Drop(bot)
		}
	}
	got := map[string]bool{}
	for len(got) < len(want) {
		got[c.texts(1)[0]] = true
	}
	eventually(t, "everything is acknowledged", func() bool { return wasim.Waiting(bot) == 0 })
}

func TestRedeliverSendsTheLastMessagesAgain(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	author := linked(t, server, person)
	// Acknowledged in order, so that the last one acknowledged is the last one sent.
	c := linked(t, server, bot, func(c *client) { c.EnableDecryptedEventBuffer, c.SynchronousAck = false, true })
	send(t, person, bot, "one")
	id := send(t, person, bot, "two")
	c.text("two")
	// The library does not tell of a message it has decrypted before, but acknowledges it again, which the author sees.
	answered := func(r *events.Receipt) bool { return slices.Contains(r.MessageIDs, id) }
	awaitWhere(author, answered)
	eventually(t, "both are acknowledged", func() bool { return wasim.Waiting(bot) == 0 })
	if n := wasim.Redeliver(bot, 1); n != 1 {
		t.Fatalf("%d sent again", n)
	}
	awaitWhere(author, answered)
}

func TestReorderReversesTheNextMessages(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	send(t, person, bot, "hello") // so that the session is there
	c.text("hello")
	wasim.Reorder(bot, 3)
	for _, text := range []string{"1", "2", "3"} {
		send(t, person, bot, text)
	}
	if got := c.texts(3); !slices.Equal(got, []string{"3", "2", "1"}) {
		t.Errorf("order %v", got)
	}
	send(t, person, bot, "4")
	c.text("4")
}

func TestDelayHoldsStanzasBackSideBySide(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	const delay, count = 300 * time.Millisecond, 20
	wasim.Delay(bot, delay)
	began := time.Now()
	want := numbered(count)
	for _, text := range want {
		send(t, person, bot, text)
	}
	if got := c.texts(count); !slices.Equal(got, want) {
		t.Errorf("order %v", got)
	}
	if d := time.Since(began); d < delay || d >= count*delay {
		t.Errorf("%d stanzas delayed by %s took %s", count, delay, d)
	}
}
