package event

import "encoding/json"

// The members methods write a payload in the order of its struct, whose tags
// say which keys are left out; a test compares the two for every field.

func (m *Message) members(w *writer) {
	w.text("id", m.ID)
	w.object("message", func() { m.Body.members(w) })
}

func (b *MessageBody) members(w *writer) {
	w.text("id", b.ID)
	w.text("direction", b.Direction)
	w.time("timestamp", b.Timestamp)
	w.text("type", b.Type)
	w.optionalText("rawType", b.RawType)
	w.object("chat", func() { b.Chat.members(w) })
	w.object("sender", func() { b.Sender.members(w) })
	b.contentMembers(w)
	b.answerMembers(w)
	b.referenceMembers(w)
	w.optionalBool("forwarded", b.Forwarded)
	w.optionalBool("viewOnce", b.ViewOnce)
	if b.Ephemeral != nil {
		w.object("ephemeral", func() { w.int("seconds", int64(b.Ephemeral.Seconds)) })
	}
	w.text("source", b.Source)
}

func (b *MessageBody) contentMembers(w *writer) {
	if b.Content != nil {
		w.object("content", func() { w.text("text", b.Content.Text) })
	}
	if b.Media != nil {
		w.object("media", func() { b.Media.members(w) })
	}
	if b.Location != nil {
		w.object("location", func() { b.Location.members(w) })
	}
	if len(b.Contact) > 0 {
		array(w, "contact", b.Contact, func(c *ContactCard) {
			w.text("display_name", c.DisplayName)
			w.optionalText("phone_number", c.PhoneNumber)
			w.text("vcard", c.VCard)
		})
	}
	if b.Poll != nil {
		w.object("poll", func() {
			w.text("title", b.Poll.Title)
			array(w, "options", b.Poll.Options, func(o *PollOption) { w.text("name", o.Name) })
			w.int("maxAnswer", int64(b.Poll.MaxAnswer))
		})
	}
}

func (b *MessageBody) answerMembers(w *writer) {
	if v := b.PollVote; v != nil {
		w.object("poll_vote", func() {
			w.text("message_id", v.MessageID)
			w.texts("options", v.Options)
		})
	}
	if r := b.Reaction; r != nil {
		w.object("reaction", func() {
			w.text("emoji", r.Emoji)
			w.text("message_id", r.MessageID)
			w.bool("fromMe", r.FromMe)
		})
	}
	if r := b.ButtonResponse; r != nil {
		w.object("button_response", func() {
			w.text("selected_button_id", r.SelectedButtonID)
			w.text("title", r.Title)
		})
	}
	if r := b.ListResponse; r != nil {
		w.object("list_response", func() {
			w.text("selected_row_id", r.SelectedRowID)
			w.text("title", r.Title)
			w.optionalText("description", r.Description)
		})
	}
}

func (b *MessageBody) referenceMembers(w *writer) {
	if b.Event != nil {
		w.object("event", func() { b.Event.members(w) })
	}
	if r := b.Reply; r != nil {
		w.object("reply", func() {
			w.text("message_id", r.MessageID)
			w.text("text", r.Text)
			w.text("participant", r.Participant)
		})
	}
	if e := b.Edit; e != nil {
		w.object("edit", func() {
			w.text("original_id", e.OriginalID)
			w.text("text", e.Text)
		})
	}
	if b.Revoke != nil {
		w.object("revoke", func() { w.text("original_id", b.Revoke.OriginalID) })
	}
	if b.Mentions != nil {
		w.object("mentions", func() { w.texts("mentionedUsers", b.Mentions.MentionedUsers) })
	}
}

func (a *Address) members(w *writer) {
	w.nullableText("jid", a.JID)
	w.nullableText("lid", a.LID)
	w.text("name", a.Name)
}

func (c *Chat) members(w *writer) {
	c.Address.members(w)
	w.text("type", c.Type)
	w.optionalBool("isCommunity", c.IsCommunity)
}

func (m *Media) members(w *writer) {
	w.text("type", m.Type)
	w.optionalText("url", m.URL)
	w.optionalText("s3Url", m.S3URL)
	if m.Base64 != nil {
		w.base64("base64", m.Base64)
	}
	w.optionalText("mimetype", m.Mimetype)
	w.optionalText("fileName", m.FileName)
	w.optionalText("caption", m.Caption)
	w.int("size", m.Size)
	w.optionalText("sha256", m.SHA256)
	w.optionalText("error", m.Error)
}

