package wasim_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

// unlinked is a connected client that shows QR codes.
func unlinked(t testing.TB, server *wasim.Server) (*client, []string) {
	t.Helper()
	c := newClient(t, server, newStore(t).NewDevice())
	c.connect()
	return c, await[*events.QR](c).Codes
}

func scan(t testing.TB, p *wasim.Phone, code string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return p.ScanQR(ctx, code)
}

func TestScanLinksAndRestartsAfter515(t *testing.T) {
	server := wasim.Start(t)
	phone := server.Phone("5511999990001")
	c, codes := unlinked(t, server)
	if len(codes) != 6 {
		t.Fatalf("%d codes, want 6", len(codes))
	}
	device, err := scan(t, phone, codes[0])
	if err != nil {
		t.Fatal(err)
	}
	success := await[*events.PairSuccess](c)
	await[*events.Connected](c)
	if success.ID.String() != device || success.LID.User != jid(t, phone.LID()).User || c.Store.ID.String() != device {
		t.Errorf("client is %s %s, scan says %s", success.ID, success.LID, device)
	}
	devices := phone.Devices()
	if len(devices) != 1 || devices[0].JID != device || !devices[0].Online || devices[0].LinkedAt.IsZero() || devices[0].Platform == "" {
		t.Errorf("devices: %+v", devices)
	}
}

func TestScanAcceptsTheOldFormOfQRCodes(t *testing.T) {
	server := wasim.Start(t)
	c, codes := unlinked(t, server)
	_, rest, ok := strings.Cut(codes[1], "#")
	if !ok {
		t.Fatalf("code without address: %s", codes[1])
	}
	old := rest[:strings.LastIndexByte(rest, ',')]
	if _, err := scan(t, server.Phone("5511999990001"), old); err != nil {
		t.Fatal(err)
	}
	await[*events.Connected](c)
}

