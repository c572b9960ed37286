package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/url"
	"time"

	"github.com/coder/websocket"
)

// The people of the play.
const (
	instanceName = "demo"
	owner        = "5511900000001"
	ana          = "5511900000002"
)

// Options say against what to play. Color paints the output for a terminal.
type Options struct {
	URL      string // of a running sandbox
	Token    string // of an account
	Color    bool
	Out      io.Writer
	Patience time.Duration // for each frame; default 30 s
}

// play is one run of the conversation.
type play struct {
	gateway
	opts   Options
	client *client
	events []string // filter of the WebSocket; empty: all six types
	sent   string   // id of the message that the gateway sent
	group  string   // JID
}

// Run plays the conversation. It returns an error that names the first frame
// that did not arrive.
func Run(ctx context.Context, opts Options) error {
	return newPlay(opts).run(ctx)
}

func newPlay(opts Options) *play {
	if opts.Patience == 0 {
		opts.Patience = 30 * time.Second
	}
	return &play{gateway: gateway{url: opts.URL, token: opts.Token}, opts: opts}
}

func (p *play) run(ctx context.Context) error {
	scenes := []struct {
		title string
		act   func(context.Context) error
	}{
		{"An instance is created and its WebSocket set", p.create},
		{"Its QR code is scanned by a phone", p.link},
		{"Ana writes", p.text},
		{"Ana sends a picture, which arrives as base64", p.picture},
		{"The gateway answers, Ana's phone receives and reads it", p.answer},
		{"Ana makes a group with the instance and renames it", p.makeGroup},
		{"Ana calls and hangs up", p.phoneCall},
		{"The owner puts a label on the chat with Ana", p.label},
	}
	started := time.Now()
	for _, s := range scenes {
		p.say("\n== %s\n\n", s.title)
		if err := s.act(ctx); err != nil {
			return err
		}
	}
	p.say("\nEvery expected frame of all six event types arrived, in %s.\n", time.Since(started).Round(time.Millisecond))
	return p.client.conn.Close(websocket.StatusNormalClosure, "")
}

func (p *play) say(format string, args ...any) {
	if p.opts.Color {
		format = "\x1b[36m" + format + "\x1b[0m"
	}
	_, _ = fmt.Fprintf(p.opts.Out, format, args...) // a closed terminal does not fail the demo
}

func (p *play) show(text string) { _, _ = io.WriteString(p.opts.Out, text) }

// object spares the scenes a long type name.
type object = map[string]any

func (p *play) expect(ctx context.Context, event string, fields map[string]string) (frame, error) {
	return p.client.expect(ctx, p.opts.Patience, want{event: event, fields: fields})
}

