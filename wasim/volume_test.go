package wasim_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

// TestLongStreamArrivesWholeAndInOrder: as fast as the phone can, faster than the client handles it.
func TestLongStreamArrivesWholeAndInOrder(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	want := numbered(500)
	for _, text := range want {
		send(t, person, bot, text)
	}
	if got := c.texts(len(want)); !slices.Equal(got, want) {
		t.Errorf("order %v", got)
	}
	eventually(t, "everything is acknowledged", func() bool { return wasim.Waiting(bot) == 0 })
}

// BenchmarkPhoneToClient is the rate at which one phone can send to one instance, while that decrypts and stores: 2.5 ms
// an operation are 400 messages a second.
func BenchmarkPhoneToClient(b *testing.B) {
	server := wasim.Start(b)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	linked(b, server, bot)
	for b.Loop() {
		send(b, person, bot, "hello")
	}
}

// TestManyPhonesAtOnce: people who write to each other at the same time lose nothing and block nobody.
func TestManyPhonesAtOnce(t *testing.T) {
	server := wasim.Start(t)
	const people, each = 8, 30
	phones := make([]*wasim.Phone, people)
	for i := range phones {
		phones[i] = server.Phone(fmt.Sprintf("55119999900%02d", i))
	}
	var senders sync.WaitGroup
	for i, from := range phones {
		senders.Go(func() {
			for n := range each {
				if _, err := from.Send(t.Context(), phones[(i+1+n%(people-1))%people].Number(), wasim.Message{Text: "x"}); err != nil {
					t.Errorf("send: %v", err)
				}
			}
		})
	}
	senders.Wait()
	eventually(t, "everybody has received everything", func() bool {
		total := 0
		for _, p := range phones {
			total += len(p.Messages(""))
		}
		return total == people*each
	})
}

// TestFirstContactFromBothSides: the simulated phone loses nothing when both sides write before they have heard of each
// other, whatever the client's library does.
func TestFirstContactFromBothSides(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	const count = 20
	var sides sync.WaitGroup
	sides.Go(func() {
		for i := range count {
			send(t, person, bot, fmt.Sprintf("in %d", i))
		}
	})
	sides.Go(func() {
		for i := range count {
			c.say(jid(t, person.JID()), fmt.Sprintf("out %d", i))
		}
	})
	sides.Wait()
	for i := range count {
		received(t, person, fmt.Sprintf("out %d", i))
	}
}

// BenchmarkIdleClients reports the heap of a linked client that does nothing, both ends together.
func BenchmarkIdleClients(b *testing.B) {
	server := wasim.Start(b)
	container := newStore(b)
	before := heap()
	b.ResetTimer()
	for i := range b.N {
		phone := server.Phone(fmt.Sprintf("5511%09d", i))
		c := newClient(b, server, container.NewDevice())
		c.connect()
		code := await[*events.QR](c).Codes[0]
		ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
		if _, err := phone.ScanQR(ctx, code); err != nil {
			b.Fatal(err)
		}
		cancel()
		await[*events.Connected](c)
	}
	b.StopTimer()
	b.ReportMetric(float64(heap()-before)/float64(b.N), "heap-B/client")
	b.ReportMetric(float64(runtime.NumGoroutine())/float64(b.N), "goroutines/client")
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkPhoneToPhone is the cost of one message between two people, encryption and decryption included.
func BenchmarkPhoneToPhone(b *testing.B) {
	server := wasim.Start(b)
	from, to := server.Phone("5511999990001"), server.Phone("5511999990002")
	for b.Loop() {
		send(b, from, to, "hello")
	}
}
