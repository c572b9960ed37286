package wasim_test

import (
	"errors"
	"slices"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

func TestProfilePicture(t *testing.T) {
	_, bot, person, c := callParty(t)
	target := jid(t, person.JID())
	if _, err := c.GetProfilePictureInfo(t.Context(), target, nil); !errors.Is(err, whatsmeow.ErrProfilePictureNotSet) {
		t.Errorf("none: %v", err)
	}
	if _, err := c.GetUserDevices(t.Context(), []types.JID{target}); err != nil { // from now on a contact
		t.Fatal(err)
	}
	person.SetPicture([]byte("jpeg"))
	e := await[*events.Picture](c)
	info, err := c.GetProfilePictureInfo(t.Context(), target, nil)
	if err != nil || info.ID != e.PictureID || info.URL == "" || info.DirectPath == "" {
		t.Fatalf("picture: %+v, %v", info, err)
	}
	if got, err := c.DownloadMediaWithOnlyPath(t.Context(), info.DirectPath); err != nil || string(got) != "jpeg" {
		t.Errorf("file: %q, %v", got, err)
	}
	if again, err := c.GetProfilePictureInfo(t.Context(), target, &whatsmeow.GetProfilePictureParams{ExistingID: info.ID}); err != nil || again != nil {
		t.Errorf("unchanged: %+v, %v", again, err)
	}
	if _, err := c.SetGroupPhoto(t.Context(), types.EmptyJID, []byte("own")); err != nil {
		t.Errorf("own picture: %v", err)
	}
	if info, err := c.GetProfilePictureInfo(t.Context(), jid(t, bot.JID()), nil); err != nil || info.ID == "" {
		t.Errorf("own picture: %+v, %v", info, err)
	}
}

func TestAboutText(t *testing.T) {
	_, _, person, c := callParty(t)
	target := jid(t, person.JID())
	if _, err := c.GetUserDevices(t.Context(), []types.JID{target}); err != nil {
		t.Fatal(err)
	}
	person.SetAbout("At work")
	if e := await[*events.UserAbout](c); e.Status != "At work" || e.JID != target {
		t.Errorf("event: %+v", e)
	}
	info, err := c.GetUserInfo(t.Context(), []types.JID{target})
	if err != nil || info[target].Status != "At work" {
		t.Errorf("info: %+v, %v", info, err)
	}
}

func TestAboutTextOfAClient(t *testing.T) {
	_, bot, _, c := callParty(t)
	if err := c.SetStatusMessage(t.Context(), types.SetStatusInput{Text: ptr("Here to help")}); err != nil {
		t.Fatal(err)
	}
	info, err := c.GetUserInfo(t.Context(), []types.JID{jid(t, bot.JID())})
	if err != nil || info[jid(t, bot.JID())].Status != "Here to help" {
		t.Errorf("info: %+v, %v", info, err)
	}
}

func TestPrivacySettings(t *testing.T) {
	_, _, _, c := callParty(t)
	if _, err := c.SetPrivacySetting(t.Context(), types.PrivacySettingTypeLastSeen, types.PrivacySettingNone); err != nil {
		t.Fatal(err)
	}
	s, err := c.TryFetchPrivacySettings(t.Context(), true)
	if err != nil || s.LastSeen != types.PrivacySettingNone || s.GroupAdd != types.PrivacySettingAll {
		t.Errorf("settings: %+v, %v", s, err)
	}
	if status, err := c.GetStatusPrivacy(t.Context()); err != nil || !status[0].IsDefault {
		t.Errorf("status privacy: %v, %v", status, err)
	}
}

func TestBlocklist(t *testing.T) {
	_, bot, person, c := callParty(t)
	for _, action := range []events.BlocklistChangeAction{events.BlocklistChangeActionBlock, events.BlocklistChangeActionUnblock} {
		list, err := c.UpdateBlocklist(t.Context(), jid(t, person.JID()), action)
		if err != nil {
			t.Fatal(err)
		}
		if blocked := slices.Contains(list.JIDs, jid(t, person.LID())); blocked != (action == events.BlocklistChangeActionBlock) {
			t.Errorf("%s: %v", action, list.JIDs)
		}
		if len(bot.Blocked()) != len(list.JIDs) {
			t.Errorf("on the phone: %v", bot.Blocked())
		}
	}
}

// TestBlockedPersonIsNotHeard: messages, calls and typing go nowhere until the person is unblocked.
func TestBlockedPersonIsNotHeard(t *testing.T) {
	_, bot, person, c := callParty(t)
	if _, err := c.UpdateBlocklist(t.Context(), jid(t, person.JID()), events.BlocklistChangeActionBlock); err != nil {
		t.Fatal(err)
	}
	tell(t, person, bot, "unheard")
	place(t, person, bot.Number(), wasim.CallAction{Action: "offer", CallID: "UNHEARD"})
	if err := person.Presence(t.Context(), bot.Number(), "typing"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateBlocklist(t.Context(), jid(t, person.JID()), events.BlocklistChangeActionUnblock); err != nil {
		t.Fatal(err)
	}
	tell(t, person, bot, "heard")
	place(t, person, bot.Number(), wasim.CallAction{Action: "offer", CallID: "HEARD"})
	if m := await[*events.Message](c); m.Message.GetConversation() != "heard" {
		t.Errorf("message: %v", m.Message)
	}
	if e := await[*events.CallOffer](c); e.CallID != "HEARD" {
		t.Errorf("call: %+v", e)
	}
}

func TestBusinessProfileAndUnknownQuery(t *testing.T) {
	server, _, person, c := callParty(t)
	if p, err := c.GetBusinessProfile(t.Context(), jid(t, person.JID())); err != nil || p.JID.String() != person.JID() {
		t.Errorf("business profile: %+v, %v", p, err)
	}
	if _, err := c.GetSubscribedNewsletters(t.Context()); err == nil {
		t.Errorf("a query nobody answers: %v", err)
	}
	if server.Stats().Unknown == 0 {
		t.Error("the unknown query was not counted")
	}
}
