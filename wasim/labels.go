package wasim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	waappstate "go.mau.fi/whatsmeow/appstate"
)

// maxLabelColor is the highest number of a label's colour on a phone.
const maxLabelColor = 19

// Label is a label as a phone has it. Chats are addresses, Messages ids.
type Label struct {
	ID, Name string
	Color    int
	Deleted  bool
	Chats    []string
	Messages []string
}

// EditLabel makes or changes a label on the phone; deleted removes it. color is 0 to 19.
func (p *Phone) EditLabel(_ context.Context, labelID, name string, color int, deleted bool) error {
	if err := checkLabel(labelID); err != nil {
		return err
	}
	if color < 0 || color > maxLabelColor {
		return fmt.Errorf("label color must be 0 to %d, not %d", maxLabelColor, color)
	}
	return p.change(waappstate.BuildLabelEdit(labelID, name, int32(color), deleted))
}

// LabelChat puts a label on a chat (a number, a person's address or a group's), or takes it off.
func (p *Phone) LabelChat(_ context.Context, labelID, chat string, labeled bool) error {
	if err := checkLabel(labelID); err != nil {
		return err
	}
	jid, err := p.server().parseChat(chat)
	if err != nil {
		return err
	}
	return p.change(waappstate.BuildLabelChat(jid, labelID, labeled))
}

// LabelMessage puts a label on a message of a chat, or takes it off.
func (p *Phone) LabelMessage(_ context.Context, labelID, chat, messageID string, labeled bool) error {
	if err := checkLabel(labelID); err != nil {
		return err
	}
	jid, err := p.server().parseChat(chat)
	if err != nil {
		return err
	}
	if messageID == "" {
		return fmt.Errorf("labelling a message needs its id")
	}
	return p.change(waappstate.BuildLabelMessage(jid, labelID, messageID, labeled))
}

func checkLabel(id string) error {
	if n, err := strconv.ParseUint(id, 10, 32); err != nil || n == 0 {
		return fmt.Errorf("a label's id is a positive number, not %q", id)
	}
	return nil
}

// Labels returns the labels on the phone, sorted by id, as it and its companions have made them.
func (p *Phone) Labels() []Label {
	labels := map[string]*Label{}
	at := func(id string) *Label {
		if labels[id] == nil {
			labels[id] = &Label{ID: id}
		}
		return labels[id]
	}
	for _, m := range p.AppState() {
		switch {
		case m.Index[0] == waappstate.IndexLabelEdit && len(m.Index) > 1:
			l, edit := at(m.Index[1]), m.Value.GetLabelEditAction()
			l.Name, l.Color, l.Deleted = edit.GetName(), int(edit.GetColor()), edit.GetDeleted()
		case !m.Value.GetLabelAssociationAction().GetLabeled():
		case m.Index[0] == waappstate.IndexLabelAssociationChat && len(m.Index) > 2:
			l := at(m.Index[1])
			l.Chats = append(l.Chats, m.Index[2])
		case m.Index[0] == waappstate.IndexLabelAssociationMessage && len(m.Index) > 3:
			l := at(m.Index[1])
			l.Messages = append(l.Messages, m.Index[3])
		}
	}
	out := make([]Label, 0, len(labels))
	for _, l := range labels {
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b Label) int { return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID)) })
	return out
}
