package waconv

import (
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
)

func (c converter) labelEdit(e *events.LabelEdit) []dispatch.Item {
	name, color, deleted := e.Action.GetName(), int(e.Action.GetColor()), e.Action.GetDeleted()
	data := &event.Label{
		Type: "edit", LabelID: e.LabelID, Action: "updated",
		Name: &name, Color: &color, Deleted: &deleted, Timestamp: c.at(e.Timestamp),
	}
	if deleted {
		data.Action = "deleted"
	}
	record := &dispatch.LabelRecord{LabelID: e.LabelID, Name: name, Color: color, Deleted: deleted}
	return []dispatch.Item{{Data: data, Label: record}}
}

func (c converter) labelChat(e *events.LabelAssociationChat) []dispatch.Item {
	data := &event.Label{
		Type: "chat", LabelID: e.LabelID, ChatJID: c.person(e.JID).key(), Timestamp: c.at(e.Timestamp),
	}
	return association(data, e.Action.GetLabeled())
}

func (c converter) labelMessage(e *events.LabelAssociationMessage) []dispatch.Item {
	data := &event.Label{
		Type: "message", LabelID: e.LabelID, ChatJID: c.person(e.JID).key(),
		MessageID: e.MessageID, Timestamp: c.at(e.Timestamp),
	}
	return association(data, e.Action.GetLabeled())
}

func association(data *event.Label, labeled bool) []dispatch.Item {
	data.Labeled = &labeled
	data.Action = "remove"
	if labeled {
		data.Action = "add"
	}
	record := &dispatch.LabelRecord{
		LabelID: data.LabelID, ChatJID: data.ChatJID, MessageID: data.MessageID, Labeled: labeled,
	}
	return []dispatch.Item{{Data: data, Label: record}}
}
