package instance

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"regexp"
	"time"

	"github.com/google/uuid"

	"github.com/chasqui/chasqui/internal/fault"
)

const (
	minToken    = 16
	maxToken    = 256
	randomToken = 32 // bytes
)

var (
	validName  = regexp.MustCompile(NamePattern)
	validToken = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9._~+/=-]{%d,%d}$`, minToken, maxToken))
)

// Create makes an instance. limit is the account's quota, nil for none.
func (s *Service) Create(ctx context.Context, accountID string, limit *int, req New) (Instance, error) {
	in, err := s.newRecord(accountID, req)
	if err != nil {
		return Instance{}, err
	}
	if err := s.store.CreateInstance(ctx, in, limit); err != nil {
		return Instance{}, createError(err)
	}
	if err := s.observer.InstanceOpened(ctx, in); err != nil {
		// Without its stream the instance could say nothing: undo it.
		if undo := s.store.DeleteInstance(context.WithoutCancel(ctx), in.ID); undo != nil {
			s.log.Error("undo the creation of an instance", "instance", in.Name, "err", undo)
		}
		return Instance{}, createError(err)
	}
	s.adopt(in)
	return in, nil
}

func (s *Service) newRecord(accountID string, req New) (Instance, error) {
	if err := checkNew(req); err != nil {
		return Instance{}, err
	}
	proxy, err := s.checkProxy(req.Proxy, "proxy")
	if err != nil {
		return Instance{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Instance{}, createError(err)
	}
	if req.Token == "" {
		req.Token = drawToken()
	}
	// Stores keep milliseconds: what is answered now is what is read later.
	now := time.Now().UTC().Truncate(time.Millisecond)
	return Instance{
		ID: id.String(), AccountID: accountID, Name: req.Name, Token: req.Token,
		Settings: req.Settings, Proxy: proxy, CreatedAt: now, UpdatedAt: now,
	}, nil
}

func checkNew(req New) error {
	if req.Name == "" {
		return fault.New(fault.Invalid, "Instance name is required")
	}
	var details []fault.Detail
	if !validName.MatchString(req.Name) {
		details = append(details, fault.Detail{Field: "name", Reason: "must match " + NamePattern})
	}
	if req.Token != "" {
		details = append(details, checkToken(req.Token)...)
	}
	details = append(details, checkSettings(req.Settings)...)
	if len(details) > 0 {
		return fault.InvalidBody(details...)
	}
	return nil
}

func checkToken(token string) []fault.Detail {
	if validToken.MatchString(token) {
		return nil
	}
	return []fault.Detail{{
		Field: "token", Reason: fmt.Sprintf("must be %d to %d of A-Z a-z 0-9 . _ ~ + / = -", minToken, maxToken),
	}}
}

// drawToken returns 256 random bits, base64url.
func drawToken() string {
	b := make([]byte, randomToken)
	rand.Read(b) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(b)
}

func createError(err error) error {
	if fault.KindOf(err) != fault.Internal {
		return err
	}
	return fault.Wrap(fault.Internal, "Failed to create instance: "+fault.Reason(err), err)
}

// RotateToken replaces the instance's token; an empty one is drawn at random.
// The old one fails everywhere when it returns; WhatsApp stays connected.
func (s *Service) RotateToken(ctx context.Context, in Instance, token string) (Instance, error) {
	if token == "" {
		token = drawToken()
	} else if details := checkToken(token); details != nil {
		return Instance{}, fault.InvalidBody(details...)
	}
	v, err := s.supervisor(in.ID)
	if err != nil {
		return Instance{}, err
	}
	return call(ctx, v, func() (Instance, error) { return v.rotateToken(token) })
}

func (v *supervisor) rotateToken(token string) (Instance, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	if err := v.svc.store.UpdateToken(v.svc.base, v.id, token, now); err != nil {
		return Instance{}, err
	}
	v.update(func(in *Instance) { in.Token, in.UpdatedAt = token, now })
	return v.rec, v.svc.observer.InstanceTokenChanged(v.svc.base, v.rec)
}
