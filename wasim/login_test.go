package wasim_test

import (
	"errors"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"go.mau.fi/whatsmeow/util/keys"

	"github.com/chasqui/chasqui/wasim"
)

// failing is a linked client whose next login is refused in the given way, after it has connected again.
func failing(t *testing.T, reason int, more wasim.Attrs) *client {
	t.Helper()
	server := wasim.Start(t)
	phone := server.Phone("5511999990001")
	c := linked(t, server, phone).resumed(server)
	wasim.FailNextLogin(phone, reason, more)
	c.connect()
	return c
}

func TestLoginFailures(t *testing.T) {
	t.Run("401 and 406 log the client out", func(t *testing.T) {
		for _, reason := range []events.ConnectFailureReason{401, 403, 406} {
			out := await[*events.LoggedOut](failing(t, int(reason), nil))
			if !out.OnConnect || out.Reason != reason {
				t.Errorf("%d: %+v", reason, out)
			}
		}
	})
	t.Run("402 bans for a while", func(t *testing.T) {
		ban := await[*events.TemporaryBan](failing(t, 402, wasim.Attrs{"code": "101", "expire": "3600"}))
		if ban.Code != events.TempBanSentToTooManyPeople || ban.Expire != time.Hour {
			t.Errorf("%+v", ban)
		}
	})
	t.Run("405 is too old a client", func(t *testing.T) {
		await[*events.ClientOutdated](failing(t, 405, nil))
	})
	t.Run("409 and others are plain failures", func(t *testing.T) {
		for _, reason := range []events.ConnectFailureReason{409, 400, 501} {
			if f := await[*events.ConnectFailure](failing(t, int(reason), nil)); f.Reason != reason {
				t.Errorf("%d: %+v", reason, f)
			}
		}
	})
	t.Run("500 and 503 are tried again", func(t *testing.T) {
		for _, reason := range []int{500, 503} {
			await[*events.Connected](failing(t, reason, nil))
		}
	})
}

func TestLoginOfAnUnknownDeviceFailsWith401(t *testing.T) {
	server, other := wasim.Start(t), wasim.Start(t)
	c := linked(t, server, server.Phone("5511999990001"))
	c.Disconnect()
	other.Attach(c.Client)
	c.connect()
	if out := await[*events.LoggedOut](c); !out.OnConnect || out.Reason != events.ConnectFailureLoggedOut {
		t.Errorf("%+v", out)
	}
}

func TestLoginWithAnotherNoiseKeyFailsWith401(t *testing.T) {
	server := wasim.Start(t)
	c := linked(t, server, server.Phone("5511999990001")).resumed(server)
	c.Store.NoiseKey = keys.NewKeyPair()
	c.connect()
	if out := await[*events.LoggedOut](c); out.Reason != events.ConnectFailureLoggedOut {
		t.Errorf("%+v", out)
	}
}

func TestLoginReplacesTheOlderConnection(t *testing.T) {
	server := wasim.Start(t)
	phone := server.Phone("5511999990001")
	c := linked(t, server, phone)
	twin := newClient(t, server, c.Store)
	twin.connect()
	await[*events.Connected](twin)
	await[*events.StreamReplaced](c)
	if _, err := server.Phone("5511999990002").Send(t.Context(), phone.Number(), wasim.Message{Text: "who"}); err != nil {
		t.Fatal(err)
	}
	twin.text("who")
	eventually(t, "the device is online through the newer one", func() bool { return phone.Devices()[0].Online && !c.IsConnected() })
}

func TestStreamErrorsReachTheClient(t *testing.T) {
	server := wasim.Start(t)
	phone := server.Phone("5511999990001")
	c := linked(t, server, phone)
	wasim.EndStream(phone, "516")
	if e := await[*events.StreamError](c); e.Code != "516" {
		t.Errorf("%+v", e)
	}
	await[*events.Connected](c) // the client reconnects by itself
	wasim.EndStream(phone, "503")
	await[*events.Disconnected](c)
	await[*events.Connected](c)
}

func TestUnanswerableQueriesGet501AtOnce(t *testing.T) {
	server := wasim.Start(t)
	c := linked(t, server, server.Phone("5511999990001"))
	began := time.Now()
	_, err := c.DangerousInternals().SendIQ(t.Context(), whatsmeow.DangerousInfoQuery{
		Namespace: "w:nonsense", Type: "get", To: types.ServerJID, Content: []binary.Node{{Tag: "what"}},
	})
	var refused *whatsmeow.IQError
	if !errors.As(err, &refused) || refused.Code != 501 {
		t.Errorf("error %v", err)
	}
	if time.Since(began) > 5*time.Second {
		t.Error("the answer took long")
	}
	if server.Stats().Unknown == 0 {
		t.Error("not counted")
	}
}

func TestKeepAliveIsAnswered(t *testing.T) {
	server := wasim.Start(t)
	c := linked(t, server, server.Phone("5511999990001"))
	ok, _ := c.DangerousInternals().SendKeepAlive(t.Context())
	if !ok {
		t.Error("no answer")
	}
}
