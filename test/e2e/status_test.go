package e2e_test

import (
	"testing"

	"github.com/chasqui/chasqui/wasim"
)

// This file proves section 7.2, message.status.

// TestStatusOfWhatWasSent: delivered, read and played, by whom, in which chat;
// the first of them after the message.exchange of the message.
func TestStatusOfWhatWasSent(t *testing.T) {
	g, s := linked(t)
	if _, err := g.Network.AddPhone(ana, "Ana"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		answer := g.Must("POST", "/api/message/text/sales", object{"number": ana, "message": "hello"})
		id := answer["data"].(object)["messageId"].(string)
		sent := s.Expect("message.exchange", is{"message.id": id})
		for _, status := range []string{"delivered", "read", "played"} {
			if status != "delivered" {
				read(t, g, ana, id, status)
			}
			f := s.Expect("message.status", is{"status": status, "messageIds": "[" + id + "]"})
			want(t, f, is{
				"chat.jid": ana + "@s.whatsapp.net", "chat.lid": g.Network.Phone(ana).LID(), "chat.type": "private",
				"recipient.jid": ana + "@s.whatsapp.net", "messageSender": "",
			})
			if f.Meta.Sequence <= sent.Meta.Sequence {
				t.Errorf("%s has sequence %d, its message %d", status, f.Meta.Sequence, sent.Meta.Sequence)
			}
		}
	}
}

// TestStatusInGroups: recipient is who gave the receipt, messageSender the author.
func TestStatusInGroups(t *testing.T) {
	g, s := linked(t)
	group := aGroup(t, g, "Friends")
	s.Expect("group.flow", is{"type": "created"})
	answer := g.Must("POST", "/api/message/text/sales", object{"number": group.JID(), "message": "hello all"})
	id := answer["data"].(object)["messageId"].(string)
	if _, err := g.Network.Phone(ana).Wait(background(t), func(r wasim.Received) bool { return r.ID == id }); err != nil {
		t.Fatal(err)
	}
	if err := g.Network.Phone(ana).Receipt(background(t), group.JID(), []string{id}, "read"); err != nil {
		t.Fatal(err)
	}
	f := s.Expect("message.status", is{"status": "read", "messageIds": "[" + id + "]"})
	want(t, f, is{
		"chat.jid": group.JID(), "chat.type": "group", "recipient.jid": ana + "@s.whatsapp.net",
		"recipient.lid": g.Network.Phone(ana).LID(), "messageSender.jid": olga + "@s.whatsapp.net",
	})
}

// TestStatusByTheOwnersPhone: what the owner reads or plays there is told with the
// owner as recipient. WhatsApp calls it read_self and played_self only while read
// receipts are turned off, which people on the simulated network never do.
func TestStatusByTheOwnersPhone(t *testing.T) {
	g, s := linked(t)
	id := received(t, g, s, wasim.Message{Text: "read me"}).Get("message.id")
	for _, status := range []string{"read", "played"} {
		if err := g.Network.Phone(olga).Receipt(background(t), ana, []string{id}, status); err != nil {
			t.Fatal(err)
		}
		f := s.Expect("message.status", is{"status": status, "messageIds": "[" + id + "]"})
		want(t, f, is{"chat.jid": ana + "@s.whatsapp.net", "recipient.jid": olga + "@s.whatsapp.net"})
	}
}
