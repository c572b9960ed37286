package dispatch

import (
	"context"
	"errors"
	"sync"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/media"
)

// waitingChat holds the events of one chat behind a message whose file is
// being fetched. Events of other chats and kinds go on.
type waitingChat struct {
	queue []waiting
}

// waiting is one event in that queue; fetch is nil if it waits only for those
// before it.
type waiting struct {
	event *event.Event
	fetch *fetch
}

// fetch is one download. Whoever waits for it gives it up when ctx ends,
// whatever the download does then.
type fetch struct {
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when got is there, or nobody wants it any more

	mu      sync.Mutex // guards the rest
	got     *fetched
	givenUp bool
}

type fetched struct {
	file *media.File // closed by whoever has it last
	err  error
}

func (f fetched) release() {
	if f.err == nil {
		f.file.Close()
	}
}

// chatOf is the chat whose order an event has to keep, nil if none: only
// messages and their receipts wait for one another.
func chatOf(e *event.Event) *event.Chat {
	switch data := e.Data.(type) {
	case *event.Message:
		return &data.Body.Chat
	case *event.Status:
		return &data.Chat
	}
	return nil
}

// chatKey is the chat's JID, or its LID while the number is not known.
func chatKey(c *event.Chat) string {
	switch {
	case c.JID != nil:
		return *c.JID
	case c.LID != nil:
		return *c.LID
	}
	return ""
}

// waitingIn finds what waits in a chat, also if that began before the chat's
// number was known. channel.chatsMu is held.
func (ch *channel) waitingIn(c *event.Chat) *waitingChat {
	if q := ch.chats[chatKey(c)]; q != nil || c.LID == nil {
		return q
	}
	return ch.chats[*c.LID]
}

// inOrder sends an event of a chat, or queues it when it waits for its file or
// behind one that does. channel.order is held.
func (ch *channel) inOrder(ctx context.Context, chat *event.Chat, e *event.Event, item *Item, base64 bool) {
	m, _ := e.Data.(*event.Message)
	wanted := base64 && m != nil && m.Body.Media != nil
	ch.chatsMu.Lock()
	q := ch.waitingIn(chat)
	if wanted && ch.closed {
		e, wanted = withError(e, context.Canceled), false
	}
	if q == nil && !wanted {
		ch.chatsMu.Unlock()
		ch.send(e)
		return
	}
	defer ch.chatsMu.Unlock()
	w := waiting{event: e}
	if wanted {
		w.fetch = ch.startFetch(ctx, item)
	}
	if q == nil {
		q = &waitingChat{}
		key := chatKey(chat)
		ch.chats[key] = q
		ch.d.waits.Go(func() { ch.drain(key, q) })
	}
	q.queue = append(q.queue, w)
}

// drain sends a chat's events in order, each when it is ready, until none is
// left.
func (ch *channel) drain(chat string, q *waitingChat) {
	for {
		ch.chatsMu.Lock()
		if len(q.queue) == 0 {
			delete(ch.chats, chat)
			ch.chatsMu.Unlock()
			return
		}
		w := q.queue[0]
		ch.chatsMu.Unlock()
		ch.sendReady(w)
		ch.chatsMu.Lock()
		q.queue[0] = waiting{}
		q.queue = q.queue[1:]
		ch.chatsMu.Unlock()
	}
}

func (ch *channel) sendReady(w waiting) {
	if w.fetch == nil {
		ch.send(w.event)
		return
	}
	defer w.fetch.cancel()
	got := w.fetch.await()
	err := got.err
	if err == nil {
		err = ch.sendWithFile(w.fetch.ctx, w.event, got.file)
		got.release()
	}
	if err != nil {
		ch.d.log.Info("an event goes out without its media", "instance_id", ch.id, "event_id", w.event.ID, "error", err)
		ch.send(withError(w.event, err))
	}
}

// sendWithFile sends a message with the base64 of its file. Its frame counts
// against the memory while it is made; that much is waited for within ctx.
func (ch *channel) sendWithFile(ctx context.Context, e *event.Event, file *media.File) error {
	base64 := &event.Base64{Size: file.Size(), Open: file.Open}
	if err := ch.d.memory.Acquire(ctx, base64.EncodedSize()); err != nil {
		return err
	}
	defer ch.d.memory.Release(base64.EncodedSize())
	return ch.stream.Publish(ch.frame(e.WithMedia(func(m *event.Media) { m.Base64 = base64 })))
}

// startFetch begins a fetch that takes at most Options.MediaWait.
func (ch *channel) startFetch(ctx context.Context, item *Item) *fetch {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ch.d.opts.MediaWait)
	f := &fetch{ctx: ctx, cancel: cancel, done: make(chan struct{})}
	ch.d.waits.Go(func() { f.finish(ch.fetchFile(ctx, item.Media, item.Message)) })
	return f
}

// finish notes the result, or lets the file go if it came too late.
func (f *fetch) finish(got fetched) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.givenUp {
		got.release()
	} else {
		f.got = &got
	}
	close(f.done)
}

// await returns the file, or why there is none.
func (f *fetch) await() fetched {
	select {
	case <-f.done:
	case <-f.ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.got == nil {
		f.givenUp = true
		return fetched{err: f.ctx.Err()}
	}
	return *f.got
}

var errNoRef = errors.New("dispatch: no reference to the file")

// fetchFile fetches a file that may go into a frame. One that claims to be over
// the limit is not asked for.
func (ch *channel) fetchFile(ctx context.Context, ref *media.Ref, of *MessageRecord) fetched {
	switch {
	case ref == nil || of == nil:
		return fetched{err: errNoRef}
	case ref.Size > ch.d.opts.MediaMax:
		return fetched{err: media.ErrTooLarge}
	}
	file, err := ch.d.files.Fetch(ctx, ch.id, of.key(), *ref)
	if err == nil && file.Size() > ch.d.opts.MediaMax {
		file.Close()
		err = media.ErrTooLarge
	}
	return fetched{file: file, err: err}
}

// withError returns a copy of a message event that says why its file is missing.
func withError(e *event.Event, err error) *event.Event {
	return e.WithMedia(func(m *event.Media) { m.Error = media.Reason(err) })
}

// stopWaiting ends the waits of this channel; from now on nothing waits.
func (ch *channel) stopWaiting() {
	ch.chatsMu.Lock()
	defer ch.chatsMu.Unlock()
	ch.closed = true
	for _, q := range ch.chats {
		for _, w := range q.queue {
			if w.fetch != nil {
				w.fetch.cancel()
			}
		}
	}
}