func (p *play) expectAll(ctx context.Context, wants ...want) error {
	for _, w := range wants {
		if _, err := p.client.expect(ctx, p.opts.Patience, w); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) create(ctx context.Context) error {
	if err := p.post(ctx, "/api/instance/new", object{"name": instanceName}, nil); err != nil {
		return err
	}
	set := object{"enabled": true, "events": p.events, "mediaBase64": true}
	if err := p.post(ctx, "/api/events/websocket/"+instanceName, set, nil); err != nil {
		return err
	}
	var err error
	p.client, err = dial(ctx, p.gateway, instanceName, p.show, p.opts.Color)
	return err
}

func (p *play) link(ctx context.Context) error {
	for number, name := range map[string]string{owner: "Olga", ana: "Ana"} {
		if err := p.post(ctx, "/sandbox/phones", object{"number": number, "name": name}, nil); err != nil {
			return err
		}
	}
	var qr struct {
		QRCode string `json:"qrCode"`
	}
	if err := p.call(ctx, "GET", "/api/instance/connect/"+instanceName, nil, &qr); err != nil {
		return err
	}
	if err := p.post(ctx, "/sandbox/phones/"+owner+"/scan", object{"qrCode": qr.QRCode}, nil); err != nil {
		return err
	}
	return p.expectAll(ctx,
		want{"instance.state", map[string]string{"state": "qr_ready"}},
		want{"instance.state", map[string]string{"state": "pair_success"}},
		want{"instance.state", map[string]string{"state": "connected", "jid": owner + "@s.whatsapp.net"}},
	)
}

// send makes a person send something to the instance's number or a group.
func (p *play) send(ctx context.Context, from string, body object) error {
	return p.post(ctx, "/sandbox/phones/"+from+"/messages", body, nil)
}

func (p *play) text(ctx context.Context) error {
	if err := p.send(ctx, ana, object{"to": owner, "text": "Hi! Is the shop open today?"}); err != nil {
		return err
	}
	_, err := p.expect(ctx, "message.exchange", map[string]string{
		"message.direction": "incoming", "message.type": "text",
		"message.content.text": "Hi! Is the shop open today?", "message.chat.jid": ana + "@s.whatsapp.net",
	})
	return err
}

func (p *play) picture(ctx context.Context) error {
	file := base64.StdEncoding.EncodeToString(samplePicture())
	media := object{"type": "image", "mimetype": "image/png", "caption": "this one", "base64": file}
	if err := p.send(ctx, ana, object{"to": owner, "media": media}); err != nil {
		return err
	}
	_, err := p.expect(ctx, "message.exchange", map[string]string{
		"message.type": "image", "message.media.caption": "this one", "message.media.base64": file,
	})
	return err
}

// samplePicture draws a small picture.
func samplePicture() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for x := range 32 {
		for y := range 32 {
			img.Set(x, y, color.RGBA{R: uint8(x * 8), G: uint8(y * 8), B: 160, A: 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // writing to memory cannot fail
	}
	return b.Bytes()
}

func (p *play) answer(ctx context.Context) error {
	var sent struct {
		Data struct {
			MessageID string `json:"messageId"`
		} `json:"data"`
	}
	if err := p.post(ctx, "/api/message/text/"+instanceName, object{"number": ana, "message": "Yes, until six."}, &sent); err != nil {
		return err
	}
	p.sent = sent.Data.MessageID
	err := p.expectAll(ctx,
		want{"message.exchange", map[string]string{"message.direction": "outgoing", "message.id": p.sent, "message.source": "api"}},
		want{"message.status", map[string]string{"status": "delivered", "messageIds": "[" + p.sent + "]"}},
	)
	if err != nil {
		return err
	}
	read := object{"to": owner, "messageIds": []string{p.sent}, "status": "read"}
	if err := p.post(ctx, "/sandbox/phones/"+ana+"/receipts", read, nil); err != nil {
		return err
	}
	_, err = p.expect(ctx, "message.status", map[string]string{"status": "read", "messageIds": "[" + p.sent + "]"})
	return err
}

func (p *play) makeGroup(ctx context.Context) error {
	var group struct {
		JID string `json:"jid"`
	}
	create := object{"name": "Friday", "owner": ana, "participants": []string{owner}}
	if err := p.post(ctx, "/sandbox/groups", create, &group); err != nil {
		return err
	}
	p.group = group.JID
	rename := object{"actor": ana, "name": "Friday, 8 pm"}
	if err := p.call(ctx, "PUT", "/sandbox/groups/"+url.PathEscape(p.group), rename, nil); err != nil {
		return err
	}
	return p.expectAll(ctx,
		want{"group.flow", map[string]string{"type": "created", "groupJid": p.group}},
		want{"group.flow", map[string]string{"type": "name", "value": "Friday, 8 pm"}},
	)
}

func (p *play) phoneCall(ctx context.Context) error {
	path := "/sandbox/phones/" + ana + "/calls"
	for _, action := range []string{"offer", "terminate"} {
		if err := p.post(ctx, path, object{"to": owner, "action": action, "callId": "DEMO0001"}, nil); err != nil {
			return err
		}
	}
	return p.expectAll(ctx,
		want{"call.update", map[string]string{"type": "offer", "callId": "DEMO0001"}},
		want{"call.update", map[string]string{"type": "terminated", "callId": "DEMO0001"}},
	)
}

func (p *play) label(ctx context.Context) error {
	path := "/sandbox/phones/" + owner + "/labels"
	for _, body := range []object{
		{"action": "edit", "labelId": "7", "name": "Customers", "color": 3},
		{"action": "chat", "labelId": "7", "chat": ana, "labeled": true},
	} {
		if err := p.post(ctx, path, body, nil); err != nil {
			return err
		}
	}
	return p.expectAll(ctx,
		want{"label.update", map[string]string{"type": "edit", "labelId": "7", "name": "Customers"}},
		want{"label.update", map[string]string{"type": "chat", "labelId": "7", "chatJid": ana + "@s.whatsapp.net", "labeled": "true"}},
	)
}
