package wa

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"go.mau.fi/whatsmeow"

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

// DownloadTo implements media.Source.
func (e *Engine) DownloadTo(ctx context.Context, instanceID string, ref media.Ref, limit int64, f *os.File) (int64, error) {
	if ref.Size > limit {
		return 0, media.ErrTooLarge
	}
	c, ok := e.client(instanceID)
	if !ok || !c.loggedIn() {
		return 0, media.ErrOffline
	}
	kind, ok := mediaTypes[ref.Kind]
	if !ok {
		return 0, fmt.Errorf("wa: media kind %q", ref.Kind)
	}
	ctx = context.WithValue(ctx, downloadKey{}, &download{limit: limit + cipherOverhead, file: f})
	err := c.wm.DownloadMediaWithPathToFile(ctx, directPath(ref), some(ref.FileEncSHA256), some(ref.FileSHA256),
		some(ref.Key), kind, "", false, plainFile{f})
	if err != nil {
		return 0, downloadError(err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		return 0, fmt.Errorf("wa: download: %w", err)
	case info.Size() > limit:
		return 0, media.ErrTooLarge
	}
	return info.Size(), nil
}

// plainFile hides what kind of file it is from the library, which would ask the
// file system to reserve the room and fail where that is not supported
// (whatsmeow: download-to-file.go/downloadMediaToFile).
type plainFile struct{ *os.File }

// some makes nil of what is empty: the library takes only nil for absent, as
// keys and hashes of files in newsletters are.
func some(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// directPath is where the file lies on any of WhatsApp's hosts; old messages
// have it only as a part of the URL.
func directPath(ref media.Ref) string {
	if ref.DirectPath != "" {
		return ref.DirectPath
	}
	u, err := url.Parse(ref.URL)
	if err != nil {
		return ""
	}
	return u.RequestURI()
}

// downloadError tells in package media's terms why a download failed.
func downloadError(err error) error {
	switch {
	case errors.Is(err, media.ErrTooLarge):
		return media.ErrTooLarge
	case isGone(err):
		return media.ErrExpired
	case errors.Is(err, whatsmeow.ErrNotConnected), errors.Is(err, whatsmeow.ErrNotLoggedIn):
		return media.ErrOffline
	}
	for _, damage := range []error{
		whatsmeow.ErrInvalidMediaSHA256, whatsmeow.ErrInvalidMediaEncSHA256, whatsmeow.ErrInvalidMediaHMAC,
		whatsmeow.ErrInvalidUnencryptedMediaSHA256, whatsmeow.ErrTooShortFile,
	} {
		if errors.Is(err, damage) {
			return fmt.Errorf("wa: download: %w: %w", media.ErrDamaged, err)
		}
	}
	return fmt.Errorf("wa: download: %w", err)
}

// isGone tells the answers by which WhatsApp's servers say that they no longer
// have a file, or that its address has expired.
func isGone(err error) bool {
	return errors.Is(err, whatsmeow.ErrMediaDownloadFailedWith403) ||
		errors.Is(err, whatsmeow.ErrMediaDownloadFailedWith404) ||
		errors.Is(err, whatsmeow.ErrMediaDownloadFailedWith410)
}

type downloadKey struct{}

// download goes with the context of each request that the library makes for one
// file.
type download struct {
	limit int64    // bytes that one answer may have
	file  *os.File // emptied before each request
}

// downloadTransport bounds the answers to requests whose context holds a
// download: the library takes them whole, whatever size the sender claimed. It
// also empties the file before each, which the library forgets when it goes on
// to the next host (whatsmeow: download-to-file.go/DownloadMediaWithPathToFile).
type downloadTransport struct{ base http.RoundTripper }

func (t downloadTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	d, _ := req.Context().Value(downloadKey{}).(*download)
	if d == nil {
		return base.RoundTrip(req)
	}
	if err := d.empty(); err != nil {
		return nil, fmt.Errorf("wa: empty the file: %w", err)
	}
	resp, err := base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.ContentLength > d.limit {
		_ = resp.Body.Close() // nobody wants it
		return nil, errCut
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: d.limit}
	return resp, nil
}

func (d *download) empty() error {
	if _, err := d.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return d.file.Truncate(0)
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
