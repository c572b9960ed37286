package event

import (
	"errors"
	"fmt"
)

// Origin is what an envelope says about the instance of its event. An empty
// Token leaves the key out.
type Origin struct {
	BaseURL  string
	Instance string
	Token    string
}

// milliseconds is the layout of meta.timestamp, which always has three decimals.
const milliseconds = "2006-01-02T15:04:05.000Z07:00"

// Why an event cannot be written.
var (
	errNoData  = errors.New("event: an event without data")
	errNoMedia = errors.New("event: not a message with media")
)

// AppendEnvelope appends the JSON of an event, as every channel sends it, to
// dst in one pass: the keys in the order of the contract, nothing escaped for
// HTML, the base64 of a file encoded straight into dst as it is read. It fails
// for what JSON cannot say (no data, a number that is not finite, a year beyond
// 9999) and when the file cannot be read or has not the size that was said; dst
// is then returned as it was.
func AppendEnvelope(dst []byte, e *Event, o Origin) ([]byte, error) {
	w := &writer{dst: dst}
	if err := w.envelope(e, o); err != nil {
		return dst, err
	}
	return w.dst, nil
}

// SplitAtBase64 returns the envelope of a message with media in two parts: head
// and tail with the base64 of the file between them are what AppendEnvelope
// writes of the event with that file. The event's own Base64 is not read.
func SplitAtBase64(e *Event, o Origin) (head, tail []byte, err error) {
	m, ok := e.Data.(*Message)
	if !ok || m.Body.Media == nil {
		return nil, nil, errNoMedia
	}
	w := &writer{}
	if err := w.envelope(e.WithMedia(func(m *Media) { m.Base64 = Base64Of(nil) }), o); err != nil {
		return nil, nil, err
	}
	return w.dst[:w.split:w.split], w.dst[w.split:], nil
}

// WithMedia returns a copy of a message event with its media changed; the event
// itself stays as it is. An event without media is returned as it is.
func (e *Event) WithMedia(change func(*Media)) *Event {
	original, ok := e.Data.(*Message)
	if !ok || original.Body.Media == nil {
		return e
	}
	m, changed := *original, *original.Body.Media
	change(&changed)
	m.Body.Media = &changed
	copied := *e
	copied.Data = &m
	return &copied
}

func (w *writer) envelope(e *Event, o Origin) error {
	data, ok := e.Data.(interface{ members(w *writer) })
	if !ok {
		return errNoData
	}
	w.braces(func() {
		w.text("event", string(e.Type()))
		w.object("data", func() { data.members(w) })
		w.object("instanceData", func() {
			w.text("baseUrl", o.BaseURL)
			w.text("instance", o.Instance)
			w.optionalText("token", o.Token)
		})
		w.object("meta", func() {
			w.text("id", e.ID)
			w.int("sequence", e.Sequence)
			w.key("timestamp")
			w.moment(e.Timestamp, milliseconds)
		})
	})
	if w.err != nil {
		return fmt.Errorf("%s %s: %w", e.Type(), e.ID, w.err)
	}
	return nil
}
