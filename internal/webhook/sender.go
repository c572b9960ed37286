package webhook

import (
	"context"
	"io"
	"time"
)

// Request is one POST. Body is closed by the Sender.
type Request struct {
	URL    string
	Header map[string]string
	Size   int64
	Body   io.ReadCloser
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
