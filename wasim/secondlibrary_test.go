package wasim_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waCert"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/wasim"
)

// The tests of this file are the table of what client libraries need that are not whatsmeow, row by row, at the level
// of stanzas. docs/simulator.md has the table.

func TestSecondLibraryConnectionHeader(t *testing.T) {
	server := wasim.Start(t)
	edge := []byte{'E', 'D', 0, 1, 0, 0, 4, 'e', 'd', 'g', 'e'}
	r := newRaw(t, server)
	r.dial(edge, r.registration()) // edge routing is outside the prologue
	r.tagged("iq", "set")
	for _, dictionary := range []byte{2, 4} {
		r.open()
		r.write([]byte{'W', 'A', 6, dictionary, 0, 0, 1, 0})
		if data, err := r.tryFrame(10 * time.Second); err == nil {
			t.Errorf("dictionary %d was answered %x", dictionary, data)
		}
	}
}

func TestSecondLibraryFirstStanza(t *testing.T) {
	for name, test := range map[string]struct {
		hold   time.Duration
		speaks bool
	}{"the client waits": {hold: 40 * time.Millisecond}, "the client speaks first": {hold: time.Hour, speaks: true}} {
		t.Run(name, func(t *testing.T) {
			wasim.Install()
			server, err := wasim.New(wasim.Options{FirstStanza: test.hold})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			r := newRaw(t, server)
			start := time.Now()
			r.dial(nil, r.registration())
			if test.speaks {
				r.send(wasim.Node{Tag: "iq", Attrs: wasim.Attrs{"id": "1", "type": "get", "xmlns": "w:p", "to": types.ServerJID}})
			}
			r.tagged("iq", "set")
			if d := time.Since(start); !test.speaks && d < test.hold {
				t.Errorf("the first stanza came after %s", d)
			}
		})
	}
}

func TestSecondLibraryCertificate(t *testing.T) {
	r := newRaw(t, wasim.Start(t))
	r.dial(nil, r.registration())
	var chain waCert.CertChain
	if err := proto.Unmarshal(r.chain, &chain); err != nil {
		t.Fatal(err)
	}
	root := whatsmeow.WACertPubKey
	middle := checkCertificate(t, chain.Intermediate, root)
	leaf := checkCertificate(t, chain.Leaf, [32]byte(middle.Key))
	if middle.GetIssuerSerial() != 0 || leaf.GetIssuerSerial() != middle.GetSerial() {
		t.Errorf("issuers: %d, %d", middle.GetIssuerSerial(), leaf.GetIssuerSerial())
	}
}

func checkCertificate(t *testing.T, c *waCert.CertChain_NoiseCertificate, signer [32]byte) *waCert.CertChain_NoiseCertificate_Details {
	t.Helper()
	if !ecc.VerifySignature(ecc.NewDjbECPublicKey(signer), c.GetDetails(), [64]byte(c.GetSignature())) {
		t.Error("a certificate's signature is wrong")
	}
	details := &waCert.CertChain_NoiseCertificate_Details{}
	if err := proto.Unmarshal(c.GetDetails(), details); err != nil {
		t.Fatal(err)
	}
	if now := uint64(time.Now().Unix()); details.GetNotBefore() > now || details.GetNotAfter() < now || len(details.Key) != 32 {
		t.Errorf("certificate: %v", details)
	}
	return details
}

