package wa

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"go.mau.fi/whatsmeow"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/media"
)

// mediaTypes maps the kinds of event.Media to the library's key domains.
var mediaTypes = map[string]whatsmeow.MediaType{
	"image":    whatsmeow.MediaImage,
	"sticker":  whatsmeow.MediaImage,
	"video":    whatsmeow.MediaVideo,
	"ptv":      whatsmeow.MediaVideo,
	"audio":    whatsmeow.MediaAudio,
	"ptt":      whatsmeow.MediaAudio,
	"document": whatsmeow.MediaDocument,
}

// cipherOverhead is what encryption adds to a file at most: padding to the AES
// block and a MAC of ten bytes.
const cipherOverhead = 16 + 10

// Download implements media.Downloader.
func (e *Engine) Download(ctx context.Context, instanceID string, ref media.Ref, limit int64) ([]byte, error) {
	if ref.Size > limit {
		return nil, media.ErrTooLarge
	}
	c, ok := e.client(instanceID)
	if !ok || !c.loggedIn() {
		return nil, fault.NotConnected()
	}
	kind, ok := mediaTypes[ref.Kind]
	if !ok {
		return nil, fmt.Errorf("wa: media kind %q", ref.Kind)
	}
	ctx = context.WithValue(ctx, limitKey{}, limit+cipherOverhead)
	data, err := c.wm.DownloadMediaWithPath(ctx, ref.DirectPath,
		ref.FileEncSHA256, ref.FileSHA256, ref.Key, kind, "", false)
	switch {
	case errors.Is(err, media.ErrTooLarge):
		return nil, media.ErrTooLarge
	case isGone(err):
		return nil, media.ErrExpired
	case err != nil:
		return nil, fmt.Errorf("wa: download: %w", err)
	case int64(len(data)) > limit:
		return nil, media.ErrTooLarge
	}
	return data, nil
}

// isGone tells the answers by which WhatsApp's servers say that they no longer
// have a file.
func isGone(err error) bool {
	var status whatsmeow.DownloadHTTPError
	if !errors.As(err, &status) || status.Response == nil {
		return false
	}
	return status.StatusCode == http.StatusNotFound || status.StatusCode == http.StatusGone
}

type limitKey struct{}

// limitTransport bounds the bodies of requests whose context holds a limit: the
// library reads them whole, whatever size the sender claimed.
type limitTransport struct{ base http.RoundTripper }

func (t limitTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(req)
	if limit, ok := req.Context().Value(limitKey{}).(int64); ok && err == nil {
		resp.Body = &limitedBody{ReadCloser: resp.Body, left: limit}
	}
	return resp, err
}

// errCut carries context.Canceled so that the library neither retries nor asks
// the next host.
var errCut = fmt.Errorf("%w: %w", media.ErrTooLarge, context.Canceled)

// limitedBody fails once more than left bytes have come.
type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errCut
	}
	return n, err
}
