package webhook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/media"
)

// fill fetches the file of one body and stores the body. It gives up only when
// ctx ends; the body is then as unfilled as before.
func (f *Filler) fill(ctx context.Context, u Unfilled) {
	file, err := f.fetch(ctx, u)
	if ctx.Err() != nil {
		closeFile(file)
		return
	}
	if err != nil {
		f.log.Info("an event goes out without its media", "instance_id", u.InstanceID, "event_id", eventID(u), "error", err)
	}
	f.store(ctx, u, file, err)
}

// eventID names the event of a body in the log; empty if the body is no envelope.
func eventID(u Unfilled) string {
	e, _, err := event.ParseEnvelope(u.Plain)
	if err != nil {
		return "" // compose tells
	}
	return e.ID
}

func closeFile(file *media.File) {
	if file != nil {
		file.Close()
	}
}

// fetch returns the file of a body, or why there will be none. One that claims
// to be over the limit is not asked for.
func (f *Filler) fetch(ctx context.Context, u Unfilled) (*media.File, error) {
	if u.Ref.Size > f.opts.Max {
		return nil, media.ErrTooLarge
	}
	file, err := f.fetchInTime(ctx, u)
	if err == nil && file.Size() > f.opts.Max {
		file.Close()
		return nil, media.ErrTooLarge
	}
	return file, err
}

// fetchInTime tries until the body's wait is over; after that, a file that is
// kept already is still taken.
func (f *Filler) fetchInTime(ctx context.Context, u Unfilled) (*media.File, error) {
	left := f.opts.Wait - f.clock.since(u.CreatedAt)
	if left <= 0 {
		return f.fetchKept(ctx, u)
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	for try := 0; ; try++ {
		file, err := f.files.FetchPatiently(ctx, u.InstanceID, u.Message, u.Ref)
		if err == nil || final(err) || !pause(ctx, try) {
			return file, err
		}
	}
}

// fetchKept returns a kept file; without one the answer is that time is up.
func (f *Filler) fetchKept(ctx context.Context, u Unfilled) (*media.File, error) {
	const patience = 15 * time.Second // of a bucket
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	file, err := f.files.Kept(ctx, u.InstanceID, u.Message)
	if err != nil {
		return nil, errors.Join(context.DeadlineExceeded, err)
	}
	return file, nil
}

// final reports that another try to fetch would not help.
func final(err error) bool {
	return errors.Is(err, media.ErrTooLarge) || errors.Is(err, media.ErrExpired) || errors.Is(err, media.ErrDamaged)
}

// pause waits before another try, longer each time, and reports false when ctx
// ends first.
func pause(ctx context.Context, try int) bool {
	const first, longest = time.Second, 30 * time.Second
	timer := time.NewTimer(min(first<<min(try, 10), longest))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// store stores the body with its file, or, if there is none or it cannot be
// read, with the reason why it is missing. It tries again until that works, as
// when the disk is full. The file is closed.
func (f *Filler) store(ctx context.Context, u Unfilled, file *media.File, missing error) {
	defer func() { closeFile(file) }()
	for try := 0; ; {
		body, err := f.compose(u, file, missing)
		var due []string
		if err == nil {
			due, err = f.bodies.Fill(ctx, u.BodyID, body.size, body)
			body.close()
		}
		switch {
		case err == nil:
			if len(due) > 0 {
				f.opts.Wake(due)
			}
			return
		case ctx.Err() != nil:
			return
		case file != nil && (body == nil || body.broken != nil):
			f.log.Error("a fetched file could not be read", "instance_id", u.InstanceID, "body_id", u.BodyID, "error", err)
			file.Close()
			file, missing = nil, errUnreadable
			continue // the reason goes out at once
		}
		f.log.Error("a body could not be stored", "instance_id", u.InstanceID, "body_id", u.BodyID, "error", err)
		if !pause(ctx, try) {
			return
		}
		try++
	}
}

var errUnreadable = errors.New("webhook: the fetched file could not be read")

// composed is a body that is made as it is read, so that no file is ever whole
// in memory. Its size is known before.
type composed struct {
	size   int64
	parts  io.Reader
	file   io.Closer // nil without a file
	broken error     // why the file could not be read
}

// Read implements io.Reader.
func (c *composed) Read(p []byte) (int, error) {
	n, err := c.parts.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		c.broken = err
	}
	return n, err
}

func (c *composed) close() {
	if c.file != nil {
		_ = c.file.Close() // it was only read
	}
}

// compose makes the body: with the file, or, where file is nil, with the reason.
// It fails only with a file, if that cannot be opened.
func (f *Filler) compose(u Unfilled, file *media.File, missing error) (*composed, error) {
	e, o, err := event.ParseEnvelope(u.Plain)
	if err != nil { // nothing that the gateway wrote: better as it is than never
		f.log.Error("a stored envelope could not be read", "instance_id", u.InstanceID, "body_id", u.BodyID, "error", err)
		return inMemory(u.Plain), nil
	}
	if file == nil {
		return f.withoutFile(u, e, o, missing), nil
	}
	head, tail, err := event.SplitAtBase64(e, o)
	if err != nil {
		return nil, err
	}
	base64 := &event.Base64{Size: file.Size(), Open: file.Open}
	encoded, err := base64.Encode()
	if err != nil {
		return nil, err
	}
	return &composed{
		size:  int64(len(head)) + base64.EncodedSize() + int64(len(tail)),
		parts: io.MultiReader(bytes.NewReader(head), encoded, bytes.NewReader(tail)), file: encoded,
	}, nil
}

// withoutFile is the envelope that says why the file is missing.
func (f *Filler) withoutFile(u Unfilled, e *event.Event, o event.Origin, missing error) *composed {
	told := e.WithMedia(func(m *event.Media) { m.Error = media.Reason(missing) })
	body, err := event.AppendEnvelope(nil, told, o)
	if err != nil { // what was parsed can be written
		f.log.Error("an envelope could not be written again", "instance_id", u.InstanceID, "body_id", u.BodyID, "error", err)
		body = u.Plain
	}
	return inMemory(body)
}

func inMemory(body []byte) *composed {
	return &composed{size: int64(len(body)), parts: bytes.NewReader(body)}
}