func TestUnknownUsedAndExpiredCodesAreRefused(t *testing.T) {
	server := wasim.Start(t)
	phone := server.Phone("5511999990001")
	c, codes := unlinked(t, server)
	for name, code := range map[string]string{
		"nonsense": "hello", "unknown reference": strings.Replace(codes[0], "2@", "2@x", 1),
		"another key": strings.Replace(codes[0], ",", ",AAAA", 1),
	} {
		if _, err := scan(t, phone, code); !errors.Is(err, wasim.ErrCodeExpired) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := scan(t, phone, codes[0]); err != nil {
		t.Fatal(err)
	}
	await[*events.Connected](c)
	for _, code := range codes {
		if _, err := scan(t, phone, code); !errors.Is(err, wasim.ErrCodeExpired) {
			t.Errorf("used: %v", err)
		}
	}

	wasim.SetQRTimes(server, time.Nanosecond, 10*time.Second)
	short, codes := unlinked(t, server)
	if _, err := scan(t, phone, codes[0]); !errors.Is(err, wasim.ErrCodeExpired) {
		t.Errorf("expired: %v", err)
	}
	if _, err := scan(t, phone, codes[1]); err != nil {
		t.Errorf("second code: %v", err)
	}
	await[*events.Connected](short)
}

func TestConnectionEndsWithTheLastCode(t *testing.T) {
	server := wasim.Start(t)
	wasim.SetQRTimes(server, 200*time.Millisecond, 20*time.Millisecond)
	c, codes := unlinked(t, server)
	await[*events.Disconnected](c)
	if _, err := scan(t, server.Phone("5511999990001"), codes[5]); !errors.Is(err, wasim.ErrCodeExpired) {
		t.Errorf("after the end: %v", err)
	}
}

func TestFifthDeviceIsRefused(t *testing.T) {
	server := wasim.Start(t)
	phone := server.Phone("5511999990001")
	for range 4 {
		linked(t, server, phone)
	}
	_, codes := unlinked(t, server)
	if _, err := scan(t, phone, codes[0]); !errors.Is(err, wasim.ErrTooManyDevices) {
		t.Fatalf("fifth: %v", err)
	}
	if err := phone.Unlink(phone.Devices()[0].JID); err != nil {
		t.Fatal(err)
	}
	if _, err := scan(t, phone, codes[0]); err != nil {
		t.Errorf("after one was unlinked: %v", err)
	}
}

func TestClientThatRefusesIsNotLinked(t *testing.T) {
	server := wasim.Start(t)
	phone := server.Phone("5511999990001")
	c, codes := unlinked(t, server)
	c.PrePairCallback = func(_ jidType, _, _ string) bool { return false }
	if _, err := scan(t, phone, codes[0]); err == nil || errors.Is(err, wasim.ErrCodeExpired) {
		t.Errorf("refused pairing: %v", err)
	}
	await[*events.PairError](c)
	if n := len(phone.Devices()); n != 0 {
		t.Errorf("%d devices", n)
	}
}

func TestPairingCode(t *testing.T) {
	server := wasim.Start(t)
	phone := server.Phone("5511999990001")
	first, _ := unlinked(t, server)
	second, _ := unlinked(t, server)
	code := func(c *client) string {
		t.Helper()
		code, err := c.PairPhone(t.Context(), phone.Number(), true, whatsmeow.PairClientChrome, "Chrome (Linux)")
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	firstCode, secondCode := code(first), code(second)

	if _, err := phone.EnterCode(t.Context(), "ABCD-EFGH"); !errors.Is(err, wasim.ErrCodeExpired) {
		t.Errorf("wrong code: %v", err)
	}
	for _, pair := range []struct {
		c    *client
		code string
	}{{first, firstCode}, {second, strings.ToLower(strings.ReplaceAll(secondCode, "-", ""))}} {
		device, err := phone.EnterCode(t.Context(), pair.code)
		if err != nil {
			t.Fatal(err)
		}
		await[*events.Connected](pair.c)
		if pair.c.Store.ID.String() != device {
			t.Errorf("linked %s, client is %s", device, pair.c.Store.ID)
		}
	}
	if _, err := phone.EnterCode(t.Context(), firstCode); !errors.Is(err, wasim.ErrCodeExpired) {
		t.Errorf("used code: %v", err)
	}
}

func TestPairingCodeRequestsAreChecked(t *testing.T) {
	server := wasim.Start(t)
	phone := server.Phone("5511999990001")
	c, _ := unlinked(t, server)
	if _, err := c.PairPhone(t.Context(), phone.Number(), true, whatsmeow.PairClientChrome, "my bot"); !errors.Is(err, whatsmeow.ErrIQBadRequest) {
		t.Errorf("display name: %v", err)
	}
	if _, err := c.PairPhone(t.Context(), "5511000000000", true, whatsmeow.PairClientChrome, "Chrome (Linux)"); !errors.Is(err, whatsmeow.ErrIQNotFound) {
		t.Errorf("number without a phone: %v", err)
	}
	if _, err := phone.EnterCode(t.Context(), "ABCD-EFGH"); !errors.Is(err, wasim.ErrCodeExpired) {
		t.Errorf("no code was asked for: %v", err)
	}
}

func TestScanEndsWithItsContext(t *testing.T) {
	server := wasim.Start(t)
	_, codes := unlinked(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := server.Phone("5511999990001").ScanQR(ctx, codes[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("scan: %v", err)
	}
}

func TestUnlinkLogsTheClientOut(t *testing.T) {
	server := wasim.Start(t)
	phone := server.Phone("5511999990001")
	c := linked(t, server, phone).resumed(server)
	c.connect()
	await[*events.Connected](c)
	device := phone.Devices()[0].JID
	if err := phone.Unlink(device); err != nil {
		t.Fatal(err)
	}
	out := await[*events.LoggedOut](c)
	if out.OnConnect || len(phone.Devices()) != 0 {
		t.Errorf("event %+v, devices %v", out, phone.Devices())
	}
	if err := phone.Unlink(device); !errors.Is(err, wasim.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
}

func TestClientLogsItselfOut(t *testing.T) {
	server := wasim.Start(t)
	phone := server.Phone("5511999990001")
	c := linked(t, server, phone).resumed(server)
	c.connect()
	await[*events.Connected](c)
	if err := c.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(phone.Devices()); n != 0 {
		t.Errorf("%d devices left", n)
	}
}

func TestOneNumberLinksSeveralClients(t *testing.T) {
	server := wasim.Start(t)
	phone, person := server.Phone("5511999990001"), server.Phone("5511999990002")
	first, second := linked(t, server, phone), linked(t, server, phone)
	if _, err := person.Send(t.Context(), phone.Number(), wasim.Message{Text: "to both"}); err != nil {
		t.Fatal(err)
	}
	first.text("to both")
	second.text("to both")

	sent := first.say(jid(t, person.JID()), "from the first")
	own := second.text("from the first")
	if !own.Info.IsFromMe || own.Info.ID != sent.ID || !isAbout(own, person) {
		t.Errorf("own copy: %+v", own.Info)
	}
	received(t, person, "from the first")
	if _, err := phone.Send(t.Context(), person.Number(), wasim.Message{Text: "from the phone"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client{first, second} {
		if m := c.text("from the phone"); !m.Info.IsFromMe || !isAbout(m, person) {
			t.Errorf("own copy: %+v", m.Info)
		}
	}
}

// isAbout reports whether a message belongs to the chat with p and names both of p's addresses.
func isAbout(m *events.Message, p *wasim.Phone) bool {
	addresses := []string{m.Info.Chat.String(), m.Info.RecipientAlt.String()}
	return slices.Contains(addresses, p.JID()) && slices.Contains(addresses, p.LID())
}

func TestDeviceListsStayTrue(t *testing.T) {
	server := wasim.Start(t)
	bot, other := server.Phone("5511999990001"), server.Phone("5511999990002")
	c := linked(t, server, bot)
	c.say(jid(t, other.JID()), "before") // c asks for other's devices and keeps the list
	received(t, other, "before")

	companion := linked(t, server, other)
	eventually(t, "the change is acknowledged", func() bool { return wasim.Waiting(bot) == 0 })
	c.say(jid(t, other.JID()), "with companion")
	companion.text("with companion")

	if err := other.Unlink(companion.Store.ID.String()); err != nil {
		t.Fatal(err)
	}
	await[*events.LoggedOut](companion)
	eventually(t, "the change is acknowledged", func() bool { return wasim.Waiting(bot) == 0 })
	devices, err := c.GetUserDevices(t.Context(), []jidType{jid(t, other.JID())})
	if err != nil || len(devices) != 1 {
		t.Errorf("devices %v, %v", devices, err)
	}
}

func TestOnlyThoseWhoAskedHearOfDevices(t *testing.T) {
	server := wasim.Start(t)
	asked, stranger, other := server.Phone("5511999990001"), server.Phone("5511999990002"), server.Phone("5511999990003")
	c, idle := linked(t, server, asked), linked(t, server, stranger)
	c.say(jid(t, other.JID()), "hello")
	c.receipt(types.ReceiptTypeDelivered)
	eventually(t, "everything is acknowledged", func() bool { return wasim.Waiting(asked) == 0 })
	c.Disconnect()
	idle.Disconnect()
	linked(t, server, other)
	if n := wasim.Waiting(asked); n != 2 {
		t.Errorf("%d notifications for who asked, want one for the number and one for the hidden identity", n)
	}
	if n := wasim.Waiting(stranger); n != 0 {
		t.Errorf("%d notifications for who did not ask", n)
	}
}
