package wasim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/wasim"
)

func TestTypingOfAPerson(t *testing.T) {
	server, bot, person, c := callParty(t)
	g, err := server.CreateGroup("Typists", person, bot)
	if err != nil {
		t.Fatal(err)
	}
	for state, want := range map[string]events.ChatPresence{
		"typing":    {State: types.ChatPresenceComposing},
		"recording": {State: types.ChatPresenceComposing, Media: types.ChatPresenceMediaAudio},
		"paused":    {State: types.ChatPresencePaused},
	} {
		for _, to := range []string{bot.Number(), g.JID()} {
			if err := person.Presence(t.Context(), to, state); err != nil {
				t.Fatal(err)
			}
			e := await[*events.ChatPresence](c)
			if e.State != want.State || e.Media != want.Media || e.IsGroup != (to == g.JID()) {
				t.Errorf("%s in %s: %+v", state, to, e)
			}
		}
	}
	if err := person.Presence(t.Context(), bot.Number(), "sleeping"); err == nil {
		t.Error("unknown state")
	}
}

func TestTypingOfAClient(t *testing.T) {
	_, bot, person, c := callParty(t)
	if err := c.SendChatPresence(t.Context(), jid(t, person.JID()), types.ChatPresenceComposing, types.ChatPresenceMediaText); err != nil {
		t.Fatal(err)
	}
	if err := c.SendChatPresence(t.Context(), jid(t, person.JID()), types.ChatPresencePaused, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "two signs", func() bool { return len(person.PresenceSigns()) == 2 })
	want := []wasim.PresenceSign{{bot.Number(), bot.Number(), "typing"}, {bot.Number(), bot.Number(), "paused"}}
	if diff := cmp.Diff(want, person.PresenceSigns()); diff != "" {
		t.Error(diff)
	}
}

func TestPresenceSubscription(t *testing.T) {
	_, _, person, c := callParty(t)
	if err := c.SubscribePresence(t.Context(), jid(t, person.JID())); err != nil {
		t.Fatal(err)
	}
	awaitAnswer(t, c)
	for _, state := range []string{"available", "unavailable"} {
		if err := person.Presence(t.Context(), "", state); err != nil {
			t.Fatal(err)
		}
		e := await[*events.Presence](c)
		if e.From.String() != person.JID() || e.Unavailable != (state == "unavailable") || e.LastSeen.IsZero() != (state == "available") {
			t.Errorf("%s: %+v", state, e)
		}
	}
}

// awaitAnswer waits until the server has handled everything the client sent before.
func awaitAnswer(t *testing.T, c *client) {
	t.Helper()
	if _, err := c.TryFetchPrivacySettings(t.Context(), true); err != nil {
		t.Fatal(err)
	}
}

// TestPresenceOfAClient: another client that has subscribed sees it come and go, also by losing its connection.
func TestPresenceOfAClient(t *testing.T) {
	server := wasim.Start(t)
	a, b := server.Phone("5511999990001"), server.Phone("5511999990002")
	first, second := synced(t, server, a), linked(t, server, b)
	if err := second.SubscribePresence(t.Context(), jid(t, a.JID())); err != nil {
		t.Fatal(err)
	}
	awaitAnswer(t, second)
	if err := first.SendPresence(t.Context(), types.PresenceAvailable); err != nil {
		t.Fatal(err)
	}
	if e := await[*events.Presence](second); e.Unavailable {
		t.Errorf("available: %+v", e)
	}
	first.Disconnect()
	if e := await[*events.Presence](second); !e.Unavailable {
		t.Errorf("gone: %+v", e)
	}
}
