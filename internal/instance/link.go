package instance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/waid"
)

// WhatsApp gives six codes, of which the first is shown longer, as its own web
// client does.
const (
	fullSet       = 6
	firstCodeGood = 60 * time.Second
	codeGood      = 20 * time.Second
)

const (
	minHistory = 1
	maxHistory = 365
)

// waiter is a Connect call that waits for its outcome.
type waiter struct {
	done chan outcome // buffered: the caller may have gone
}

// outcome ends a wait: a result, an offer of codes with the client that made
// it, or an error.
type outcome struct {
	result ConnectResult
	offer  offer
	client Client
	err    error
}

// Connect resumes a stored login or offers a code to link a phone. A number
// asks for a pairing code; every call with one makes a new code.
func (s *Service) Connect(ctx context.Context, in Instance, req ConnectRequest) (ConnectResult, error) {
	if err := checkConnect(&req); err != nil {
		return ConnectResult{}, err
	}
	v, err := s.supervisor(in.ID)
	if err != nil {
		return ConnectResult{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.LinkTimeout)
	defer cancel()
	got := v.await(ctx, req.HistoryDays)
	switch {
	case got.err != nil:
		return ConnectResult{}, connectError(got.err, "internal error")
	case got.client == nil:
		return got.result, nil
	case req.Number != "":
		return pairPhone(ctx, got, req.Number)
	}
	return ConnectResult{QRCode: got.offer.code, ExpiresIn: secondsUntil(got.offer.until)}, nil
}

func checkConnect(req *ConnectRequest) error {
	if req.HistoryDays != 0 && (req.HistoryDays < minHistory || req.HistoryDays > maxHistory) {
		return fault.InvalidBody(fault.Detail{
			Field: "history", Reason: fmt.Sprintf("must be %d to %d days", minHistory, maxHistory),
		})
	}
	if req.Number == "" {
		return nil
	}
	digits, err := waid.ParseDigits(req.Number)
	req.Number = digits
	return err
}

// pairPhone asks for a pairing code in the caller's goroutine: the supervisor
// goes on changing the QR code meanwhile.
func pairPhone(ctx context.Context, got outcome, number string) (ConnectResult, error) {
	code, err := got.client.PairPhone(ctx, number)
	if err != nil {
		return ConnectResult{}, connectError(err, "WhatsApp gave no pairing code for this number")
	}
	return ConnectResult{PairingCode: code, ExpiresIn: secondsUntil(got.offer.end)}, nil
}

// QRCode returns the code that is valid now, without starting anything.
func (s *Service) QRCode(in Instance) (code string, ok bool) {
	v, err := s.supervisor(in.ID)
	if err != nil {
		return "", false
	}
	o, ok := v.currentOffer()
	return o.code, ok
}

// await joins or starts a connection and waits for what becomes of it.
func (v *supervisor) await(ctx context.Context, history int) outcome {
	w := &waiter{done: make(chan outcome, 1)}
	v.post(command{
		run:    func() { v.join(w, history) },
		refuse: func(err error) { w.done <- outcome{err: err} },
	})
	select {
	case got := <-w.done:
		return got
	case <-ctx.Done():
		return outcome{err: ctx.Err()}
	case <-v.svc.draining:
		return outcome{err: fault.ShuttingDown()}
	}
}

func (v *supervisor) join(w *waiter, history int) {
	switch v.phase {
	case online:
		w.done <- outcome{result: ConnectResult{Connected: true}}
	case linking:
		w.done <- outcome{offer: v.offer, client: v.client}
	case opening, paired:
		v.waiters = append(v.waiters, w)
	case idle, waiting:
		v.waiters = append(v.waiters, w)
		v.history = history
		v.dial()
	}
}

func (v *supervisor) answerWaiters(o outcome) {
	for _, w := range v.waiters {
		w.done <- o
	}
	v.waiters = nil
}

func (v *supervisor) failWaiters(err error) { v.answerWaiters(outcome{err: err}) }

// offerCodes begins the QR phase, or begins it anew with fresh codes.
func (v *supervisor) offerCodes(codes []string) {
	if v.linked() || (v.phase != opening && v.phase != linking) {
		return
	}
	v.phase = linking
	v.disarm(alarmOpen)
	v.codes = codes
	good := codeGood
	if len(codes) == fullSet {
		good = firstCodeGood
	}
	v.showCode(good)
}

// nextCode replaces the code whose time is over.
func (v *supervisor) nextCode() { v.showCode(codeGood) }

func (v *supervisor) showCode(good time.Duration) {
	if len(v.codes) == 0 {
		v.lost("qr_timeout")
		return
	}
	code := v.codes[0]
	v.codes = v.codes[1:]
	until := time.Now().Add(good)
	v.setOffer(offer{code: code, until: until, end: until.Add(time.Duration(len(v.codes)) * codeGood)})
	v.arm(alarmCode, good)
	v.emit(event.State{State: "qr_ready", Codes: []string{code}, ExpiresIn: int(good / time.Second)})
	v.answerWaiters(outcome{offer: v.offer, client: v.client})
}

func (v *supervisor) withdrawCodes() {
	v.codes = nil
	v.setOffer(offer{})
}

// onPaired keeps the new login. WhatsApp restarts the connection by itself; a
// pairing that was reported late is resumed.
func (v *supervisor) onPaired(sig Signal) {
	inTime := v.phase == linking || v.phase == opening
	v.disarm(alarmOpen, alarmCode)
	v.withdrawCodes()
	v.resumed = true
	v.saveLogin(mergeLogin(Login{}, sig.Login))
	v.phoneSeen(time.Now())
	v.emit(event.State{State: "pair_success"})
	if inTime {
		v.phase = paired
		v.arm(alarmRestart, restartWait)
		return
	}
	v.resume()
}

// pairFailed ends the QR phase: its codes are of no use any more.
func (v *supervisor) pairFailed(reason string, err error) {
	v.closeClient()
	v.emit(event.State{State: "pair_error", Reason: reason})
	v.failWaiters(err)
}

// connectFailed is the contract's answer to a connect that did not succeed.
func connectFailed(cause error, reason string) *fault.Error {
	return fault.Wrap(fault.Internal, "Failed to connect: "+reason, cause)
}

// connectError turns any error into one that the connect route may show;
// otherwise is its reason when the error has no public one.
func connectError(err error, otherwise string) error {
	var shown *fault.Error
	if errors.As(err, &shown) {
		return shown
	}
	return connectFailed(err, fault.ReasonOr(err, otherwise))
}

// secondsUntil rounds up, so that a code is never said to be good for 0 s while
// it is.
func secondsUntil(t time.Time) int {
	return int((time.Until(t) + time.Second - 1) / time.Second)
}