func TestSecondLibraryLoginQueries(t *testing.T) {
	server := wasim.Start(t)
	r := rawLinked(t, server, server.Phone("5511999990001"))
	digest := r.mustAsk("get", "encrypt", wasim.Node{Tag: "digest"}).GetChildByTag("digest")
	for _, tag := range []string{"registration", "type", "identity", "skey", "list", "hash"} {
		if _, ok := digest.GetOptionalChildByTag(tag); !ok {
			t.Errorf("digest has no %s", tag)
		}
	}
	list := digest.GetChildByTag("list")
	if n := len(list.GetChildren()); n == 0 || n > 30 {
		t.Errorf("digest lists %d ids", n)
	}
	for _, xmlns := range []string{"abt", "w"} {
		answer := r.mustAsk("get", xmlns, wasim.Node{Tag: "props", Attrs: wasim.Attrs{"protocol": "1"}})
		if answer.GetChildByTag("props").Tag != "props" {
			t.Errorf("%s: %s", xmlns, answer)
		}
	}
	if n := r.mustAsk("get", "blocklist"); n.GetChildByTag("list").Tag != "list" {
		t.Errorf("blocklist: %s", n)
	}
	privacy := r.mustAsk("get", "privacy", wasim.Node{Tag: "privacy"}).GetChildByTag("privacy")
	if len(privacy.GetChildrenByTag("category")) == 0 {
		t.Error("privacy has no categories")
	}
	r.send(wasim.Node{Tag: "ib", Content: []wasim.Node{{Tag: "unified_session", Attrs: wasim.Attrs{"id": "1"}}}})
	signed := rawKey("skey", r.device.IdentityKey.CreateSignedPreKey(9))
	r.mustAsk("set", "encrypt", wasim.Node{Tag: "rotate", Content: []wasim.Node{signed}})
	digest = r.mustAsk("get", "encrypt", wasim.Node{Tag: "digest"}).GetChildByTag("digest")
	value := digest.GetChildByTag("skey", "value")
	if want := signed.GetChildByTag("value"); !bytes.Equal(value.Content.([]byte), want.Content.([]byte)) {
		t.Error("the signed prekey was not rotated")
	}
}

func TestSecondLibraryPrekeyRefill(t *testing.T) {
	wasim.Install()
	server, err := wasim.New(wasim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	bot := server.Phone("5511999990001")
	r := newRaw(t, server)
	r.link(bot)
	r.login()
	for _, count := range []int{5, 30, 50, 812} {
		r.upload(count)
		answer := r.mustAsk("get", "encrypt", wasim.Node{Tag: "count"}).GetChildByTag("count")
		if got := text(&answer, "value"); got == "0" {
			t.Errorf("after an upload of %d the count is %s", count, got)
		}
	}
	r.mustAsk("set", "passive", wasim.Node{Tag: "active"})
	for wasim.PreKeysLeft(bot) >= 5 {
		wasim.TakeBundle(server, *r.device.ID)
	}
	n := r.tagged("notification", "encrypt")
	count := n.GetChildByTag("count")
	if got, err := strconv.Atoi(text(&count, "value")); err != nil || got >= 5 {
		t.Errorf("notification: %s", n)
	}
}

func TestSecondLibraryHistory(t *testing.T) {
	for name, inline := range map[string]bool{"asked inline": true, "not asked": false} {
		t.Run(name, func(t *testing.T) {
			server := wasim.Start(t)
			r := rawLinked(t, server, server.Phone("5511999990001"), func(r *rawClient) {
				if inline {
					r.props.HistorySyncConfig = &waCompanionReg.DeviceProps_HistorySyncConfig{InlineInitialPayloadInE2EeMsg: proto.Bool(true)}
				}
			})
			n := r.peer(waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION).GetHistorySyncNotification()
			if (n.GetInitialHistBootstrapInlinePayload() != nil) != inline || (n.GetDirectPath() == "") != inline {
				t.Errorf("notification: %v", n)
			}
			if !inline && len(get(t, server, "https://mmg.whatsapp.net"+n.GetDirectPath())) == 0 {
				t.Error("the file is empty")
			}
		})
	}
}

func get(t *testing.T, server *wasim.Server, url string) []byte {
	t.Helper()
	answer, err := server.HTTPClient().Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, answer.StatusCode, err)
	}
	return data
}

