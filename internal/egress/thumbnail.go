package egress

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	_ "image/gif" // decoders for image.Decode
	"image/jpeg"
	_ "image/png"
)

const (
	thumbSide    = 192     // pixels of the longer side
	thumbQuality = 70      // of JPEG
	maxPixels    = 8 << 20 // of a picture: what decoding it may cost in memory
)

// thumbnail makes a small JPEG of a picture.
func thumbnail(data []byte) ([]byte, error) {
	size, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if size.Width <= 0 || size.Height <= 0 || size.Width > maxPixels/size.Height {
		return nil, errors.New("the picture has too many pixels")
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, shrink(img), &jpeg.Options{Quality: thumbQuality}); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// shrink scales a picture down to thumbSide by averaging the pixels that fall
// into one, on white. A smaller picture keeps its size.
func shrink(img image.Image) image.Image {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if longer := max(w, h); longer > thumbSide {
		w, h = max(1, w*thumbSide/longer), max(1, h*thumbSide/longer)
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			out.Set(x, y, average(img, image.Rect(
				b.Min.X+x*b.Dx()/w, b.Min.Y+y*b.Dy()/h,
				b.Min.X+(x+1)*b.Dx()/w, b.Min.Y+(y+1)*b.Dy()/h,
			)))
		}
	}
	return out
}

func average(img image.Image, area image.Rectangle) color.Color {
	var r, g, b, n uint64
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			pr, pg, pb, pa := img.At(x, y).RGBA()
			white := 0xffff - pa // colours are premultiplied
			r, g, b, n = r+uint64(pr+white), g+uint64(pg+white), b+uint64(pb+white), n+1
		}
	}
	return color.RGBA64{R: uint16(r / n), G: uint16(g / n), B: uint16(b / n), A: 0xffff}
}
