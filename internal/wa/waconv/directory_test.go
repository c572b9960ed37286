package waconv_test

import (
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/wa/waconv"
)

// town is a Directory of a few people: ourselves (Sales), Ana, whose two
// addresses are known, Rui, whose number alone is known, and two groups.
type town struct {
	opened waconv.Opened
}

var (
	ourPN    = types.NewJID("5511888888888", types.DefaultUserServer)
	ourLID   = types.NewJID("200300400", types.HiddenUserServer)
	anaPN    = types.NewJID("5511999999999", types.DefaultUserServer)
	anaLID   = types.NewJID("100200300", types.HiddenUserServer)
	ruiPN    = types.NewJID("5511777777777", types.DefaultUserServer)
	devTeam  = types.NewJID("120363000000000001", types.GroupServer)
	newsRoom = types.NewJID("120363000000000009", types.GroupServer)
)

func (town) Self() (pn, lid types.JID) { return ourPN, ourLID }

func (town) Alternate(j types.JID) types.JID {
	switch j {
	case anaPN:
		return anaLID
	case anaLID:
		return anaPN
	}
	return types.JID{}
}

func (town) Name(j types.JID) string {
	return map[types.JID]string{
		ourPN: "Sales", anaPN: "Ana", ruiPN: "Rui",
		types.NewJID("120363111", types.NewsletterServer): "News",
	}[j]
}

func (town) Group(j types.JID) waconv.Group {
	return map[types.JID]waconv.Group{
		devTeam:  {Name: "Dev team"},
		newsRoom: {Name: "Announcements", Announcements: true},
	}[j]
}

func (town) PollOptions(_ types.JID, messageID string) []string {
	if messageID == "3EB0POLL" {
		return []string{"Pizza", "Sushi"}
	}
	return nil
}

func (d town) Open(*events.Message) waconv.Opened { return d.opened }

func (town) Now() time.Time { return time.Date(2026, 4, 28, 12, 0, 0, 0, time.UTC) }
