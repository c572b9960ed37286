package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/webhook"
)

// bodies is a webhook.Bodies in memory. Whose body is filled, the webhook of
// that instance becomes due.
type bodies struct {
	mu     sync.Mutex // guards the rest
	fail   error
	broken map[string]error // for Fill of one body
	list   []webhook.Unfilled
	filled map[string]string
	tries  int
}

func (b *bodies) add(list ...webhook.Unfilled) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, list...)
	slices.SortFunc(b.list, func(x, y webhook.Unfilled) int { return strings.Compare(x.BodyID, y.BodyID) })
}

// setFail makes every call fail with err until it is nil again.
func (b *bodies) setFail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

// setBroken makes Fill fail for some bodies.
func (b *bodies) setBroken(list map[string]error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = list
}

func (b *bodies) ListUnfilled(_ context.Context, after string, limit int) ([]webhook.Unfilled, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return nil, b.fail
	}
	var page []webhook.Unfilled
	for _, u := range b.list {
		if _, done := b.filled[u.BodyID]; !done && u.BodyID > after && len(page) < limit {
			page = append(page, u)
		}
	}
	return page, nil
}

func (b *bodies) Fill(ctx context.Context, bodyID string, size int64, body io.Reader) ([]string, error) {
	got, err := io.ReadAll(body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries++
	switch err := errors.Join(err, ctx.Err(), b.fail, b.broken[bodyID]); {
	case err != nil:
		return nil, err
	case int64(len(got)) != size:
		return nil, fmt.Errorf("the body has %d bytes, not %d", len(got), size)
	}
	if _, done := b.filled[bodyID]; done {
		return nil, nil
	}
	if b.filled == nil {
		b.filled = map[string]string{}
	}
	b.filled[bodyID] = string(got)
	for _, u := range b.list {
		if u.BodyID == bodyID {
			return []string{"hook of " + u.InstanceID}, nil
		}
	}
	return nil, nil
}

// body returns what was stored, empty while it is not filled.
func (b *bodies) body(id string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.filled[id]
}

// attempts returns how often Fill was called.
func (b *bodies) attempts() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tries
}

func (b *bodies) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.filled)
}

// files is a webhook.Files of files on disk, by message ID. What it is not told
// about is fetched for ever.
type files struct {
	mu      sync.Mutex // guards the rest
	answers map[string][]answer
	kept    map[string]string
	fetched []string
	running int
	most    int
	open    int
}

// answer is how one fetch ends; the last one of a message is repeated.
type answer struct {
	path string
	size int64
	err  error
}

func (f *files) tell(id string, answers ...answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.answers == nil {
		f.answers = map[string][]answer{}
	}
	f.answers[id] = answers
}

func (f *files) FetchPatiently(ctx context.Context, _ string, key media.Key, _ media.Ref) (*media.File, error) {
	f.mu.Lock()
	f.fetched = append(f.fetched, key.MessageID)
	f.running++
	f.most = max(f.most, f.running)
	list := f.answers[key.MessageID]
	if len(list) > 1 {
		f.answers[key.MessageID] = list[1:]
	}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.running--
	}()
	if len(list) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if list[0].err != nil {
		return nil, list[0].err
	}
	return f.handOut(list[0].path, list[0].size)
}

func (f *files) Kept(_ context.Context, _ string, key media.Key) (*media.File, error) {
	f.mu.Lock()
	path, ok := f.kept[key.MessageID]
	f.mu.Unlock()
	if !ok {
		return nil, media.ErrNotThere
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return f.handOut(path, info.Size())
}

func (f *files) handOut(path string, size int64) (*media.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f.count(1)
	return media.NewFile(file, size, func() { _ = file.Close(); f.count(-1) }), nil
}

func (f *files) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open += n
}

// peak returns how many fetches ran at once, at most.
func (f *files) peak() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most
}

// held returns how many files are open.
func (f *files) held() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// calls returns the messages whose files were fetched, in order.
func (f *files) calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.fetched)
}
