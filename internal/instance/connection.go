package instance

import (
	"context"
	"errors"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
)

// dialing is a dial in its own goroutine, so that the supervisor can go on
// answering meanwhile. stop cancels it and waits for it.
type dialing struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func (d *dialing) stop() {
	if d.cancel != nil {
		d.cancel()
		<-d.done
	}
	*d = dialing{}
}

func (v *supervisor) linked() bool { return v.rec.Login.Linked() }

// resume connects an instance that has a stored login and no connection.
func (v *supervisor) resume() {
	if v.linked() && (v.phase == idle || v.phase == waiting) {
		v.dial()
	}
}

// dial opens the connection. How it ends comes back as a report.
func (v *supervisor) dial() {
	v.disarm(alarmDial)
	v.phase = opening
	if v.state != Connecting {
		v.setState(Connecting)
		v.emit(event.State{State: "connecting"})
	}
	if err := v.prepare(); err != nil {
		v.dialFailed(err)
		return
	}
	v.arm(alarmOpen, v.svc.opts.LinkTimeout)
	ctx, cancel := context.WithCancel(v.svc.base)
	v.dialed = dialing{cancel: cancel, done: make(chan struct{})}
	go v.connect(ctx, v.client, v.conn, v.dialed.done)
}

func (v *supervisor) connect(ctx context.Context, c Client, conn uint64, done chan<- struct{}) {
	defer close(done)
	err := c.Connect(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reports = append(v.reports, report{conn: conn, dialEnd: true, err: err})
	v.knock()
}

// prepare makes sure that there is a client and that it has today's proxy.
func (v *supervisor) prepare() error {
	proxyURL := v.svc.proxyURL(v.rec.Proxy)
	if v.client != nil {
		if proxyURL == v.proxyURL {
			return nil
		}
		if err := v.client.SetProxy(proxyURL); err != nil {
			return err
		}
		v.proxyURL = proxyURL
		return nil
	}
	c, err := v.svc.engine.Open(v.svc.base, v.spec(proxyURL), v.signal)
	if err != nil {
		return err
	}
	v.client, v.proxyURL = c, proxyURL
	return nil
}

func (v *supervisor) spec(proxyURL string) Spec {
	days := v.history
	if days == 0 && !v.rec.Settings.DisableHistorySync {
		days = defaultHistoryDays
	}
	return Spec{
		ID: v.id, Name: v.rec.Name, DeviceJID: v.rec.Login.DeviceJID,
		Settings: v.rec.Settings, ProxyURL: proxyURL, HistoryDays: days,
	}
}

func (v *supervisor) dialFailed(err error) {
	v.log.Warn("connect to WhatsApp", "err", err)
	if errors.Is(err, ErrLoginGone) && v.linked() {
		v.onLoggedOut(Signal{Reason: ErrLoginGone.Error(), OnConnect: true})
		return
	}
	v.lost(fault.ReasonOr(err, "WhatsApp could not be reached"))
}

// drop ends the connection; the client stays. When it returns, everything that
// the connection had to say is in the inbox and will be known as late.
func (v *supervisor) drop() {
	if v.state == Connected {
		v.rest()
	}
	v.phase = idle
	v.due = [alarms]time.Time{}
	v.silent = false
	v.withdrawCodes()
	v.dialed.stop()
	if v.client != nil {
		v.client.Disconnect()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.conn++
}

// closeClient ends the connection and releases the client.
func (v *supervisor) closeClient() {
	v.drop()
	if v.client != nil {
		v.client.Close()
		v.client = nil
	}
	v.rest()
}

func (v *supervisor) rest() { v.setState(restingState(v.rec)) }

// redial connects anew without saying so: the restart that WhatsApp asks for
// after pairing is part of connecting.
func (v *supervisor) redial() {
	v.drop()
	v.dial()
}

// lost ends a connection that broke or never came up. With a login it is tried
// again; an instance without a phone goes back to rest.
func (v *supervisor) lost(reason string) {
	v.stand(event.State{State: "disconnected", Reason: reason}, reason)
	v.retry()
}

// stand ends the connection, says why, and answers who waits for it.
func (v *supervisor) stand(s event.State, reason string) {
	if v.linked() {
		v.drop()
		v.rest()
	} else {
		v.closeClient()
	}
	v.emit(s)
	v.failWaiters(connectFailed(errors.New(reason), reason))
}

// retry schedules the next attempt by the backoff.
func (v *supervisor) retry() {
	if v.linked() {
		v.pause(backoff(v.attempts))
		v.attempts++
	}
}

// pause schedules the next attempt of a linked instance.
func (v *supervisor) pause(d time.Duration) {
	if v.linked() {
		v.phase = waiting
		v.arm(alarmDial, d)
	}
}
