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

var errNoData = errors.New("event: an event without data")

// AppendEnvelope appends the JSON of an event, as every channel sends it, to
// dst in one pass: the keys in the order of the contract, nothing escaped for
// HTML, the base64 of a file encoded straight into dst. It fails only for what
// JSON cannot say: no data, a number that is not finite, a year beyond 9999;
// dst is then returned as it was.
func AppendEnvelope(dst []byte, e *Event, o Origin) ([]byte, error) {
	data, ok := e.Data.(interface{ members(w *writer) })
	if !ok {
		return dst, errNoData
	}
	w := &writer{dst: dst}
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
		return dst, fmt.Errorf("%s %s: %w", e.Type(), e.ID, w.err)
	}
	return w.dst, nil
}
