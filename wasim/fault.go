package wasim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is something that goes wrong on purpose. Target is a number; the fault acts on all its linked devices.
//
//	drop_connection          the connection is cut
//	replaced                 another client has taken over
//	logged_out               unlinked from the phone
//	client_outdated          logins are refused as too old, once for each device
//	stream_error{Code}       the stream ends with that code
//	temp_ban{Code,Seconds}   the next login of each device is refused
//	delay{MS}                every stanza is held back that long, until MS is 0
//	lose_ack{Count}          the next acknowledgements are ignored
//	redeliver{Count}         the last messages are sent again
//	reorder{Count}           the next messages are held and sent in reverse
//	media_gone{MessageID}    the file of that message is answered 404; the phone uploads it again on request, unless
//	                         Final. A file is one for all who have the message, so Target is not used
//	server_down{Seconds}     all connections are cut and refused; without Target
type Fault struct {
	Kind      string
	Target    string
	Code      int
	Seconds   int
	MS        int
	Count     int
	MessageID string
	Final     bool
}

// Defaults of temp_ban: the code of "sent too many messages" (whatsmeow: types/events/events.go/TempBanReason), a day.
const (
	defaultBanCode    = 101
	defaultBanSeconds = 86400
)

// faultKinds carry a fault out on an account.
var faultKinds = map[string]func(a *account, f Fault){
	"drop_connection": func(a *account, _ Fault) { a.eachDevice((*device).dropConnection) },
	"replaced": func(a *account, _ Fault) {
		a.eachDevice(func(d *device) { d.endConnection(streamError("", conflict("replaced"))) })
	},
	"logged_out": func(a *account, _ Fault) { a.eachDevice(func(d *device) { a.unlink(d) }) },
	"client_outdated": func(a *account, _ Fault) {
		a.failLogins(loginFailure(405, nil))
		a.eachDevice((*device).dropConnection)
	},
	"stream_error": func(a *account, f Fault) {
		a.eachDevice(func(d *device) { d.endConnection(streamError(strconv.Itoa(f.Code))) })
	},
	"temp_ban":  banNextLogin,
	"delay":     func(a *account, f Fault) { a.faults.delay.Store(int64(time.Duration(f.MS) * time.Millisecond)) },
	"lose_ack":  func(a *account, f Fault) { a.faults.setLoseAcks(f.Count) },
	"redeliver": func(a *account, f Fault) { a.eachDevice(func(d *device) { d.outbox.redeliver(f.Count) }) },
	"reorder":   func(a *account, f Fault) { a.eachDevice(func(d *device) { d.outbox.reorder(f.Count) }) },
}

// FaultKinds lists what Fault.Kind may be, sorted.
func FaultKinds() []string {
	out := []string{"media_gone", "server_down"}
	for kind := range faultKinds {
		out = append(out, kind)
	}
	slices.Sort(out)
	return out
}

// Fault makes something go wrong. It fails for a kind or number that does not exist, and for values out of range.
func (s *Server) Fault(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	switch f.Kind {
	case "server_down":
		s.goDown(time.Duration(f.Seconds) * time.Second)
		return nil
	case "media_gone":
		return s.loseMedia(f)
	}
	a := s.accounts.number(f.Target)
	if a == nil {
		return fmt.Errorf("number %q: %w", f.Target, ErrNotFound)
	}
	faultKinds[f.Kind](a, f)
	return nil
}

func (f Fault) check() error {
	kinds := FaultKinds()
	switch {
	case !slices.Contains(kinds, f.Kind):
		return fmt.Errorf("fault kind must be one of %s, not %q", strings.Join(kinds, ", "), f.Kind)
	case f.Code < 0 || f.Seconds < 0 || f.MS < 0 || f.Count < 0:
		return fmt.Errorf("numbers of a fault must not be negative")
	case f.Kind == "stream_error" && f.Code == 0:
		return fmt.Errorf("stream_error needs a code")
	case f.Kind == "media_gone" && f.MessageID == "":
		return fmt.Errorf("media_gone needs a message id")
	}
	return nil
}

func (a *account) eachDevice(f func(*device)) {
	for _, d := range a.linkedDevices() {
		f(d)
	}
}

// failLogins makes the next login of each linked device end with n.
func (a *account) failLogins(n Node) {
	a.eachDevice(func(d *device) { a.faults.failLoginOf(d.id, n) })
}

func banNextLogin(a *account, f Fault) {
	code, expire := f.Code, f.Seconds
	if code == 0 {
		code = defaultBanCode
	}
	if expire == 0 {
		expire = defaultBanSeconds
	}
	a.failLogins(loginFailure(402, Attrs{"code": strconv.Itoa(code), "expire": strconv.Itoa(expire)}))
}

// goDown cuts every connection and refuses new ones for a while.
func (s *Server) goDown(d time.Duration) {
	s.downUntil.Store(s.now().Add(d).UnixNano())
	for _, a := range s.accounts.all() {
		a.eachDevice((*device).dropConnection)
	}
}

// loseMedia makes the file of a message unavailable, as told by whichever phone knows the message.
func (s *Server) loseMedia(f Fault) error {
	for _, a := range s.accounts.all() {
		m := a.phone.history.find(f.MessageID)
		if m == nil {
			continue
		}
		if file, _ := attachmentOf(m.message); file != nil && s.media.expire(file.GetDirectPath(), f.Final) {
			return nil
		}
	}
	return fmt.Errorf("message %q with a file: %w", f.MessageID, ErrNotFound)
}
