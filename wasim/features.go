package wasim

import (
	"context"
	"errors"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
)

// features is the state of a server that only the features use: groups, media, presence.
type features struct{}

func newFeatures(*Server) *features { return &features{} }

// accountFeatures is the state of an account that only the features use: app state, picture, presence.
type accountFeatures struct{}

func newAccountFeatures(*account) accountFeatures { return accountFeatures{} }

// deviceFeatures is the state of a companion that only the features use.
type deviceFeatures struct{}

// featureHandlers registers the features' handlers.
func featureHandlers(*router) {}

// groupRoute is what message routing needs to know of a group.
type groupRoute struct {
	lid     bool // members are addressed by hidden identity
	members []*account
}

// routeOfGroup finds the members of a group for a message or receipt of one of them. code is 0, or the error of the
// acknowledgement: 404 for no such group, 403 when the sender may not write to it.
func (s *Server) routeOfGroup(group types.JID, sender *account) (r groupRoute, code int) {
	return groupRoute{}, 404
}

// storeMedia encrypts and keeps a file and returns the message that refers to it.
func (s *Server) storeMedia(context.Context, *Media) (*waE2E.Message, error) {
	return nil, errors.New("media: not built")
}

// openMedia fetches and decrypts the file a message refers to; nil if it refers to none.
func (s *Server) openMedia(*waE2E.Message) (*Media, error) { return nil, nil }

// pictureID is the id of a person's profile picture, "" for none.
func (s *Server) pictureID(*account) string { return "" }
