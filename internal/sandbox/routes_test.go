package sandbox_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

const (
	ana = "/sandbox/phones/" + anaNumber
	bot = "/sandbox/phones/" + botNumber
)

// TestSendMessages sends each kind of message to a client.
func TestSendMessages(t *testing.T) {
	s := newStage(t)
	c := s.linked()
	send := func(content string) *events.Message {
		t.Helper()
		out := s.must("POST", ana+"/messages", `{"to":"`+botNumber+`",`+content+`}`)
		return awaitWhere(c, func(m *events.Message) bool { return m.Info.ID == out["messageId"] })
	}
	first := send(`"text":"hello"`)
	id := first.Info.ID
	file := base64.StdEncoding.EncodeToString([]byte("a picture"))
	for name, check := range map[string]struct {
		content string
		ok      func(*waE2E.Message) bool
	}{
		"text":     {`"text":"hi"`, func(m *waE2E.Message) bool { return m.GetConversation() == "hi" }},
		"media":    {`"media":{"type":"image","mimetype":"image/png","caption":"look","base64":"` + file + `"}`, func(m *waE2E.Message) bool { return m.GetImageMessage().GetCaption() == "look" }},
		"location": {`"location":{"latitude":-23.5,"longitude":-46.6,"name":"SP"}`, func(m *waE2E.Message) bool { return m.GetLocationMessage().GetDegreesLatitude() == -23.5 }},
		"contact":  {`"contact":{"fullName":"Eva","phone":"5511999990009"}`, func(m *waE2E.Message) bool { return m.GetContactMessage().GetDisplayName() == "Eva" }},
		"reply":    {`"text":"yes","replyTo":"` + id + `"`, func(m *waE2E.Message) bool { return m.GetExtendedTextMessage().GetContextInfo().GetStanzaID() == id }},
		"reaction": {`"reaction":{"messageId":"` + id + `","emoji":"👍"}`, func(m *waE2E.Message) bool { return m.GetReactionMessage().GetText() == "👍" }},
		"edit": {`"edit":{"messageId":"` + id + `","text":"hello!"}`, func(m *waE2E.Message) bool {
			return m.GetProtocolMessage().GetEditedMessage().GetConversation() == "hello!" || m.GetConversation() == "hello!"
		}},
		"revoke": {`"revoke":{"messageId":"` + id + `"}`, func(m *waE2E.Message) bool {
			return m.GetProtocolMessage().GetType() == waE2E.ProtocolMessage_REVOKE
		}},
	} {
		if m := send(check.content); !check.ok(m.Message) {
			t.Errorf("%s: %v", name, m.Message)
		}
	}
	poll := send(`"poll":{"title":"Lunch?","options":["Yes","No"],"maxAnswer":1}`)
	vote := send(`"vote":{"messageId":"` + poll.Info.ID + `","options":["Yes"]}`)
	if _, err := c.DecryptPollVote(t.Context(), vote); err != nil {
		t.Errorf("vote: %v", err)
	}
}

