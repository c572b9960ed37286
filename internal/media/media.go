package media

import (
	"context"
	"errors"
	"os"
	"time"
)

// Ref says where an encrypted file lies and how to open it, independent of the
// library that downloads it, and what its message says about it. It is stored as
// JSON. Kind is one of event.Media's types.
type Ref struct {
	Kind          string
	URL           string
	DirectPath    string
	Key           []byte
	FileSHA256    []byte
	FileEncSHA256 []byte
	Size          int64 // bytes of the plain file, as the sender claims
	Mimetype      string
	FileName      string    // as the sender named it; mostly empty
	SentAt        time.Time // when the message was sent
	// Chat and Sender are JIDs as WhatsApp addressed the message, which may be
	// hidden identities. They and FromMe are needed to ask the phone for the file
	// again; where Chat is empty the Key is used.
	Chat   string
	Sender string
	FromMe bool
}

// Why a file could not be had.
var (
	ErrExpired  = errors.New("media: no longer on WhatsApp's servers")
	ErrTooLarge = errors.New("media: larger than the limit")
	ErrDamaged  = errors.New("media: not the file that the message announced")
	ErrOffline  = errors.New("media: the instance is not connected")
)

// Files gives the files of messages to whoever needs their bytes. Library
// implements it.
type Files interface {
	// Fetch returns the file of a message, which the caller closes. It tries
	// until ctx ends; the error is then the last failure if it was waiting to try
	// again, and otherwise the context's. ErrTooLarge, ErrExpired and ErrDamaged
	// come at once: trying again would not help.
	Fetch(ctx context.Context, instanceID string, key Key, ref Ref) (*File, error)
}

// Source is where files come from: WhatsApp, through an instance's client. Both
// methods fail with ErrOffline while the instance is not connected.
type Source interface {
	// DownloadTo writes the plain file to f, from its beginning, replacing what
	// f held, and returns its size in bytes. It fails with ErrExpired when
	// WhatsApp no longer has the file, with ErrTooLarge when more than limit bytes
	// would come, and with ErrDamaged when what came is not what ref announces.
	DownloadTo(ctx context.Context, instanceID string, ref Ref, limit int64, f *os.File) (int64, error)
	// Rerequest asks the phone to upload the file again, waits for the answer
	// until ctx ends, and returns where the file lies now. ErrExpired: the phone
	// does not have it any more.
	Rerequest(ctx context.Context, instanceID string, key Key, ref Ref) (Ref, error)
}

// Key names the message that a file belongs to, as it is stored.
type Key struct {
	ChatKey   string
	SenderKey string
	MessageID string
}
