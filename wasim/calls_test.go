package wasim_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

// callParty is a client and somebody who calls it.
func callParty(t *testing.T) (server *wasim.Server, bot, person *wasim.Phone, c *client) {
	t.Helper()
	server = wasim.Start(t)
	bot, person = server.Phone("5511999990001"), server.Phone("5511999990002")
	return server, bot, person, linked(t, server, bot)
}

func place(t *testing.T, from *wasim.Phone, to string, a wasim.CallAction) string {
	t.Helper()
	id, err := from.Call(t.Context(), to, a)
	if err != nil {
		t.Fatalf("%s: %v", a.Action, err)
	}
	return id
}

func TestCallFromAPerson(t *testing.T) {
	_, bot, person, c := callParty(t)
	id := place(t, person, bot.Number(), wasim.CallAction{Action: "offer", Video: true})
	offer := await[*events.CallOffer](c)
	if offer.CallID != id || offer.From.String() != person.JID() || offer.CallCreator.String() != person.JID() || offer.RemotePlatform == "" || offer.RemoteVersion == "" {
		t.Errorf("offer: %+v", offer)
	}
	if _, video := offer.Data.GetOptionalChildByTag("video"); !video {
		t.Error("a video call has no video child")
	}
	place(t, person, bot.Number(), wasim.CallAction{Action: "relaylatency", CallID: id})
	if e := await[*events.CallRelayLatency](c); e.CallID != id {
		t.Errorf("latency: %+v", e)
	}
	place(t, person, bot.Number(), wasim.CallAction{Action: "accept", CallID: id})
	if e := await[*events.CallAccept](c); e.CallID != id {
		t.Errorf("accept: %+v", e)
	}
	place(t, person, bot.Number(), wasim.CallAction{Action: "reject", CallID: id})
	if e := await[*events.CallReject](c); e.CallID != id {
		t.Errorf("reject: %+v", e)
	}
	place(t, person, bot.Number(), wasim.CallAction{Action: "terminate", CallID: id, Reason: "timeout"})
	if e := await[*events.CallTerminate](c); e.CallID != id || e.Reason != "timeout" {
		t.Errorf("terminate: %+v", e)
	}
}

func TestCallByHiddenIdentity(t *testing.T) {
	_, bot, person, c := callParty(t)
	place(t, person, bot.Number(), wasim.CallAction{Action: "offer", LID: true})
	offer := await[*events.CallOffer](c)
	if offer.CallCreator.String() != person.LID() || offer.CallCreatorAlt.String() != person.JID() {
		t.Errorf("offer: %+v", offer)
	}
	if _, video := offer.Data.GetOptionalChildByTag("video"); video {
		t.Error("a voice call has a video child")
	}
}

func TestCallInAGroupIsANotice(t *testing.T) {
	server, bot, person, c := callParty(t)
	g, err := server.CreateGroup("Callers", person, bot)
	if err != nil {
		t.Fatal(err)
	}
	id := place(t, person, g.JID(), wasim.CallAction{Action: "offer", Video: true})
	notice := await[*events.CallOfferNotice](c)
	if notice.CallID != id || notice.GroupJID.String() != g.JID() || notice.Media != "video" || notice.Type != "group" {
		t.Errorf("notice: %+v", notice)
	}
}

// TestCallRejectedByAClient: the caller and the client's own phone see it.
func TestCallRejectedByAClient(t *testing.T) {
	_, bot, person, c := callParty(t)
	id := place(t, person, bot.Number(), wasim.CallAction{Action: "offer"})
	offer := await[*events.CallOffer](c)
	if err := c.RejectCall(t.Context(), offer.From, offer.CallID); err != nil {
		t.Fatal(err)
	}
	want := wasim.CallAction{Action: "reject", CallID: id, From: bot.Number()}
	eventually(t, "the reject at both phones", func() bool { return len(person.Calls()) == 1 && len(bot.Calls()) == 2 })
	if diff := cmp.Diff(want, person.Calls()[0]); diff != "" {
		t.Errorf("caller: %s", diff)
	}
	if diff := cmp.Diff(want, bot.Calls()[1]); diff != "" {
		t.Errorf("own phone: %s", diff)
	}
}

func TestCallBadInput(t *testing.T) {
	server := wasim.Start(t)
	person := server.Phone("5511999990001")
	if _, err := person.Call(t.Context(), person.Number(), wasim.CallAction{Action: "whistle"}); err == nil {
		t.Error("unknown action")
	}
	if _, err := person.Call(t.Context(), person.Number(), wasim.CallAction{Action: "terminate"}); err == nil {
		t.Error("terminate without id")
	}
	if _, err := person.Call(t.Context(), "5511900000000", wasim.CallAction{Action: "offer"}); !errors.Is(err, wasim.ErrNotFound) {
		t.Errorf("unknown number: %v", err)
	}
}
