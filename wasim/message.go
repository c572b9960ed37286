package wasim

import (
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
)

// Message is what a person sends. Exactly one of Text, Media, Location, Contact, Poll, Vote, Reaction, Edit, Revoke
// and Raw is set.
type Message struct {
	Text     string
	Media    *Media
	Location *Location
	Contact  *Contact
	Poll     *Poll
	Vote     *Vote
	Reaction *Reaction
	Edit     *Edit
	Revoke   *Revoke
	Raw      *waE2E.Message // sent as it is

	ReplyTo  string   // id of the message this one quotes
	Mentions []string // numbers mentioned
	ViewOnce bool     // media only
}

// Media is a file. Type is one of image, video, audio, document, sticker, ptt (voice message) and ptv (video note).
type Media struct {
	Type, Mimetype, FileName, Caption string
	Data                              []byte
}

// Location is a place, in degrees.
type Location struct {
	Latitude, Longitude float64
	Name, Address       string
}

// Contact is a person's card.
type Contact struct{ FullName, Phone string }

// Poll asks a question. MaxAnswer is how many options may be chosen, 0 for any number.
type Poll struct {
	Title     string
	Options   []string
	MaxAnswer int
}

// Vote answers a poll with the texts of its options; none takes the vote back.
type Vote struct {
	MessageID string
	Options   []string
}

// Reaction to a message; an empty Emoji takes it back.
type Reaction struct{ MessageID, Emoji string }

// Edit gives an own message another text.
type Edit struct{ MessageID, Text string }

// Revoke deletes an own message for everyone.
type Revoke struct{ MessageID string }

// Received is a message that a person has received, decrypted. From is the number of its author; Chat is that number
// too, or the group's address: Phone.Send takes either. Type is text, one of Media's types, location, contact, poll,
// vote, reaction, edit, revoke, or other. Text is the text, the caption, the name of a location or contact, the title
// of a poll, the options of a vote with commas between, the emoji of a reaction or the new text of an edit.
type Received struct {
	ID, From, Chat, Type, Text string
	Media                      *Media // nil without a file, or when it cannot be fetched
	Timestamp                  time.Time
	Raw                        *waE2E.Message
}