func TestSendMessagesBadInput(t *testing.T) {
	s := newStage(t)
	to := `{"to":"` + botNumber + `",`
	bad := func(name, body string, fields ...string) refusal {
		return refusal{name: name, path: ana + "/messages", body: body, status: 400, message: badBody, fields: fields}
	}
	missing := func(name, body, field string) refusal {
		return refusal{name: name, path: ana + "/messages", body: body, status: 404, message: "Not found on the simulated network", fields: []string{field}}
	}
	s.refuses([]refusal{
		bad("no to", `{"text":"x"}`, "to"),
		bad("to is a name", `{"to":"Ana","text":"x"}`, "to"),
		bad("nothing", to+`"replyTo":"x"}`, "text"),
		bad("two kinds", to+`"text":"x","poll":{"title":"t","options":["a","b"]}}`, "text"),
		bad("empty text", to+`"text":""}`, "text"),
		bad("text as number", to+`"text":5}`, "text"),
		bad("media type", to+`"media":{"type":"hologram","base64":"AA=="}}`, "media.type"),
		bad("media base64", to+`"media":{"type":"image","base64":"data:image/png;base64,AA=="}}`, "media.base64"),
		bad("media empty", to+`"media":{}}`, "media.type", "media.base64"),
		bad("media as text", to+`"media":"x"}`, "media"),
		bad("latitude", to+`"location":{"latitude":91,"longitude":"x"}}`, "location.latitude", "location.longitude"),
		bad("location empty", to+`"location":{}}`, "location.latitude", "location.longitude"),
		bad("contact", to+`"contact":{"phone":"x"}}`, "contact.fullName", "contact.phone"),
		bad("poll", to+`"poll":{"options":["one"]}}`, "poll.title", "poll.options"),
		bad("poll maxAnswer", to+`"poll":{"title":"t","options":["a","b"],"maxAnswer":3}}`, "poll.maxAnswer"),
		bad("vote", to+`"vote":{"options":["a",""]}}`, "vote.messageId", "vote.options[1]"),
		bad("reaction", to+`"reaction":{"emoji":"x"}}`, "reaction.messageId"),
		bad("edit", to+`"edit":{}}`, "edit.messageId", "edit.text"),
		bad("revoke", to+`"revoke":{"messageId":null}}`, "revoke.messageId"),
		missing("unknown receiver", `{"to":"5511900000000","text":"x"}`, "to"),
		missing("unknown group", `{"to":"120363999@g.us","text":"x"}`, "to"),
		missing("unknown reply", to+`"text":"x","replyTo":"3A00"}`, "replyTo"),
		missing("unknown reaction", to+`"reaction":{"messageId":"3A00","emoji":"x"}}`, "reaction.messageId"),
		missing("unknown edit", to+`"edit":{"messageId":"3A00","text":"x"}}`, "edit.messageId"),
		missing("unknown revoke", to+`"revoke":{"messageId":"3A00"}}`, "revoke.messageId"),
		missing("unknown vote", to+`"vote":{"messageId":"3A00","options":["a"]}}`, "vote.messageId"),
		{name: "unknown phone", path: "/sandbox/phones/5511900000000/messages", body: to + `"text":"x"}`, status: 404, message: "Phone not found", fields: []string{"number"}},
	})
}

