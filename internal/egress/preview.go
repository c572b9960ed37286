package egress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"

	"github.com/chasqui/chasqui/internal/message"
)

const (
	maxPage        = 512 << 10 // bytes of a page that are read
	maxPicture     = 5 << 20   // bytes of its picture
	maxTitle       = 256       // characters
	maxDescription = 512       // characters
	atOnce         = 4         // previews, which bounds the memory of pictures
)

// Previewer makes link previews of web pages.
type Previewer struct {
	client *Client
	slots  chan struct{}
}

var _ message.Previewer = (*Previewer)(nil)

// NewPreviewer returns a previewer that fetches pages through client.
func NewPreviewer(client *Client) *Previewer {
	return &Previewer{client: client, slots: make(chan struct{}, atOnce)}
}

// Preview fetches a page and reads its Open Graph title, description and image
// (https://ogp.me), or else its title and meta description. A page without a
// title is an error; a picture that cannot be had is left out.
func (p *Previewer) Preview(ctx context.Context, link string) (*message.Preview, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	page, err := p.client.Get(ctx, link, maxPage, false)
	if err != nil {
		return nil, err
	}
	head, err := readHead(page)
	if err != nil {
		return nil, err
	}
	title := head.title()
	if title == "" {
		return nil, errors.New("the page has no title")
	}
	return &message.Preview{
		URL: link, Title: cut(title, maxTitle), Description: cut(head.description(), maxDescription),
		JPEG: p.picture(ctx, page, head.image),
	}, nil
}

// picture fetches the page's image and makes a thumbnail of it, nil if that
// fails.
func (p *Previewer) picture(ctx context.Context, page Page, ref string) []byte {
	if ref == "" {
		return nil
	}
	at, err := page.URL.Parse(ref)
	if err != nil {
		return nil
	}
	img, err := p.client.Get(ctx, at.String(), maxPicture, true)
	if err != nil {
		return nil
	}
	thumb, err := thumbnail(img.Body)
	if err != nil {
		return nil
	}
	return thumb
}

// head is what a page says about itself.
type head struct {
	ogTitle, plainTitle             string
	ogDescription, plainDescription string
	image                           string
}

func (h head) title() string       { return firstText(h.ogTitle, h.plainTitle) }
func (h head) description() string { return firstText(h.ogDescription, h.plainDescription) }

func firstText(a, b string) string {
	if a = strings.TrimSpace(a); a != "" {
		return a
	}
	return strings.TrimSpace(b)
}

// readHead reads the page up to its body.
func readHead(page Page) (head, error) {
	var h head
	if t := page.ContentType; t != "" && !strings.Contains(t, "html") {
		return h, errors.New("not a web page")
	}
	text, err := charset.NewReader(bytes.NewReader(page.Body), page.ContentType)
	if err != nil {
		return h, err
	}
	z := html.NewTokenizer(text)
	for {
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); !errors.Is(err, io.EOF) {
				return h, err
			}
			return h, nil
		case html.StartTagToken, html.SelfClosingTagToken:
			tag := z.Token()
			if tag.DataAtom == atom.Body {
				return h, nil
			}
			h.take(tag, z)
		}
	}
}

func (h *head) take(tag html.Token, z *html.Tokenizer) {
	switch tag.DataAtom {
	case atom.Title:
		if z.Next() == html.TextToken && h.plainTitle == "" {
			h.plainTitle = z.Token().Data
		}
	case atom.Meta:
		h.meta(attribute(tag, "property", "name"), attribute(tag, "content"))
	}
}

func (h *head) meta(name, content string) {
	field := map[string]*string{
		"og:title": &h.ogTitle, "og:description": &h.ogDescription,
		"og:image": &h.image, "og:image:url": &h.image, "description": &h.plainDescription,
	}[strings.ToLower(name)]
	if field != nil && *field == "" {
		*field = content
	}
}

// attribute returns the first of the attributes that the tag has.
func attribute(tag html.Token, names ...string) string {
	for _, name := range names {
		for _, a := range tag.Attr {
			if a.Key == name {
				return a.Val
			}
		}
	}
	return ""
}

// cut shortens a text to so many characters and makes it one line.
func cut(s string, limit int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}
