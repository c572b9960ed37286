package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/media"
)

// groupServer ends the JID of every group.
const groupServer = "@g.us"

// patience bounds the fetching of one file. It leaves the phone time to upload
// one again that WhatsApp has no more.
const patience = time.Minute

// Service answers questions about stored messages. It is safe for concurrent
// use.
type Service struct {
	store    Store
	describe Describer
	files    media.Files
}

// NewService returns a service.
func NewService(store Store, describe Describer, files media.Files) *Service {
	return &Service{store: store, describe: describe, files: files}
}

// GetMessage returns a stored message. own is the instance's JID, empty if it
// never had one. An empty ID is Message ID is required; an unknown one Message
// not found.
func (s *Service) GetMessage(ctx context.Context, instanceID, own, messageID string) (Message, error) {
	if messageID == "" {
		return Message{}, fault.New(fault.Invalid, "Message ID is required (use ?messageId=<message-id>)")
	}
	stored, found, err := s.store.GetMessage(ctx, instanceID, messageID)
	if err != nil {
		return Message{}, err
	}
	if !found {
		return Message{}, fault.New(fault.NotFound, "Message not found")
	}
	m := show(&stored, own)
	d, ok, err := s.file(&stored)
	if err != nil {
		return Message{}, err
	}
	if ok {
		m.Media = &d
	}
	return m, nil
}

// Media returns the file of a stored message: where it is kept, else from
// WhatsApp, else from the phone, for which it waits up to a minute. The caller
// closes the file.
func (s *Service) Media(ctx context.Context, instanceID, messageID string) (Media, error) {
	if messageID == "" {
		return Media{}, fault.New(fault.Invalid, "messageId query parameter is required")
	}
	stored, found, err := s.store.GetMessage(ctx, instanceID, messageID)
	if err != nil {
		return Media{}, err
	}
	if !found {
		return Media{}, noMedia(nil)
	}
	d, ok, err := s.file(&stored)
	if err != nil {
		return Media{}, err
	}
	if !ok {
		return Media{}, noMedia(nil)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key := media.Key{ChatKey: stored.ChatKey, SenderKey: stored.SenderKey, MessageID: stored.ID}
	f, err := s.files.Fetch(ctx, instanceID, key, d.Ref)
	if err != nil {
		return Media{}, refusal(err)
	}
	return Media{MessageID: stored.ID, Kind: d.Ref.Kind, Mimetype: d.Ref.Mimetype, File: f}, nil
}

// file describes the file of a stored message, if it is one.
func (s *Service) file(m *Stored) (d Description, ok bool, err error) {
	if m.Raw == nil {
		return Description{}, false, nil
	}
	if d, ok, err = s.describe.Describe(m.Raw); err != nil || !ok {
		return Description{}, false, err
	}
	d.Ref.SentAt, d.Ref.FromMe = m.SentAt, m.FromMe
	return d, true, nil
}

func noMedia(cause error) error {
	return fault.Wrap(fault.NotFound, "Message not found or no media available", cause)
}

// refusal says why a file could not be had.
func refusal(err error) error {
	switch {
	case errors.Is(err, media.ErrExpired), errors.Is(err, media.ErrDamaged):
		return noMedia(err)
	case errors.Is(err, media.ErrTooLarge):
		return fault.Wrap(fault.TooLarge, "Media too large", err)
	case errors.Is(err, media.ErrOffline):
		return fault.NotConnected()
	}
	return fmt.Errorf("fetch the file: %w", err)
}

// show is a stored message as users see it.
func show(m *Stored, own string) Message {
	shown := Message{
		ID: m.ID, Type: m.Type, Text: m.Text, Chat: m.ChatKey, From: m.SenderKey, To: m.ChatKey,
		SentAt: m.SentAt, IsGroup: strings.HasSuffix(m.ChatKey, groupServer), Status: statusOf(m),
	}
	if shown.IsGroup {
		shown.Sender = m.SenderKey
	}
	if !m.FromMe && m.ChatKey == m.SenderKey { // somebody wrote to us alone
		shown.To = own
	}
	return shown
}

// statusOf is how far a message got. One of others was received, whatever our
// own devices did with it since.
func statusOf(m *Stored) string {
	switch {
	case m.Receipt == "server_error":
		return "error"
	case m.Receipt != "" && m.FromMe:
		return m.Receipt
	case m.FromMe:
		return "sent"
	}
	return "received"
}
