package e2e_test

import (
	"testing"

	"github.com/chasqui/chasqui/wasim"
)

// This file proves section 7.6, label.update, with labels put on the phone.

// TestLabels: edit, chat and message, put on and taken off.
func TestLabels(t *testing.T) {
	g, s := linked(t)
	phone := g.Network.Phone(olga)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	id := received(t, g, s, wasim.Message{Text: "label me"}).Get("message.id")
	chat := ana + "@s.whatsapp.net"
	do(phone.EditLabel(background(t), "100", "Customers", 19, false))
	f := s.Expect("label.update", is{"type": "edit", "labelId": "100"})
	want(t, f, is{"action": "updated", "name": "Customers", "color": "19", "deleted": "false", "chatJid": "", "timestamp": f.Get("timestamp")})
	for labeled, action := range map[bool]string{true: "add", false: "remove"} {
		flag := map[bool]string{true: "true", false: "false"}[labeled]
		do(phone.LabelChat(background(t), "100", ana, labeled))
		want(t, s.Expect("label.update", is{"type": "chat", "action": action}), is{"labelId": "100", "chatJid": chat, "labeled": flag, "messageId": ""})
		do(phone.LabelMessage(background(t), "100", ana, id, labeled))
		want(t, s.Expect("label.update", is{"type": "message", "action": action}), is{"labelId": "100", "chatJid": chat, "messageId": id, "labeled": flag})
	}
	do(phone.EditLabel(background(t), "100", "Customers", 19, true))
	want(t, s.Expect("label.update", is{"type": "edit", "action": "deleted"}), is{"labelId": "100", "deleted": "true"})
}
