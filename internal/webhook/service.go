package webhook

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
)

// Changer changes the hooks of an instance between two of its events;
// dispatch.Dispatcher is one. change runs while no event is recorded; what it
// returns is in force for the next one. If it fails the hooks stay.
type Changer interface {
	ChangeHooks(instanceID string, change func() ([]Hook, error)) error
}

// ServiceOptions tune a Service.
type ServiceOptions struct {
	Logger *slog.Logger
	// Changed tells the worker that a configuration changed or deliveries were
	// queued again. It must not block.
	Changed func(webhookID string)
	Now     func() time.Time // default time.Now
}

// Service owns the rules of configuring webhooks and of their delivery log. Its
// errors are faults.
type Service struct {
	store  Store
	hooks  Changer
	sender Sender
	opts   ServiceOptions
}

// NewService returns a service; it holds nothing that has to be released.
func NewService(store Store, hooks Changer, sender Sender, opts ServiceOptions) *Service {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Changed == nil {
		opts.Changed = func(string) {}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Service{store: store, hooks: hooks, sender: sender, opts: opts}
}

func notSaved(err error) error {
	return fault.Of(err, "Failed to save webhook configuration")
}

// List returns all webhooks of an instance, sorted by label; never nil.
func (s *Service) List(ctx context.Context, instanceID string) ([]Webhook, error) {
	list, err := s.store.ListWebhooks(ctx, instanceID)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "Failed to get webhook configuration", err)
	}
	shown := make([]Webhook, len(list))
	for i, w := range list {
		shown[i] = w.shown()
	}
	return shown, nil
}

// shown is a webhook whose lists are never nil.
func (w Webhook) shown() Webhook {
	if w.Events == nil {
		w.Events = []event.Type{}
	}
	if w.Headers == nil {
		w.Headers = map[string]string{}
	}
	return w
}

// Get returns the webhook of a label; "" means the default one.
func (s *Service) Get(ctx context.Context, instanceID, label string) (Webhook, error) {
	list, err := s.List(ctx, instanceID)
	if err != nil {
		return Webhook{}, err
	}
	if label == "" {
		label = DefaultLabel
	}
	i := byLabel(list, label)
	if i < 0 {
		return Webhook{}, fault.New(fault.NotFound, "Webhook not configured for this label")
	}
	return list[i], nil
}

func byLabel(list []Webhook, label string) int {
	return slices.IndexFunc(list, func(w Webhook) bool { return w.Label == label })
}

// Set stores a webhook, puts it in force for the next event and returns it as
// persisted. A paused one that it enables goes on.
func (s *Service) Set(ctx context.Context, instanceID string, r Set) (Webhook, error) {
	w, err := r.normal()
	if err != nil {
		return Webhook{}, err
	}
	if w.Enabled {
		if err := s.sender.CheckURL(w.URL); err != nil {
			return Webhook{}, fault.Wrap(fault.Invalid, "Webhook URL is not allowed", err)
		}
	}
	w.InstanceID = instanceID
	err = s.hooks.ChangeHooks(instanceID, func() ([]Hook, error) { return s.put(ctx, &w, r.SecretGiven) })
	if err != nil {
		return Webhook{}, notSaved(err)
	}
	s.opts.Changed(w.ID)
	return w.shown(), nil
}

// put completes w with what is kept of the stored one, stores it and returns
// the instance's hooks with it.
func (s *Service) put(ctx context.Context, w *Webhook, secretGiven bool) ([]Hook, error) {
	list, err := s.store.ListWebhooks(ctx, w.InstanceID)
	if err != nil {
		return nil, err
	}
	if i := byLabel(list, w.Label); i >= 0 {
		w.keep(&list[i], secretGiven, s.opts.Now())
		list[i] = *w
	} else {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, err
		}
		w.ID = id.String()
		list = append(list, *w)
	}
	if w.Enabled && len(HooksOf(list)) > MaxEnabled {
		return nil, fault.New(fault.Conflict, "Webhook limit reached (3 enabled)")
	}
	if err := s.store.PutWebhook(ctx, *w); err != nil {
		return nil, err
	}
	hooks, err := s.stored(context.WithoutCancel(ctx), w.InstanceID)
	if err != nil {
		// It is stored: to leave the old hooks in force would lose its events.
		s.opts.Logger.ErrorContext(ctx, "the webhooks of an instance could not be read back", "instance_id", w.InstanceID, "error", err)
		return HooksOf(list), nil
	}
	return hooks, nil
}

// stored returns the hooks of an instance as they are stored: a receiver may
// have disabled a webhook meanwhile, which only its generation shows.
func (s *Service) stored(ctx context.Context, instanceID string) ([]Hook, error) {
	list, err := s.store.ListWebhooks(ctx, instanceID)
	if err != nil {
		return nil, err
	}
	return HooksOf(list), nil
}

// keep takes over what a set leaves of the webhook as it was: its identity, its
// secret unless one is given, and its health while it goes on to the same URL.
func (w *Webhook) keep(was *Webhook, secretGiven bool, now time.Time) {
	w.ID, w.Generation = was.ID, was.Generation
	if was.Enabled && !w.Enabled {
		w.Generation++
	}
	if w.Enabled && was.Enabled && !was.Paused && w.URL == was.URL {
		w.FailingSince = was.FailingSince
	}
	switch {
	case !secretGiven, w.Secret == was.Secret:
		w.Secret, w.OldSecret, w.OldSecretUntil = was.Secret, was.OldSecret, was.OldSecretUntil
	case w.Secret != "" && was.Secret != "":
		w.OldSecret, w.OldSecretUntil = was.Secret, now.Add(Rotation)
	}
}

// Reload puts the stored webhooks of an instance in force as its hooks: after
// the worker disabled one.
func (s *Service) Reload(ctx context.Context, instanceID string) error {
	return s.hooks.ChangeHooks(instanceID, func() ([]Hook, error) { return s.stored(ctx, instanceID) })
}