func (l *Location) members(w *writer) {
	w.float("latitude", l.Latitude)
	w.float("longitude", l.Longitude)
	w.optionalText("name", l.Name)
	w.optionalText("address", l.Address)
}

func (c *CalendarEvent) members(w *writer) {
	w.text("name", c.Name)
	w.optionalText("description", c.Description)
	w.optionalTime("startAt", c.StartAt)
	w.optionalTime("endAt", c.EndAt)
	if c.Location != nil {
		w.object("location", func() { c.Location.members(w) })
	}
	w.optionalText("joinLink", c.JoinLink)
	w.optionalBool("isCanceled", c.IsCanceled)
}

func (s *Status) members(w *writer) {
	w.time("timestamp", s.Timestamp)
	w.text("status", s.Status)
	w.texts("messageIds", s.MessageIDs)
	w.object("chat", func() { s.Chat.members(w) })
	w.object("recipient", func() { s.Recipient.members(w) })
	if s.MessageSender != nil {
		w.object("messageSender", func() { s.MessageSender.members(w) })
	}
}

func (c *Call) members(w *writer) {
	w.text("type", c.Type)
	w.text("callId", c.CallID)
	w.time("timestamp", c.Timestamp)
	w.object("from", func() { c.From.members(w) })
	w.object("creator", func() { c.Creator.members(w) })
	w.bool("isGroup", c.IsGroup)
	w.bool("isVideo", c.IsVideo)
	w.optionalText("reason", c.Reason)
	if c.LatencyMS != nil {
		w.int("latencyMs", *c.LatencyMS)
	}
	w.optionalBool("automatic", c.Automatic)
	w.optionalText("remotePlatform", c.RemotePlatform)
	w.optionalText("remoteVersion", c.RemoteVersion)
}

func (g *Group) members(w *writer) {
	w.text("type", g.Type)
	w.text("groupJid", g.GroupJID)
	w.text("groupName", g.GroupName)
	w.time("timestamp", g.Timestamp)
	if g.Actor != nil {
		w.object("actor", func() { g.Actor.members(w) })
	}
	if len(g.Participants) > 0 {
		array(w, "participants", g.Participants, func(a *Address) { a.members(w) })
	}
	w.optionalText("reason", g.Reason)
	if g.HasValue {
		w.scalar("value", g.Value)
	}
	if g.Previous != nil {
		w.scalar("previous", g.Previous)
	}
}

// MarshalJSON writes the payload as an envelope does, so that a picture that
// was removed is null there too.
func (g *Group) MarshalJSON() ([]byte, error) {
	w := &writer{}
	w.braces(func() { g.members(w) })
	return w.dst, w.err
}

var _ json.Marshaler = (*Group)(nil)

func (s *State) members(w *writer) {
	w.text("state", s.State)
	w.time("timestamp", s.Timestamp)
	w.text("instance", s.Instance)
	w.optionalText("jid", s.JID)
	w.optionalText("reason", s.Reason)
	if len(s.Codes) > 0 {
		w.texts("codes", s.Codes)
	}
	w.optionalInt("expiresIn", s.ExpiresIn)
	w.optionalInt("code", s.Code)
	w.optionalTime("expiresAt", s.ExpiresAt)
	w.optionalInt("days", s.Days)
}

func (l *Label) members(w *writer) {
	w.text("type", l.Type)
	w.text("labelId", l.LabelID)
	w.text("action", l.Action)
	w.optionalText("chatJid", l.ChatJID)
	w.optionalText("messageId", l.MessageID)
	if l.Labeled != nil {
		w.bool("labeled", *l.Labeled)
	}
	if l.Name != nil {
		w.text("name", *l.Name)
	}
	if l.Color != nil {
		w.int("color", int64(*l.Color))
	}
	if l.Deleted != nil {
		w.bool("deleted", *l.Deleted)
	}
	w.time("timestamp", l.Timestamp)
}

// array writes a list of objects; nil is an empty list.
func array[T any](w *writer, name string, list []T, members func(*T)) {
	w.key(name)
	w.dst = append(w.dst, '[')
	for i := range list {
		w.comma()
		w.braces(func() { members(&list[i]) })
	}
	w.dst = append(w.dst, ']')
}
