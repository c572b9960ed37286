package media

import (
	"context"
	"errors"
)

// Ref says where an encrypted file lies and how to open it, independent of the
// library that downloads it. Kind is one of event.Media's types.
type Ref struct {
	Kind          string
	URL           string
	DirectPath    string
	Key           []byte
	FileSHA256    []byte
	FileEncSHA256 []byte
	Size          int64 // bytes of the plain file, as the sender claims
	Mimetype      string
}

// Why a file could not be had.
var (
	ErrExpired  = errors.New("media: no longer on WhatsApp's servers")
	ErrTooLarge = errors.New("media: larger than the limit")
)

// Downloader fetches and decrypts one file through an instance's client. It
// returns ErrExpired when WhatsApp no longer has it and ErrTooLarge when more
// than limit bytes would come.
type Downloader interface {
	Download(ctx context.Context, instanceID string, ref Ref, limit int64) ([]byte, error)
}

// Key names the message that a file belongs to, as it is stored.
type Key struct {
	ChatKey   string
	SenderKey string
	MessageID string
}
