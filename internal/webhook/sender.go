package webhook

import (
	"context"
	"io"
	"time"
)

// Request is one POST. Size is the length of Body in bytes. Body is closed by
// the Sender, which does not read it after Post has returned.
type Request struct {
	URL    string
	Header map[string]string
	Size   int64
	Body   io.ReadCloser
	// Reopen returns Body from its beginning, for when the receiver closed a
	// connection that was kept alive just as it was used again. Nil will do for
	// a body of at most InlineBody bytes.
	Reopen func() (io.ReadCloser, error)
}

// Response is what came back: the status, the first AnswerKept bytes, and how
// long the receiver asks to wait (Retry-After, zero if it does not).
type Response struct {
	Status     int
	Answer     []byte
	RetryAfter time.Duration
}

// Sender makes one attempt; package egress has it. The context bounds it. An
// error means that no complete answer came; its text may be shown to users: it
// holds neither URL nor secret.
type Sender interface {
	Post(ctx context.Context, r Request) (Response, error)
	// CheckURL refuses what can be refused without a look-up.
	CheckURL(url string) error
}
