package sandbox

import (
	"context"
	"net/http"
	"time"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/wasim"
)

// linkTimeout is how long a client has to sign when a phone accepts its code.
const linkTimeout = 30 * time.Second

// phone is the person that a path names.
func (s *sandbox) phone(r *http.Request) (*wasim.Phone, error) {
	p, ok := s.network.FindPhone(r.PathValue("number"))
	if !ok {
		return nil, fault.New(fault.NotFound, "Phone not found",
			fault.Detail{Field: "number", Reason: "must be the number of a phone made with POST /sandbox/phones"})
	}
	return p, nil
}

// phoneForm reads the person of the path and the body.
func (s *sandbox) phoneForm(r *http.Request) (*wasim.Phone, *form, error) {
	p, err := s.phone(r)
	if err != nil {
		return nil, nil, err
	}
	f, err := readForm(r)
	return p, f, err
}

func (s *sandbox) addPhone(r *http.Request) (answer, error) {
	f, err := readForm(r)
	if err != nil {
		return answer{}, err
	}
	number, name := f.phone("number"), f.text("name")
	if err = f.err(); err != nil {
		return answer{}, err
	}
	status := http.StatusOK
	if _, known := s.network.FindPhone(number); !known {
		status = http.StatusCreated
		if name == "" {
			name = number
		}
	}
	p, err := s.network.AddPhone(number, name)
	if err != nil {
		return answer{}, fromNetwork(err, "number")
	}
	return answer{status: status, fields: map[string]any{"phone": describePhone(p)}}, nil
}

func (s *sandbox) listPhones(*http.Request) (answer, error) {
	phones := []phoneView{}
	for _, p := range s.network.Phones() {
		phones = append(phones, describePhone(p))
	}
	return answer{fields: map[string]any{"phones": phones}}, nil
}

// phoneView is a person as answers show one.
type phoneView struct {
	Number  string       `json:"number"`
	Name    string       `json:"name"`
	JID     string       `json:"jid"`
	LID     string       `json:"lid"`
	Devices []deviceView `json:"devices"`
}

type deviceView struct {
	JID      string    `json:"jid"`
	Online   bool      `json:"online"`
	Platform string    `json:"platform"`
	LinkedAt time.Time `json:"linkedAt"`
}

func describePhone(p *wasim.Phone) phoneView {
	v := phoneView{Number: p.Number(), Name: p.Name(), JID: p.JID(), LID: p.LID(), Devices: []deviceView{}}
	for _, d := range p.Devices() {
		v.Devices = append(v.Devices, deviceView{d.JID, d.Online, d.Platform, d.LinkedAt.UTC()})
	}
	return v
}

func (s *sandbox) scan(r *http.Request) (answer, error) {
	return s.link(r, "qrCode", (*wasim.Phone).ScanQR)
}

func (s *sandbox) enterCode(r *http.Request) (answer, error) {
	return s.link(r, "pairingCode", (*wasim.Phone).EnterCode)
}

// link makes the person accept a client's code.
func (s *sandbox) link(r *http.Request, field string, accept func(*wasim.Phone, context.Context, string) (string, error)) (answer, error) {
	p, f, err := s.phoneForm(r)
	if err != nil {
		return answer{}, err
	}
	code := f.requiredText(field)
	if err = f.err(); err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), linkTimeout)
	defer cancel()
	device, err := accept(p, ctx, code)
	if err != nil {
		return answer{}, fromNetwork(err, field)
	}
	return answer{fields: map[string]any{"device": device}}, nil
}

func (s *sandbox) unlink(r *http.Request) (answer, error) {
	p, f, err := s.phoneForm(r)
	if err != nil {
		return answer{}, err
	}
	device := f.requiredText("device")
	if err = f.err(); err != nil {
		return answer{}, err
	}
	return answer{}, fromNetwork(p.Unlink(device), "device")
}

func (s *sandbox) sendReceipt(r *http.Request) (answer, error) {
	p, f, err := s.phoneForm(r)
	if err != nil {
		return answer{}, err
	}
	to, ids := f.chat("to"), f.texts("messageIds")
	status := f.oneOf("status", "delivered", "read", "played")
	f.require("messageIds", len(ids) > 0)
	if err = f.err(); err != nil {
		return answer{}, err
	}
	return answer{}, fromNetwork(p.Receipt(r.Context(), to, ids, status), "to")
}

func (s *sandbox) setPresence(r *http.Request) (answer, error) {
	p, f, err := s.phoneForm(r)
	if err != nil {
		return answer{}, err
	}
	state := f.oneOf("state", "available", "unavailable", "typing", "recording", "paused")
	to := ""
	if f.has("to") || state == "typing" || state == "recording" || state == "paused" {
		to = f.chat("to")
	}
	if err = f.err(); err != nil {
		return answer{}, err
	}
	return answer{}, fromNetwork(p.Presence(r.Context(), to, state), "to")
}

func (s *sandbox) call(r *http.Request) (answer, error) {
	p, f, err := s.phoneForm(r)
	if err != nil {
		return answer{}, err
	}
	to := f.chat("to")
	c := wasim.CallAction{
		Action: f.oneOf("action", "offer", "accept", "reject", "terminate"),
		CallID: f.text("callId"), Video: f.boolean("video"), Reason: f.text("reason"),
	}
	if c.Action != "" && c.Action != "offer" {
		f.require("callId", c.CallID != "")
	}
	if err = f.err(); err != nil {
		return answer{}, err
	}
	id, err := p.Call(r.Context(), to, c)
	if err != nil {
		return answer{}, fromNetwork(err, "to")
	}
	return answer{fields: map[string]any{"callId": id}}, nil
}

// maxLabelColor is the highest colour a phone gives a label.
const maxLabelColor = 19

func (s *sandbox) label(r *http.Request) (answer, error) {
	p, f, err := s.phoneForm(r)
	if err != nil {
		return answer{}, err
	}
	action, id := f.oneOf("action", "edit", "chat", "message"), f.requiredText("labelId")
	if id != "" && !isLabelID(id) {
		f.wrong("labelId", "must be a positive number, as a string")
	}
	do, field := labelAction(p, f, action, id)
	if err = f.err(); err != nil {
		return answer{}, err
	}
	return answer{}, fromNetwork(do(r.Context()), field)
}

func isLabelID(id string) bool {
	for _, c := range id {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(id) <= 9 && id[0] != '0'
}

// labelAction reads the fields that belong to an action, and names the one that
// may be unknown to the network.
func labelAction(p *wasim.Phone, f *form, action, id string) (do func(context.Context) error, field string) {
	switch action {
	case "edit":
		name, color, deleted := f.text("name"), f.integer("color", 0, maxLabelColor), f.boolean("deleted")
		if !deleted {
			f.require("name", name != "")
		}
		return func(ctx context.Context) error { return p.EditLabel(ctx, id, name, color, deleted) }, "labelId"
	case "chat":
		chat, labeled := f.chat("chat"), f.boolean("labeled")
		f.require("labeled", true)
		return func(ctx context.Context) error { return p.LabelChat(ctx, id, chat, labeled) }, "chat"
	default:
		chat, message, labeled := f.chat("chat"), f.requiredText("messageId"), f.boolean("labeled")
		f.require("labeled", true)
		return func(ctx context.Context) error { return p.LabelMessage(ctx, id, chat, message, labeled) }, "chat"
	}
}