// TestReceivedMessages: what a person received, decrypted, oldest first, after a message id.
func TestReceivedMessages(t *testing.T) {
	s := newStage(t)
	c := s.linked()
	var ids []string
	for i := range 3 {
		r, err := c.SendMessage(t.Context(), jid(t, anaNumber+"@s.whatsapp.net"), &waE2E.Message{Conversation: proto.String(fmt.Sprint("text ", i))})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	texts := func(after string) (out []string) {
		for _, m := range s.must("GET", ana+"/messages?after="+after, "")["messages"].([]any) {
			v := m.(map[string]any)
			if v["from"] != botNumber || v["chat"] != botNumber || v["type"] != "text" || v["timestamp"] == "" || v["media"] != nil {
				t.Errorf("message: %v", v)
			}
			out = append(out, v["text"].(string))
		}
		return out
	}
	s.eventually("three messages", func() bool { return len(texts("")) == 3 })
	if got := texts(""); !slices.Equal(got, []string{"text 0", "text 1", "text 2"}) {
		t.Errorf("all: %v", got)
	}
	if got := texts(ids[1]); !slices.Equal(got, []string{"text 2"}) {
		t.Errorf("after the second: %v", got)
	}
	s.must("POST", "/sandbox/phones/"+ruiNumber+"/messages", `{"to":"`+anaNumber+`","media":{"type":"document","fileName":"a.txt","mimetype":"text/plain","base64":"aGVsbG8="}}`)
	s.eventually("the document", func() bool { return len(s.must("GET", ana+"/messages", "")["messages"].([]any)) == 4 })
	last := s.must("GET", ana+"/messages?after="+ids[2], "")["messages"].([]any)[0].(map[string]any)
	media, _ := last["media"].(map[string]any)
	if last["type"] != "document" || media["base64"] != "aGVsbG8=" || media["fileName"] != "a.txt" || media["mimetype"] != "text/plain" {
		t.Errorf("document: %v", last)
	}
	s.refuses([]refusal{{name: "unknown phone", method: "GET", path: "/sandbox/phones/5511900000000/messages", status: 404, message: "Phone not found", fields: []string{"number"}}})
}

func (s *stage) eventually(what string, done func() bool) {
	s.t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestReceipts(t *testing.T) {
	s := newStage(t)
	c := s.linked()
	r, err := c.SendMessage(t.Context(), jid(t, anaNumber+"@s.whatsapp.net"), &waE2E.Message{Conversation: proto.String("read me")})
	if err != nil {
		t.Fatal(err)
	}
	awaitWhere(c, func(e *events.Receipt) bool { return e.Type == types.ReceiptTypeDelivered }) // by itself
	for status, kind := range map[string]types.ReceiptType{"read": types.ReceiptTypeRead, "played": types.ReceiptTypePlayed, "delivered": types.ReceiptTypeDelivered} {
		s.must("POST", ana+"/receipts", `{"to":"`+botNumber+`","messageIds":["`+r.ID+`"],"status":"`+status+`"}`)
		if e := await[*events.Receipt](c); e.Type != kind || e.MessageIDs[0] != r.ID {
			t.Errorf("%s: %+v", status, e)
		}
	}
	s.refuses([]refusal{
		{name: "empty", path: ana + "/receipts", body: `{}`, status: 400, message: badBody, fields: []string{"to", "status", "messageIds"}},
		{name: "status", path: ana + "/receipts", body: `{"to":"` + botNumber + `","messageIds":["x"],"status":"seen"}`, status: 400, message: badBody, fields: []string{"status"}},
		{name: "ids as text", path: ana + "/receipts", body: `{"to":"` + botNumber + `","messageIds":"x","status":"read"}`, status: 400, message: badBody, fields: []string{"messageIds"}},
		{name: "no ids", path: ana + "/receipts", body: `{"to":"` + botNumber + `","messageIds":[],"status":"read"}`, status: 400, message: badBody, fields: []string{"messageIds"}},
		{name: "unknown chat", path: ana + "/receipts", body: `{"to":"5511900000000","messageIds":["x"],"status":"read"}`, status: 404, message: "Not found on the simulated network", fields: []string{"to"}},
	})
}

func TestPresence(t *testing.T) {
	s := newStage(t)
	c := s.linked()
	for state, media := range map[string]types.ChatPresenceMedia{"typing": "", "recording": types.ChatPresenceMediaAudio, "paused": ""} {
		s.must("POST", ana+"/presence", `{"to":"`+botNumber+`","state":"`+state+`"}`)
		if e := await[*events.ChatPresence](c); (e.State == types.ChatPresencePaused) != (state == "paused") || e.Media != media {
			t.Errorf("%s: %+v", state, e)
		}
	}
	if err := c.SubscribePresence(t.Context(), jid(t, anaNumber+"@s.whatsapp.net")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.TryFetchPrivacySettings(t.Context(), true); err != nil { // answered after the subscription
		t.Fatal(err)
	}
	for _, state := range []string{"available", "unavailable"} {
		s.must("POST", ana+"/presence", `{"to":"`+botNumber+`","state":"`+state+`"}`)
		if e := await[*events.Presence](c); e.Unavailable != (state == "unavailable") {
			t.Errorf("%s: %+v", state, e)
		}
	}
	s.refuses([]refusal{
		{name: "empty", path: ana + "/presence", body: `{}`, status: 400, message: badBody, fields: []string{"state"}},
		{name: "state", path: ana + "/presence", body: `{"to":"` + botNumber + `","state":"asleep"}`, status: 400, message: badBody, fields: []string{"state"}},
		{name: "typing nowhere", path: ana + "/presence", body: `{"state":"typing"}`, status: 400, message: badBody, fields: []string{"to"}},
		{name: "unknown chat", path: ana + "/presence", body: `{"to":"5511900000000","state":"typing"}`, status: 404, message: "Not found on the simulated network", fields: []string{"to"}},
	})
}

func TestCalls(t *testing.T) {
	s := newStage(t)
	c := s.linked()
	id := s.must("POST", ana+"/calls", `{"to":"`+botNumber+`","action":"offer","video":true}`)["callId"]
	offer := await[*events.CallOffer](c)
	if _, video := offer.Data.GetOptionalChildByTag("video"); !video || offer.CallID != id {
		t.Errorf("offer: %+v", offer)
	}
	step := func(action string) {
		s.must("POST", ana+"/calls", fmt.Sprintf(`{"to":%q,"action":%q,"callId":%q}`, botNumber, action, id))
	}
	step("accept")
	await[*events.CallAccept](c)
	step("reject")
	await[*events.CallReject](c)
	step("terminate")
	await[*events.CallTerminate](c)
	s.refuses([]refusal{
		{name: "empty", path: ana + "/calls", body: `{}`, status: 400, message: badBody, fields: []string{"to", "action"}},
		{name: "action", path: ana + "/calls", body: `{"to":"` + botNumber + `","action":"whistle"}`, status: 400, message: badBody, fields: []string{"action"}},
		{name: "no call", path: ana + "/calls", body: `{"to":"` + botNumber + `","action":"terminate"}`, status: 400, message: badBody, fields: []string{"callId"}},
		{name: "video", path: ana + "/calls", body: `{"to":"` + botNumber + `","action":"offer","video":"yes"}`, status: 400, message: badBody, fields: []string{"video"}},
		{name: "unknown number", path: ana + "/calls", body: `{"to":"5511900000000","action":"offer"}`, status: 404, message: "Not found on the simulated network", fields: []string{"to"}},
	})
}

func TestLabels(t *testing.T) {
	s := newStage(t)
	c := s.linked()
	s.must("POST", bot+"/labels", `{"action":"edit","labelId":"7","name":"Customers","color":3}`)
	if e := await[*events.LabelEdit](c); e.LabelID != "7" || e.Action.GetName() != "Customers" || e.Action.GetColor() != 3 {
		t.Errorf("edit: %+v", e)
	}
	s.must("POST", bot+"/labels", `{"action":"chat","labelId":"7","chat":"`+anaNumber+`","labeled":true}`)
	if e := await[*events.LabelAssociationChat](c); e.JID.User != anaNumber || !e.Action.GetLabeled() {
		t.Errorf("chat: %+v", e)
	}
	s.must("POST", bot+"/labels", `{"action":"message","labelId":"7","chat":"`+anaNumber+`","messageId":"3A01","labeled":false}`)
	if e := await[*events.LabelAssociationMessage](c); e.MessageID != "3A01" || e.Action.GetLabeled() {
		t.Errorf("message: %+v", e)
	}
	s.must("POST", bot+"/labels", `{"action":"edit","labelId":"7","deleted":true}`)
	if e := await[*events.LabelEdit](c); !e.Action.GetDeleted() {
		t.Errorf("deleted: %+v", e)
	}
	bad := func(name, body string, fields ...string) refusal {
		return refusal{name: name, path: bot + "/labels", body: body, status: 400, message: badBody, fields: fields}
	}
	s.refuses([]refusal{
		bad("action", `{"action":"paint","labelId":"7","chat":"`+anaNumber+`","messageId":"x","labeled":true}`, "action"),
		bad("no label", `{"action":"edit","name":"x"}`, "labelId"),
		bad("label is a name", `{"action":"edit","labelId":"seven","name":"x"}`, "labelId"),
		bad("no name", `{"action":"edit","labelId":"7"}`, "name"),
		bad("color", `{"action":"edit","labelId":"7","name":"x","color":20}`, "color"),
		bad("color as text", `{"action":"edit","labelId":"7","name":"x","color":"red"}`, "color"),
		bad("chat", `{"action":"chat","labelId":"7"}`, "chat", "labeled"),
		bad("message", `{"action":"message","labelId":"7","chat":"`+anaNumber+`","labeled":true}`, "messageId"),
		{name: "unknown chat", path: bot + "/labels", body: `{"action":"chat","labelId":"7","chat":"5511900000000","labeled":true}`, status: 404, message: "Not found on the simulated network", fields: []string{"chat"}},
	})
}

func TestGroups(t *testing.T) {
	s := newStage(t)
	c := s.linked()
	group := s.must("POST", "/sandbox/groups", `{"name":"Friday","owner":"`+anaNumber+`","participants":["`+botNumber+`"]}`)["jid"].(string)
	if e := await[*events.JoinedGroup](c); e.JID.String() != group || e.Name != "Friday" {
		t.Errorf("created: %+v", e)
	}
	path := "/sandbox/groups/" + group
	for name, change := range map[string]struct {
		body string
		ok   func(*events.GroupInfo) bool
	}{
		"name":               {`"name":"Friday, 8 pm"`, func(e *events.GroupInfo) bool { return e.Name.Name == "Friday, 8 pm" }},
		"topic":              {`"topic":"Bring cake"`, func(e *events.GroupInfo) bool { return e.Topic.Topic == "Bring cake" }},
		"announce":           {`"announce":true`, func(e *events.GroupInfo) bool { return e.Announce.IsAnnounce }},
		"locked":             {`"locked":true`, func(e *events.GroupInfo) bool { return e.Locked.IsLocked }},
		"ephemeral":          {`"ephemeral":86400`, func(e *events.GroupInfo) bool { return e.Ephemeral.DisappearingTimer == 86400 }},
		"membershipApproval": {`"membershipApproval":false`, func(e *events.GroupInfo) bool { return e.MembershipApprovalMode != nil }},
	} {
		s.must("PUT", path, `{"actor":"`+anaNumber+`",`+change.body+`}`)
		if e := await[*events.GroupInfo](c); !change.ok(e) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	for _, step := range []struct {
		action string
		ok     func(*events.GroupInfo) bool
	}{
		{"add", func(e *events.GroupInfo) bool { return len(e.Join) == 1 }},
		{"promote", func(e *events.GroupInfo) bool { return len(e.Promote) == 1 }},
		{"demote", func(e *events.GroupInfo) bool { return len(e.Demote) == 1 }},
		{"remove", func(e *events.GroupInfo) bool { return len(e.Leave) == 1 }},
		{"join", func(e *events.GroupInfo) bool { return e.JoinReason == "invite" }},
		{"leave", func(e *events.GroupInfo) bool { return len(e.Leave) == 1 && *e.Sender == e.Leave[0] }},
	} {
		s.must("POST", path+"/participants", `{"actor":"`+anaNumber+`","action":"`+step.action+`","participants":["`+ruiNumber+`"]}`)
		if e := await[*events.GroupInfo](c); !step.ok(e) {
			t.Errorf("%s: %+v", step.action, e)
		}
	}
}

func TestGroupsBadInput(t *testing.T) {
	s := newStage(t)
	group := "/sandbox/groups/" + s.must("POST", "/sandbox/groups", `{"name":"Friday","owner":"`+anaNumber+`"}`)["jid"].(string)
	bad := func(name, method, path, body string, fields ...string) refusal {
		return refusal{name: name, method: method, path: path, body: body, status: 400, message: badBody, fields: fields}
	}
	s.refuses([]refusal{
		bad("empty", "POST", "/sandbox/groups", `{}`, "owner", "name"),
		bad("unknown people", "POST", "/sandbox/groups", `{"name":"x","owner":"5511900000000","participants":["5511900000001","x"]}`, "owner", "participants[1]", "participants[0]"),
		bad("long name", "POST", "/sandbox/groups", `{"name":"`+fmt.Sprintf("%0101d", 0)+`","owner":"`+anaNumber+`"}`, "name"),
		bad("participants as text", "POST", "/sandbox/groups", `{"name":"x","owner":"`+anaNumber+`","participants":"x"}`, "participants"),
		bad("no change", "PUT", group, `{"actor":"`+anaNumber+`"}`, "name"),
		bad("no actor", "PUT", group, `{"name":"x"}`, "actor"),
		bad("empty name", "PUT", group, `{"actor":"`+anaNumber+`","name":""}`, "name"),
		bad("announce as text", "PUT", group, `{"actor":"`+anaNumber+`","announce":"yes"}`, "announce", "name"),
		bad("negative ephemeral", "PUT", group, `{"actor":"`+anaNumber+`","ephemeral":-1}`, "ephemeral"),
		bad("action", "POST", group+"/participants", `{"actor":"`+anaNumber+`","action":"kick","participants":["`+ruiNumber+`"]}`, "action"),
		bad("nobody", "POST", group+"/participants", `{"actor":"`+anaNumber+`","action":"add"}`, "participants"),
		{name: "unknown group", method: "PUT", path: "/sandbox/groups/123@g.us", body: `{"actor":"` + anaNumber + `","name":"x"}`, status: 404, message: "Group not found", fields: []string{"jid"}},
		{name: "no group's address", method: "PUT", path: "/sandbox/groups/hello", body: `{"actor":"` + anaNumber + `","name":"x"}`, status: 404, message: "Group not found", fields: []string{"jid"}},
		{name: "not a member", method: "PUT", path: group, body: `{"actor":"` + ruiNumber + `","name":"x"}`, status: 403, message: "Not allowed in this group"},
		{name: "not an administrator", path: group + "/participants", body: `{"actor":"` + ruiNumber + `","action":"promote","participants":["` + ruiNumber + `"]}`, status: 403, message: "Not allowed in this group"},
	})
}

func TestFaults(t *testing.T) {
	s := newStage(t)
	c := s.linked()
	target := `"target":"` + botNumber + `"`
	s.must("POST", "/sandbox/faults", `{"kind":"drop_connection",`+target+`}`)
	await[*events.Disconnected](c)
	await[*events.Connected](c)
	for _, body := range []string{
		`{"kind":"delay",` + target + `,"ms":1}`, `{"kind":"delay",` + target + `,"ms":0}`, `{"kind":"lose_ack",` + target + `,"count":1}`,
		`{"kind":"redeliver",` + target + `,"count":1}`, `{"kind":"reorder",` + target + `,"count":1}`,
		`{"kind":"temp_ban",` + target + `,"code":101,"seconds":60}`,
	} {
		s.must("POST", "/sandbox/faults", body)
	}
	s.must("POST", "/sandbox/faults", `{"kind":"stream_error",`+target+`,"code":500}`)
	await[*events.TemporaryBan](c) // the next login

	image := s.must("POST", ana+"/messages", `{"to":"`+botNumber+`","media":{"type":"image","base64":"AAAA"}}`)["messageId"].(string)
	s.must("POST", "/sandbox/faults", `{"kind":"media_gone","messageId":"`+image+`","final":true}`)
	s.must("POST", "/sandbox/faults", `{"kind":"server_down","seconds":1}`)
	s.must("POST", "/sandbox/faults", `{"kind":"logged_out",`+target+`}`)
	if n := len(s.network.Phone(botNumber).Devices()); n != 0 {
		t.Errorf("%d devices after logged_out", n)
	}
	for _, kind := range []string{"replaced", "client_outdated"} {
		s.must("POST", "/sandbox/faults", `{"kind":"`+kind+`",`+target+`}`)
	}

	bad := func(name, body string, fields ...string) refusal {
		return refusal{name: name, path: "/sandbox/faults", body: body, status: 400, message: badBody, fields: fields}
	}
	s.refuses([]refusal{
		bad("empty", `{}`, "kind"),
		bad("kind", `{"kind":"earthquake",`+target+`}`, "kind"),
		bad("no target", `{"kind":"replaced"}`, "target"),
		bad("no code", `{"kind":"stream_error",`+target+`}`, "code"),
		bad("code", `{"kind":"stream_error",`+target+`,"code":"x"}`, "code"),
		bad("no ms", `{"kind":"delay",`+target+`}`, "ms"),
		bad("ms", `{"kind":"delay",`+target+`,"ms":-1}`, "ms"),
		bad("no count", `{"kind":"reorder",`+target+`}`, "count"),
		bad("count", `{"kind":"lose_ack",`+target+`,"count":0}`, "count"),
		bad("no message", `{"kind":"media_gone"}`, "messageId"),
		bad("no seconds", `{"kind":"server_down"}`, "seconds"),
		bad("fraction", `{"kind":"server_down","seconds":1.5}`, "seconds"),
		{name: "unknown target", path: "/sandbox/faults", body: `{"kind":"replaced","target":"5511900000000"}`, status: 404, message: "Not found on the simulated network", fields: []string{"target"}},
		{name: "unknown message", path: "/sandbox/faults", body: `{"kind":"media_gone","messageId":"3A00"}`, status: 404, message: "Not found on the simulated network", fields: []string{"messageId"}},
	})
}

func TestLoad(t *testing.T) {
	s := newStage(t)
	c := s.linked()
	out := s.must("POST", "/sandbox/load", `{"from":["`+anaNumber+`","`+ruiNumber+`"],"to":["`+botNumber+`"],"rate":100,"seconds":0.1,"kind":"text","size":50}`)
	messages := out["messages"].([]any)
	if out["sent"] != 10.0 || len(messages) != 10 {
		t.Fatalf("load: %v", out)
	}
	want := map[string]bool{}
	for _, m := range messages {
		v := m.(map[string]any)
		if v["to"] != botNumber || v["from"] == "" || v["at"] == "" {
			t.Errorf("message: %v", v)
		}
		want[v["id"].(string)] = true
	}
	for len(want) > 0 {
		delete(want, await[*events.Message](c).Info.ID)
	}
	bad := func(name, body string, fields ...string) refusal {
		return refusal{name: name, path: "/sandbox/load", body: body, status: 400, message: badBody, fields: fields}
	}
	base := `{"from":["` + anaNumber + `"],"to":["` + botNumber + `"],`
	s.refuses([]refusal{
		bad("empty", `{}`, "rate", "seconds", "from", "to"),
		bad("rate", base+`"rate":0,"seconds":1}`, "rate"),
		bad("seconds", base+`"rate":1,"seconds":9999}`, "seconds"),
		bad("kind", base+`"rate":1,"seconds":1,"kind":"smell"}`, "kind"),
		bad("size", base+`"rate":1,"seconds":1,"size":-1}`, "size"),
		bad("addresses", `{"from":["x"],"to":["y"],"rate":1,"seconds":1}`, "from[0]", "to[0]"),
		bad("unknown sender", `{"from":["5511900000000"],"to":["`+botNumber+`"],"rate":1,"seconds":1}`, "from[0]"),
		{name: "unknown receiver", path: "/sandbox/load", body: `{"from":["` + anaNumber + `"],"to":["5511900000000"],"rate":1,"seconds":1}`, status: 404, message: "Not found on the simulated network", fields: []string{"to"}},
	})
}
