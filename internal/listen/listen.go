package listen

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/chasqui/chasqui/internal/event"
)

// maxFrame bounds one event, in bytes: a 64 MiB file as base64 and more.
const maxFrame = 128 << 20

// Options say what to listen to. URL is the gateway's address (http or https);
// Events, when not empty, hides all other types.
type Options struct {
	URL      string
	Instance string
	Token    string
	Events   []string
	Raw      bool // print frames as they came, one a line
	Color    bool
	Out      io.Writer // frames
	Notes    io.Writer // connection news
}

// Listener prints the events of one instance.
type Listener struct {
	opts     Options
	endpoint string
	backoff  backoff
	last     int64 // sequence of the newest frame, 0 before the first
	fresh    bool  // no frame yet on this connection
}

// New checks the options and returns a listener.
func New(opts Options) (*Listener, error) {
	u, err := url.Parse(opts.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("url: must be the gateway's http or https address")
	}
	for _, name := range opts.Events {
		if !event.Type(name).Valid() {
			return nil, fmt.Errorf("events: %q is not among %v", name, event.Types())
		}
	}
	if opts.Token == "" {
		return nil, errors.New("token: an account or instance token is needed (--token or CHASQUI_TOKEN)")
	}
	return &Listener{opts: opts, endpoint: u.JoinPath("ws", opts.Instance).String()}, nil
}

// Run prints events until the context ends (nil) or the gateway says that
// reconnecting is of no use.
func (l *Listener) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		started := time.Now()
		err := l.session(ctx)
		if final(err) && ctx.Err() == nil {
			return inWords(err)
		}
		l.pause(ctx, err, l.backoff.next(time.Since(started)))
	}
	return nil
}

// pause says why there is no connection and waits before the next try.
func (l *Listener) pause(ctx context.Context, err error, d time.Duration) {
	if ctx.Err() != nil {
		return
	}
	l.note("connection lost (%v); trying again in %s", inWords(err), d.Round(time.Millisecond))
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// session is one connection, from dial to its end.
func (l *Listener) session(ctx context.Context) error {
	header := http.Header{"Token": {l.opts.Token}, "User-Agent": {"chasqui-listen"}}
	conn, res, err := websocket.Dial(ctx, l.endpoint, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		return refusal(res, err)
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxFrame)
	l.note("connected to %s", l.endpoint)
	l.fresh = true
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return conn.Close(websocket.StatusNormalClosure, "")
			}
			return err
		}
		if err := l.print(frame); err != nil {
			return stop{err}
		}
	}
}

// stop marks an error after which no reconnect is tried.
type stop struct{ error }

func (s stop) Unwrap() error { return s.error }

func final(err error) bool {
	var s stop
	if errors.As(err, &s) {
		return true
	}
	code := websocket.CloseStatus(err)
	return code == 4401 || code == 4403 || code == 4404
}

// inWords says for people how the gateway closed a connection; other errors
// stay as they are.
func inWords(err error) error {
	var closed websocket.CloseError
	if !errors.As(err, &closed) {
		return err
	}
	return closedError{closed}
}

// closedError is a close frame in words for people.
type closedError struct{ websocket.CloseError }

func (e closedError) Error() string {
	return fmt.Sprintf("the gateway closed the connection with %d: %s", int(e.Code), e.Reason)
}

func (e closedError) Unwrap() error { return e.CloseError }

// refusal turns an answer before the upgrade into an error with the gateway's
// own words. 4xx answers but 429 are final.
func refusal(res *http.Response, err error) error {
	if res == nil {
		return err
	}
	var body struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if res.Body == nil || json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&body) != nil || body.Error.Message == "" {
		return err
	}
	said := fmt.Errorf("%d %s", res.StatusCode, body.Error.Message)
	if res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests {
		return stop{said}
	}
	return said
}

// envelope is what the listener reads of a frame.
type envelope struct {
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
	Meta  struct {
		Sequence  int64     `json:"sequence"`
		Timestamp time.Time `json:"timestamp"`
	} `json:"meta"`
}

func (l *Listener) print(frame []byte) error {
	var e envelope
	if err := json.Unmarshal(frame, &e); err != nil {
		return fmt.Errorf("the gateway sent a frame that is no JSON: %w", err)
	}
	l.reportGap(e.Meta.Sequence)
	if len(l.opts.Events) > 0 && !slices.Contains(l.opts.Events, e.Event) {
		return nil
	}
	if l.opts.Raw {
		_, err := fmt.Fprintf(l.opts.Out, "%s\n", frame)
		return err
	}
	_, err := io.WriteString(l.opts.Out, Pretty(frame, l.opts.Color))
	return err
}

// reportGap says how many events passed while there was no connection.
func (l *Listener) reportGap(sequence int64) {
	if missed := sequence - l.last - 1; l.fresh && l.last > 0 && missed > 0 {
		l.note("missed %d events while disconnected (counting those that the filter hides)", missed)
	}
	l.fresh, l.last = false, sequence
}

func (l *Listener) note(format string, args ...any) {
	_, _ = fmt.Fprintf(l.opts.Notes, "listen: "+format+"\n", args...) // notes are best effort
}

// longString finds JSON strings of 200 bytes and more, such as base64.
var longString = regexp.MustCompile(`"(?:[^"\\]|\\.){200,}"`)

// Pretty renders a frame for people: a headline with time, type and sequence,
// and the indented data in its own order. Long strings are shortened.
func Pretty(frame []byte, color bool) string {
	var e envelope
	var body bytes.Buffer
	if json.Unmarshal(frame, &e) != nil || json.Indent(&body, e.Data, "  ", "  ") != nil {
		return string(frame) + "\n"
	}
	head := fmt.Sprintf("%s  #%d", e.Event, e.Meta.Sequence)
	if color {
		head = "\x1b[1;32m" + head + "\x1b[0m"
	}
	short := longString.ReplaceAllFunc(body.Bytes(), func(s []byte) []byte {
		return fmt.Appendf(nil, "%s… (%d characters)\"", strings.ToValidUTF8(string(s[:40]), ""), len(s)-2)
	})
	return fmt.Sprintf("%s  %s\n  %s\n", e.Meta.Timestamp.Local().Format("15:04:05.000"), head, short)
}
