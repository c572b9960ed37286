package wasim_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/wasim"
)

// A bot on whatsmeow is linked to a simulated phone and answers a simulated person. In a test, wasim.Start(t) takes the
// place of Install, New and Close.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	wasim.Install()
	server, err := wasim.New(wasim.Options{FewPreKeys: true})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	bot, ana := server.Phone("5511999990001"), server.Phone("5511999990002")

	container, err := sqlstore.New(ctx, "sqlite", "file:example?mode=memory&cache=shared&_pragma=foreign_keys(1)", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer container.Close()
	client := whatsmeow.NewClient(container.NewDevice(), nil)
	server.Attach(client)
	codes := make(chan string, 1)
	client.AddEventHandler(func(e any) {
		switch e := e.(type) {
		case *events.QR:
			codes <- e.Codes[0]
		case *events.Message:
			if e.Message.GetConversation() == "hello" {
				answer := &waE2E.Message{Conversation: proto.String("hello yourself")}
				if _, err := client.SendMessage(ctx, e.Info.Sender.ToNonAD(), answer); err != nil {
					log.Print(err)
				}
			}
		}
	})
	if err = client.Connect(); err != nil {
		log.Fatal(err)
	}
	defer client.Disconnect()

	if _, err = bot.ScanQR(ctx, <-codes); err != nil {
		log.Fatal(err)
	}
	if _, err = ana.Send(ctx, bot.Number(), wasim.Message{Text: "hello"}); err != nil {
		log.Fatal(err)
	}
	reply, err := ana.Wait(ctx, func(m wasim.Received) bool { return m.From == bot.Number() })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.Text)
	// Output: hello yourself
}
