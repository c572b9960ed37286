package wa

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waMmsRetry"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/media"
)

// Rerequest implements media.Source. The phone uploads the same file with the
// same key under another path. Newsletters have no phone to ask.
func (e *Engine) Rerequest(ctx context.Context, instanceID string, key media.Key, ref media.Ref) (media.Ref, error) {
	c, ok := e.client(instanceID)
	if !ok || !c.loggedIn() {
		return media.Ref{}, media.ErrOffline
	}
	info, err := messageInfo(key, ref)
	if err != nil {
		return media.Ref{}, err
	}
	if info.Chat.Server == types.NewsletterServer || len(ref.Key) == 0 {
		return media.Ref{}, media.ErrExpired
	}
	answers := c.uploads.expect(info.ID)
	defer c.uploads.forget(info.ID, answers)
	if err := c.wm.SendMediaRetryReceipt(ctx, info, ref.Key); err != nil {
		return media.Ref{}, fmt.Errorf("wa: ask the phone for a file: %w", downloadError(err))
	}
	for {
		select {
		case answer := <-answers:
			path, ours, err := readUpload(answer, ref.Key)
			switch {
			case !ours:
				c.log.Debug("the phone's answer is about another message of the same ID", "message_id", info.ID, "error", err)
				continue
			case err != nil:
				return media.Ref{}, err
			}
			ref.DirectPath, ref.URL = path, ""
			return ref, nil
		case <-ctx.Done():
			return media.Ref{}, fmt.Errorf("wa: the phone has not answered: %w", ctx.Err())
		}
	}
}

// messageInfo is what the library needs of a message to ask for its file.
func messageInfo(key media.Key, ref media.Ref) (*types.MessageInfo, error) {
	chat, err := types.ParseJID(cmp.Or(ref.Chat, key.ChatKey))
	if err != nil {
		return nil, fmt.Errorf("wa: chat of a file: %w", err)
	}
	sender, err := types.ParseJID(cmp.Or(ref.Sender, key.SenderKey))
	if err != nil {
		return nil, fmt.Errorf("wa: sender of a file: %w", err)
	}
	return &types.MessageInfo{ID: key.MessageID, MessageSource: types.MessageSource{
		Chat: chat, Sender: sender, IsFromMe: ref.FromMe,
		IsGroup: chat.Server == types.GroupServer || chat.Server == types.BroadcastServer,
	}}, nil
}

// readUpload returns where the phone has uploaded a file, or why it has not. ours
// is false if the answer is not sealed with the key of this file.
func readUpload(answer *events.MediaRetry, mediaKey []byte) (path string, ours bool, err error) {
	told, err := whatsmeow.DecryptMediaRetryNotification(answer, mediaKey)
	switch {
	case errors.Is(err, whatsmeow.ErrMediaNotAvailableOnPhone):
		return "", true, media.ErrExpired
	case errors.Is(err, whatsmeow.ErrUnknownMediaRetryError):
		return "", true, fmt.Errorf("wa: %w", err)
	case err != nil:
		return "", false, err
	}
	switch result := told.GetResult(); {
	case result == waMmsRetry.MediaRetryNotification_NOT_FOUND:
		return "", true, media.ErrExpired
	case result != waMmsRetry.MediaRetryNotification_SUCCESS || told.GetDirectPath() == "":
		return "", true, fmt.Errorf("wa: the phone could not upload a file again: %s", result)
	}
	return told.GetDirectPath(), true, nil
}

// uploads are the answers of the phone that are waited for, by message ID. They
// may come on a later connection than the request.
type uploads struct {
	mu      sync.Mutex // guards waiting
	waiting map[types.MessageID][]chan *events.MediaRetry
}

// expect returns where the answers about a message come, until forget.
func (u *uploads) expect(id types.MessageID) chan *events.MediaRetry {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.waiting == nil {
		u.waiting = map[types.MessageID][]chan *events.MediaRetry{}
	}
	answers := make(chan *events.MediaRetry, 4)
	u.waiting[id] = append(u.waiting[id], answers)
	return answers
}

func (u *uploads) forget(id types.MessageID, answers chan *events.MediaRetry) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.waiting[id] = slices.DeleteFunc(u.waiting[id], func(other chan *events.MediaRetry) bool { return other == answers })
	if len(u.waiting[id]) == 0 {
		delete(u.waiting, id)
	}
}

// answered hands an answer to everybody who waits for one about that message.
func (u *uploads) answered(answer *events.MediaRetry) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, answers := range u.waiting[answer.MessageID] {
		select {
		case answers <- answer:
		default: // it has plenty to read
		}
	}
}