func TestSecondLibraryDevicesChanged(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	r := rawLinked(t, server, bot)
	r.devicesOf(jid(t, person.JID()))
	linked(t, server, person)
	addresses := map[string]func(uint16) types.JID{
		"number":          func(d uint16) types.JID { j := jid(t, person.JID()); j.Device = d; return j },
		"hidden identity": func(d uint16) types.JID { j := jid(t, person.LID()); j.Device = d; return j },
	}
	for _, action := range []string{"add", "remove"} {
		for name, address := range addresses {
			n := r.await(action+" "+name, func(n *wasim.Node) bool {
				return text(n, "type") == "devices" && n.Attrs["from"] == address(0)
			})
			change := n.GetChildByTag(action)
			list := []types.JID{address(0), address(1)}
			if action == "remove" {
				list = list[:1]
			}
			device := change.GetChildByTag("device")
			if text(&change, "device_hash") != hashOfDevices(list) || device.Attrs["jid"] != address(1) || text(&device, "key-index") == "" {
				t.Errorf("%s: %s", name, n)
			}
			if keys := change.GetChildByTag("key-index-list"); text(&keys, "ts") == "" {
				t.Errorf("%s has no key-index-list: %s", name, n)
			}
			r.ack(n, "")
		}
		if action == "add" {
			if err := person.Unlink(person.Devices()[0].JID); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// hashOfDevices is 2: and six bytes of SHA-256 over the sorted addresses, in base64.
func hashOfDevices(list []types.JID) string {
	var names []string
	for _, j := range list {
		names = append(names, j.ADString())
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "")))
	return "2:" + base64.RawStdEncoding.EncodeToString(sum[:6])
}

// devicesOf asks for devices and lid together.
func (r *rawClient) devicesOf(who types.JID) wasim.Node {
	r.t.Helper()
	return r.mustAsk("get", "usync", wasim.Node{
		Tag: "usync", Attrs: wasim.Attrs{"sid": "1", "mode": "query", "last": "true", "index": "0", "context": "message"},
		Content: []wasim.Node{
			{Tag: "query", Content: []wasim.Node{{Tag: "devices", Attrs: wasim.Attrs{"version": "2"}}, {Tag: "lid"}}},
			{Tag: "list", Content: []wasim.Node{{Tag: "user", Attrs: wasim.Attrs{"jid": who}}}},
		},
	}).GetChildByTag("usync", "list", "user")
}

func TestSecondLibraryUsyncDevices(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	r := rawLinked(t, server, bot)
	linked(t, server, person)
	user := r.devicesOf(jid(t, person.JID()))
	lid := user.GetChildByTag("lid")
	if lid.Attrs["val"] != jid(t, person.LID()) {
		t.Errorf("lid: %s", &user)
	}
	list := user.GetChildByTag("devices", "device-list")
	devices := list.GetChildrenByTag("device")
	if len(devices) != 2 {
		t.Fatalf("devices: %s", &user)
	}
	for _, d := range devices {
		if text(&d, "id") != "0" && text(&d, "key-index") == "" {
			t.Errorf("a companion without key-index: %s", &d)
		}
	}
}

func TestSecondLibrarySessions(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	r := rawLinked(t, server, bot)
	for _, who := range []types.JID{jid(t, person.JID()), jid(t, person.LID())} {
		list := r.mustAsk("get", "encrypt", wasim.Node{Tag: "key", Content: []wasim.Node{
			{Tag: "user", Attrs: wasim.Attrs{"jid": who, "reason": "identity"}},
		}}).GetChildByTag("list")
		user := list.GetChildByTag("user")
		if user.Attrs["jid"] != who {
			t.Errorf("asked for %s, got %s", who, &user)
		}
		for _, tag := range []string{"registration", "type", "identity", "key", "skey"} {
			if _, ok := user.GetOptionalChildByTag(tag); !ok {
				t.Errorf("bundle of %s has no %s", who, tag)
			}
		}
	}
}

func TestSecondLibraryDeliveryReceipts(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	r, sender := rawLinked(t, server, bot), linked(t, server, person)
	r.peer(waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION)
	sent := sender.say(jid(t, bot.JID()), "are you there?")
	n, m := r.message()
	if m.GetConversation() != "are you there?" || text(n, "id") != sent.ID {
		t.Fatalf("message: %s", n)
	}
	for _, kind := range []types.ReceiptType{types.ReceiptTypeInactive, types.ReceiptTypeDelivered} {
		attrs := wasim.Attrs{"id": sent.ID, "to": n.Attrs["from"]}
		if kind != "" {
			attrs["type"] = string(kind)
		}
		r.send(wasim.Node{Tag: "receipt", Attrs: attrs})
		if ack := r.await("ack", func(a *wasim.Node) bool { return a.Tag == "ack" && text(a, "id") == sent.ID }); text(ack, "class") != "receipt" {
			t.Errorf("ack: %s", ack)
		}
		e := awaitWhere(sender, func(e *events.Receipt) bool { return e.Type == kind && e.Sender.Device == r.device.ID.Device })
		if e.MessageIDs[0] != sent.ID {
			t.Errorf("receipt: %+v", e)
		}
	}
	r.ack(r.tagged("notification", "privacy_token"), "")
	eventually(t, "an inactive receipt acknowledges too", func() bool { return wasim.Waiting(bot) == 0 })
}

func TestSecondLibraryPresence(t *testing.T) {
	server := wasim.Start(t)
	bot := server.Phone("5511999990001")
	r := rawLinked(t, server, bot)
	r.send(wasim.Node{Tag: "presence", Attrs: wasim.Attrs{"name": "Raw bot"}})
	eventually(t, "the name without a type", func() bool { return bot.Name() == "Raw bot" })
}

func TestSecondLibraryOfflineQueue(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	r := rawLinked(t, server, bot)
	r.peer(waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION)
	eventually(t, "the greeting is acknowledged", func() bool { return wasim.Waiting(bot) == 0 })
	r.ib("offline")
	r.ws.CloseNow()
	eventually(t, "the client is offline", func() bool { return !bot.Devices()[0].Online })
	tell(t, person, bot, "one", "two")
	r.login()
	r.send(wasim.Node{Tag: "iq", Attrs: wasim.Attrs{"id": "a", "type": "set", "xmlns": "passive", "to": types.ServerJID}, Content: []wasim.Node{{Tag: "active"}}})
	preview := r.ib("offline_preview")
	if text(&preview, "count") != "2" || text(&preview, "message") != "2" {
		t.Errorf("preview: %s", &preview)
	}
	r.send(wasim.Node{Tag: "ib", Content: []wasim.Node{{Tag: "offline_batch", Attrs: wasim.Attrs{"count": "100"}}}})
	for _, want := range []string{"one", "two"} {
		n, m := r.message()
		if m.GetConversation() != want || n.Attrs["offline"] == nil {
			t.Errorf("message: %s", n)
		}
		r.ack(n, "")
	}
	if end := r.ib("offline"); text(&end, "count") != "2" {
		t.Errorf("end: %s", &end)
	}
}

func TestSecondLibraryAppState(t *testing.T) {
	server := wasim.Start(t)
	r := rawLinked(t, server, server.Phone("5511999990001"))
	var collections []wasim.Node
	for _, name := range appstate.AllPatchNames {
		collections = append(collections, wasim.Node{Tag: "collection", Attrs: wasim.Attrs{"name": string(name), "version": "0", "return_snapshot": "true"}})
	}
	answer := r.mustAsk("set", "w:sync:app:state", wasim.Node{Tag: "sync", Content: collections}).GetChildByTag("sync")
	got := answer.GetChildrenByTag("collection")
	if len(got) != len(collections) {
		t.Fatalf("answer: %s", &answer)
	}
	for _, c := range got {
		patches := c.GetChildByTag("patches")
		if text(&c, "version") == "" || text(&c, "version") == "0" || len(patches.GetChildrenByTag("patch")) == 0 {
			t.Errorf("collection: %s", &c)
		}
	}
	// A patch on a version that is not the present one is a conflict, answered with what is missing.
	conflict := r.mustAsk("set", "w:sync:app:state", wasim.Node{Tag: "sync", Content: []wasim.Node{{
		Tag: "collection", Attrs: wasim.Attrs{"name": "regular", "version": "0"}, Content: []wasim.Node{{Tag: "patch", Content: []byte{1}}},
	}}}).GetChildByTag("sync", "collection")
	code, patches := conflict.GetChildByTag("error"), conflict.GetChildByTag("patches")
	if text(&conflict, "type") != "error" || text(&code, "code") != "409" || len(patches.GetChildren()) == 0 {
		t.Errorf("conflict: %s", &conflict)
	}
}

func TestSecondLibraryFailedDecryption(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	r := rawLinked(t, server, bot)
	r.peer(waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION)
	tell(t, person, bot, "counter already used")
	r.ack(r.tagged("message", ""), "487") // no retry: an ack with an error is an ack
	eventually(t, "the message is acknowledged", func() bool { return wasim.Waiting(bot) == 0 })

	tell(t, person, bot, "say again")
	n := r.tagged("message", "")
	for try := 1; try <= 2; try++ {
		content := []wasim.Node{
			{Tag: "retry", Attrs: wasim.Attrs{"count": strconv.Itoa(try), "id": n.Attrs["id"], "t": n.Attrs["t"], "v": "1"}},
			{Tag: "registration", Content: []byte{0, 0, 0, 1}},
		}
		if try == 2 { // keys from the second try on
			content = append(content, r.retryKeys())
		}
		r.send(wasim.Node{Tag: "receipt", Attrs: wasim.Attrs{"id": n.Attrs["id"], "to": n.Attrs["from"], "type": "retry"}, Content: content})
		r.ack(n, "500")
		again := r.await("message again", func(m *wasim.Node) bool { return m.Tag == "message" && m.Attrs["id"] == n.Attrs["id"] })
		enc := again.GetChildByTag("enc")
		if text(&enc, "count") != strconv.Itoa(try) {
			t.Errorf("try %d: %s", try, again)
		}
		if try == 2 {
			if m, err := r.decrypt(again); err != nil || m.GetConversation() != "say again" {
				t.Errorf("after new keys: %v, %v", m, err)
			}
		}
	}
}

// retryKeys is what a retry receipt carries for a new session.
func (r *rawClient) retryKeys() wasim.Node {
	r.t.Helper()
	once, err := r.device.PreKeys.GenOnePreKey(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	identity, err := proto.Marshal(r.device.Account)
	if err != nil {
		r.t.Fatal(err)
	}
	return wasim.Node{Tag: "keys", Content: []wasim.Node{
		{Tag: "type", Content: []byte{ecc.DjbType}},
		{Tag: "identity", Content: r.device.IdentityKey.Pub[:]},
		rawKey("key", once), rawKey("skey", r.device.SignedPreKey),
		{Tag: "device-identity", Content: identity},
	}}
}

func TestSecondLibraryCallReject(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	r := rawLinked(t, server, bot)
	place(t, person, bot.Number(), wasim.CallAction{Action: "offer", CallID: "C1"})
	call := r.tagged("call", "")
	r.ack(call, "")
	offer := call.GetChildByTag("offer")
	id := r.nextID()
	r.send(wasim.Node{Tag: "call", Attrs: wasim.Attrs{"id": id, "from": r.device.ID.ToNonAD(), "to": call.Attrs["from"]}, Content: []wasim.Node{
		{Tag: "reject", Attrs: wasim.Attrs{"call-id": offer.Attrs["call-id"], "call-creator": offer.Attrs["call-creator"], "count": "0"}},
	}})
	ack := r.await("ack of the reject", func(n *wasim.Node) bool { return n.Tag == "ack" && text(n, "id") == id })
	if text(ack, "class") != "call" || ack.Attrs["error"] != nil {
		t.Errorf("ack: %s", ack)
	}
	eventually(t, "the caller sees it", func() bool { return len(person.Calls()) == 1 && person.Calls()[0].Action == "reject" })
}

func TestSecondLibraryUnlink(t *testing.T) {
	server := wasim.Start(t)
	bot := server.Phone("5511999990001")
	r := rawLinked(t, server, bot) // a 515 restart was up to the application: link and login are apart
	if err := bot.Unlink(bot.Devices()[0].JID); err != nil {
		t.Fatal(err)
	}
	n := r.tagged("stream:error", "")
	conflict := n.GetChildByTag("conflict")
	if text(n, "code") != "401" || text(&conflict, "type") != "device_removed" {
		t.Errorf("end: %s", n)
	}
}

func TestSecondLibraryMediaDownload(t *testing.T) {
	server := wasim.Start(t)
	bot, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	r := rawLinked(t, server, bot)
	if _, err := person.Send(t.Context(), bot.Number(), wasim.Message{Media: &wasim.Media{Type: "image", Data: []byte("picture")}}); err != nil {
		t.Fatal(err)
	}
	_, m := r.message()
	image := m.GetImageMessage()
	byPath := get(t, server, fmt.Sprint("https://mmg.whatsapp.net", image.GetDirectPath()))
	byURL := get(t, server, image.GetURL())
	if hash := sha256.Sum256(byPath); !bytes.Equal(hash[:], image.GetFileEncSHA256()) || !bytes.Equal(byPath, byURL) {
		t.Error("the files differ")
	}
}
