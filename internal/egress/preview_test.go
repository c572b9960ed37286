package egress_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chasqui/chasqui/internal/egress"
	"github.com/chasqui/chasqui/internal/message"
)

func TestPreview(t *testing.T) {
	tests := map[string]struct {
		kind, page string
		want       *message.Preview // nil: an error
	}{
		"Open Graph": {"text/html; charset=utf-8", `<head><title>plain</title>
			<meta property="og:title" content="Ol&aacute;, mundo"><meta property="og:description" content=" two
			lines "></head>`, &message.Preview{Title: "Olá, mundo", Description: "two lines"}},
		"plain": {"text/html", `<title> Plain
			title</title><meta name="description" content="about">`, &message.Preview{Title: "Plain title", Description: "about"}},
		"latin-1":                       {"text/html; charset=iso-8859-1", "<title>Ol\xe1</title>", &message.Preview{Title: "Olá"}},
		"nothing after the head counts": {"text/html", `<title>a</title><body><meta property="og:title" content="b">`, &message.Preview{Title: "a"}},
		"not cut in a character":        {"text/html; charset=utf-8", "<title>" + strings.Repeat("é", 300) + "</title>", &message.Preview{Title: strings.Repeat("é", 255) + "…"}},
		"picture missing":               {"text/html", `<title>a</title><meta property="og:image" content="/none.png">`, &message.Preview{Title: "a"}},
		"picture elsewhere":             {"text/html", `<title>a</title><meta property="og:image" content="http://169.254.169.254/x.png">`, &message.Preview{Title: "a"}},
		"no title":                      {"text/html", `<p>hello`, nil},
		"not a page":                    {"application/pdf", `<title>a</title>`, nil},
		"broken":                        {"text/html", "<title", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			url, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/page" {
					http.NotFound(w, r)
					return
				}
				w.Header().Set("Content-Type", tt.kind)
				_, _ = w.Write([]byte(tt.page))
			})
			got, err := egress.NewPreviewer(c).Preview(t.Context(), url+"/page")
			if tt.want == nil {
				if err == nil {
					t.Errorf("got %+v, want an error", got)
				}
				return
			}
			tt.want.URL = url + "/page"
			if d := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); d != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, d)
			}
		})
	}
}

func TestAHugePageIsReadInPart(t *testing.T) {
	url, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<title>a</title>" + strings.Repeat(" ", 1<<20)))
	})
	if got, err := egress.NewPreviewer(c).Preview(t.Context(), url); err != nil || got.Title != "a" {
		t.Errorf("Preview = %+v, %v", got, err)
	}
}

// A picture becomes a small JPEG on white, in its proportions.
func TestPreviewPicture(t *testing.T) {
	blue := color.NRGBA{B: 0xff, A: 0xff}
	tests := map[string]struct {
		file          []byte
		width, height int // 0: no thumbnail
		colour        color.NRGBA
	}{
		"PNG":             {pngOf(t, 1000, 500, blue), 192, 96, blue},
		"JPEG":            {jpegOf(t, 500, 1000, blue), 96, 192, blue},
		"GIF":             {gifOf(t, 40, 30), 40, 30, color.NRGBA{A: 0xff}},
		"transparent":     {pngOf(t, 300, 300, color.NRGBA{}), 192, 192, color.NRGBA{0xff, 0xff, 0xff, 0xff}},
		"one line":        {pngOf(t, 4000, 1, blue), 192, 1, blue},
		"too many pixels": {claiming(gifOf(t, 1, 1), 0xffff), 0, 0, blue},
		"not a picture":   {[]byte("GIF89a nonsense"), 0, 0, blue},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			url, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/pics/p" {
					_, _ = w.Write(tt.file)
					return
				}
				w.Header().Set("Content-Type", "text/html")
				_, _ = w.Write([]byte(`<title>a</title><meta property="og:image" content="pics/p">`))
			})
			got, err := egress.NewPreviewer(c).Preview(t.Context(), url+"/page")
			if err != nil {
				t.Fatal(err)
			}
			if tt.width == 0 {
				if got.JPEG != nil {
					t.Error("a thumbnail was made")
				}
				return
			}
			img, err := jpeg.Decode(bytes.NewReader(got.JPEG))
			if err != nil {
				t.Fatal(err)
			}
			if b := img.Bounds(); b.Dx() != tt.width || b.Dy() != tt.height {
				t.Errorf("size %v, want %d×%d", b, tt.width, tt.height)
			}
			if !near(img.At(tt.width/2, tt.height/2), tt.colour) {
				t.Errorf("colour %v, want %v", img.At(tt.width/2, tt.height/2), tt.colour)
			}
		})
	}
}

// near allows for what JPEG loses.
func near(a, b color.Color) bool {
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	alike := func(x, y uint32) bool { return max(x, y)-min(x, y) < 0x0800 }
	return alike(ar, br) && alike(ag, bg) && alike(ab, bb)
}

func plain(w, h int, c color.NRGBA) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := 0; i < len(img.Pix); i += 4 {
		img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3] = c.R, c.G, c.B, c.A
	}
	return img
}

func pngOf(t *testing.T, w, h int, c color.NRGBA) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, plain(w, h, c)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegOf(t *testing.T, w, h int, c color.NRGBA) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, plain(w, h, c), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// claiming changes the size in the head of a GIF (GIF89a, section 18).
func claiming(gif []byte, side uint16) []byte {
	binary.LittleEndian.PutUint16(gif[6:], side)
	binary.LittleEndian.PutUint16(gif[8:], side)
	return gif
}

func gifOf(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	img := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.Black})
	if err := gif.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzPreview looks for a page that makes the parser panic.
func FuzzPreview(f *testing.F) {
	f.Add("text/html", `<title>a</title><meta property="og:image" content="%">`)
	f.Fuzz(func(t *testing.T, kind, page string) {
		if strings.ContainsAny(kind, "\r\n\x00") {
			return // no header can hold it
		}
		url, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write([]byte(page))
		})
		got, err := egress.NewPreviewer(c).Preview(t.Context(), url)
		if err == nil && got.Title == "" {
			t.Errorf("a preview without a title of %q", page)
		}
	})
}
