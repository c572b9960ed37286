package instance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
)

const (
	// leaveLimit bounds connecting in order to log out, and the logout itself.
	leaveLimit = 15 * time.Second

	warnStillListed = "WhatsApp could not be told: the phone still lists this device; remove it there"
)

// Reconnect resumes the stored login and returns at once.
func (s *Service) Reconnect(ctx context.Context, in Instance) error {
	v, err := s.supervisor(in.ID)
	if err != nil {
		return err
	}
	if !v.record().Login.Linked() {
		return noSession()
	}
	_, err = call(ctx, v, v.reconnect)
	return err
}

func noSession() error {
	return fault.New(fault.Invalid, "Instance has no saved session — call /connect first")
}

func (v *supervisor) reconnect() (struct{}, error) {
	if !v.linked() {
		return struct{}{}, noSession()
	}
	v.emit(event.State{State: "manual_reconnect"})
	v.drop()
	v.rest()
	v.attempts = 0
	v.dial()
	return struct{}{}, nil
}

// Logout unlinks the device. warning is not empty when WhatsApp could not be
// told, so that the phone still lists the device. It may be repeated.
func (s *Service) Logout(ctx context.Context, in Instance) (warning string, err error) {
	v, err := s.supervisor(in.ID)
	if err != nil {
		return "", err
	}
	warning, err = call(ctx, v, v.unlink)
	if err != nil && fault.KindOf(err) == fault.Internal {
		return "", fault.Wrap(fault.Internal, "Failed to logout instance", err)
	}
	return warning, err
}

// Delete logs out and removes everything stored for the instance. When the
// service does not run, the login is wiped without telling WhatsApp.
func (s *Service) Delete(ctx context.Context, in Instance) error {
	v, err := s.supervisor(in.ID)
	switch {
	case s.resting():
		err = s.remove(ctx, in)
	case err == nil:
		_, err = call(ctx, v, v.remove)
	}
	if err != nil && fault.KindOf(err) == fault.Internal {
		return fault.Wrap(fault.Internal, "Failed to delete instance: "+fault.Reason(err), err)
	}
	return err
}

// resting reports that the service was not started, as in a command that works
// on the database of a server that does not run.
func (s *Service) resting() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.life == unstarted
}

// DeleteAll deletes each instance of an account; it implements
// account.Instances. It goes on after a failure and joins the errors.
func (s *Service) DeleteAll(ctx context.Context, accountID string) error {
	all, err := s.store.ListInstances(ctx, accountID)
	if err != nil {
		return err
	}
	var errs []error
	for _, in := range all {
		if err := s.Delete(ctx, in); err != nil {
			errs = append(errs, fmt.Errorf("instance %s: %w", in.Name, err))
		}
	}
	return errors.Join(errs...)
}

// unlink logs out, wipes the login and says so. Nothing is said when there was
// nothing to end, or when WhatsApp said it first.
func (v *supervisor) unlink() (warning string, err error) {
	said := !v.linked() && v.phase == idle
	v.failWaiters(connectFailed(nil, "the instance was logged out"))
	if v.linked() {
		if warning, err = v.tellWhatsApp(); err != nil {
			return "", err
		}
		said = !v.linked()
	} else if v.phase != idle && v.endLinking() {
		warning = warnStillListed
	}
	v.closeClient()
	if err := v.wipe(); err != nil {
		return "", err
	}
	v.rest()
	if !said {
		v.emit(event.State{State: "logged_out", Reason: "logged out through the API"})
	}
	return warning, nil
}

// endLinking stops a QR phase. It reports that the phone accepted in the last
// moment, and therefore lists a device that goes away.
func (v *supervisor) endLinking() bool {
	v.closeClient()
	v.takeReports()
	return v.linked()
}

// tellWhatsApp removes the device from the phone's list, connecting first if
// need be. It returns a warning if that failed, and an error if the service
// drains meanwhile: then the login is kept.
func (v *supervisor) tellWhatsApp() (warning string, err error) {
	ctx, cancel := context.WithTimeout(v.svc.base, leaveLimit)
	defer cancel()
	switch online := v.comeOnline(ctx); {
	case !v.linked():
		return "", nil // WhatsApp had forgotten the device already
	case !online && v.draining():
		return "", fault.ShuttingDown()
	case !online:
		return warnStillListed, nil
	}
	if err := v.client.Logout(ctx); err != nil {
		v.log.Warn("log out at WhatsApp", "err", err)
		return warnStillListed, nil
	}
	return "", nil
}

// comeOnline makes one attempt to log in and handles what the client reports
// until it succeeded or failed. Other commands wait.
func (v *supervisor) comeOnline(ctx context.Context) bool {
	v.resume()
	v.takeReports()
	for (v.phase == opening || v.phase == paired) && ctx.Err() == nil && !v.draining() {
		v.sleep(ctx.Done(), v.svc.draining)
		v.takeReports()
	}
	return v.phase == online
}

// wipe forgets the login, at the engine and in the store.
func (v *supervisor) wipe() error {
	if v.linked() {
		if err := v.svc.engine.Forget(v.svc.base, v.rec.Login.DeviceJID); err != nil {
			return fmt.Errorf("forget the device: %w", err)
		}
	}
	if err := v.svc.store.UpdateLogin(v.svc.base, v.id, Login{}, true, time.Now().UTC()); err != nil {
		return fmt.Errorf("clear the login: %w", err)
	}
	v.clearLogin()
	return nil
}

func (v *supervisor) clearLogin() {
	v.update(func(in *Instance) {
		in.Login, in.LoggedOut, in.PhoneSeen, in.UpdatedAt = Login{}, true, time.Time{}, time.Now().UTC()
	})
	v.phoneAsks, v.unsaved = phoneWatch{}, false
}

// remove logs out and deletes the instance. Whoever comes later finds nothing.
func (v *supervisor) remove() (struct{}, error) {
	warning, err := v.unlink()
	if err != nil {
		return struct{}{}, err
	}
	if warning != "" {
		v.log.Warn("deleting an instance", "warning", warning)
	}
	if err := v.svc.store.DeleteInstance(v.svc.base, v.id); err != nil {
		return struct{}{}, err
	}
	v.svc.forget(v.id)
	v.svc.observer.InstanceDeleted(v.svc.base, v.rec)
	v.bury()
	return struct{}{}, nil
}

// bury turns away the commands that still wait and all that may come.
func (v *supervisor) bury() {
	v.mu.Lock()
	v.gone = true
	rest := v.commands
	v.commands = nil
	v.mu.Unlock()
	for _, c := range rest {
		c.refuse(fault.InstanceNotFound())
	}
}

// remove deletes an instance of a service that does not run.
func (s *Service) remove(ctx context.Context, in Instance) error {
	if in.Login.Linked() {
		if err := s.engine.Forget(ctx, in.Login.DeviceJID); err != nil {
			return fmt.Errorf("forget the device: %w", err)
		}
	}
	if err := s.store.DeleteInstance(ctx, in.ID); err != nil {
		return err
	}
	s.observer.InstanceDeleted(ctx, in)
	return nil
}
