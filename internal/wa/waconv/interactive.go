package waconv

import (
	"encoding/json"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"github.com/chasqui/chasqui/internal/event"
)

// readInteractive reads what businesses send with buttons and lists, and what
// people answer.
func (b *builder) readInteractive(value any) bool {
	switch m := value.(type) {
	case *waE2E.ButtonsMessage:
		b.kind("buttons", m.GetContentText())
		b.header(m.GetImageMessage(), m.GetVideoMessage(), m.GetDocumentMessage())
	case *waE2E.TemplateMessage:
		b.template(m)
	case *waE2E.ListMessage:
		b.kind("list", firstText(m.GetDescription(), m.GetTitle()))
	case *waE2E.InteractiveMessage:
		b.interactive(m)
	default:
		return b.readAnswer(value)
	}
	return true
}

func (b *builder) readAnswer(value any) bool {
	switch m := value.(type) {
	case *waE2E.ButtonsResponseMessage:
		b.button("buttons_response", m.GetSelectedButtonID(), m.GetSelectedDisplayText())
	case *waE2E.TemplateButtonReplyMessage:
		b.button("buttons_response", m.GetSelectedID(), m.GetSelectedDisplayText())
	case *waE2E.ListResponseMessage:
		b.kind("list_response", m.GetTitle())
		b.body.ListResponse = &event.ListResponse{
			SelectedRowID: m.GetSingleSelectReply().GetSelectedRowID(),
			Title:         m.GetTitle(),
			Description:   m.GetDescription(),
		}
	case *waE2E.InteractiveResponseMessage:
		flow := m.GetNativeFlowResponseMessage()
		b.button("interactive_response", firstText(paramsID(flow.GetParamsJSON()), flow.GetName()), m.GetBody().GetText())
	default:
		return false
	}
	return true
}

func (b *builder) button(kind, id, title string) {
	b.kind(kind, title)
	b.body.ButtonResponse = &event.ButtonResponse{SelectedButtonID: id, Title: title}
}

// template reads a business template: as buttons, or as the interactive
// message inside it.
func (b *builder) template(m *waE2E.TemplateMessage) {
	if inner := m.GetInteractiveMessageTemplate(); inner != nil {
		b.interactive(inner)
		return
	}
	t := hydrated(m)
	b.kind("buttons", firstText(t.GetHydratedContentText(), t.GetHydratedTitleText()))
	b.header(t.GetImageMessage(), t.GetVideoMessage(), t.GetDocumentMessage())
}

func hydrated(m *waE2E.TemplateMessage) *waE2E.TemplateMessage_HydratedFourRowTemplate {
	if t := m.GetHydratedTemplate(); t != nil {
		return t
	}
	return m.GetHydratedFourRowTemplate()
}

func (b *builder) interactive(m *waE2E.InteractiveMessage) {
	h := m.GetHeader()
	b.kind("interactive", firstText(m.GetBody().GetText(), h.GetTitle()))
	b.header(h.GetImageMessage(), h.GetVideoMessage(), h.GetDocumentMessage())
}

// header takes the file above the text, if there is one.
func (b *builder) header(image *waE2E.ImageMessage, video *waE2E.VideoMessage, document *waE2E.DocumentMessage) {
	switch {
	case image != nil:
		b.file("image", image, event.Media{Caption: image.GetCaption()})
	case video != nil:
		b.file("video", video, event.Media{Caption: video.GetCaption()})
	case document != nil:
		b.file("document", document, event.Media{Caption: document.GetCaption(), FileName: documentName(document)})
	}
}

// interactiveText is what can be read in an interactive message that is quoted.
func interactiveText(value any) string {
	switch m := value.(type) {
	case *waE2E.ButtonsMessage:
		return m.GetContentText()
	case *waE2E.TemplateMessage:
		t := hydrated(m)
		return firstText(t.GetHydratedContentText(), t.GetHydratedTitleText())
	case *waE2E.ListMessage:
		return firstText(m.GetDescription(), m.GetTitle())
	case *waE2E.InteractiveMessage:
		return firstText(m.GetBody().GetText(), m.GetHeader().GetTitle())
	case *waE2E.ButtonsResponseMessage:
		return m.GetSelectedDisplayText()
	case *waE2E.TemplateButtonReplyMessage:
		return m.GetSelectedDisplayText()
	case *waE2E.ListResponseMessage:
		return m.GetTitle()
	case *waE2E.InteractiveResponseMessage:
		return m.GetBody().GetText()
	}
	return ""
}

func firstText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// paramsID returns the id in the JSON of a native flow response, "" if there
// is none.
func paramsID(paramsJSON string) string {
	var params struct {
		ID string `json:"id"`
	}
	if json.Unmarshal([]byte(paramsJSON), &params) != nil {
		return ""
	}
	return params.ID
}
