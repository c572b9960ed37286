package payload

import (
	"bytes"
	"fmt"
	"strings"
)

// The marker is prefix, eight hexadecimal digits of the event's number, a colon
// and sixteen of the moment in nanoseconds.
const (
	prefix     = "bench:"
	digits     = 8
	nanos      = 16
	MarkerSize = len(prefix) + digits + 1 + nanos
)

const head = `{"event":"message.exchange","data":{"id":"`

// rest follows the marker; the first verb is the marker again, the second the
// padding.
const rest = `","message":{"id":"%s","direction":"incoming","timestamp":"2023-11-14T22:13:20Z","type":"text",` +
	`"chat":{"jid":"5511999999999@s.whatsapp.net","lid":"123456789012345@lid","name":"Ana","type":"private"},` +
	`"sender":{"jid":"5511999999999@s.whatsapp.net","lid":"123456789012345@lid","name":"Ana"},` +
	`"content":{"text":"%s"},"source":"android"}},` +
	`"instanceData":{"baseUrl":"http://127.0.0.1:8080","instance":"bench00000"},` +
	`"meta":{"id":"evt_01j9zq6m7x4s8w2k5n3p0r1t6v","sequence":1000000001,"timestamp":"2026-04-28T10:30:00.123Z"}}`

// Maker makes events of one size.
type Maker struct{ template []byte }

// NewMaker returns a maker of events of size bytes, as close to it as the
// envelope allows: an event is never shorter than that.
func NewMaker(size int) *Maker {
	blank := strings.Repeat("0", MarkerSize)
	bare := len(head) + MarkerSize + len(fmt.Sprintf(rest, blank, ""))
	padding := strings.Repeat("x", max(size-bare, 0))
	return &Maker{template: []byte(head + blank + fmt.Sprintf(rest, blank, padding))}
}

// Make returns a fresh event with its number and the moment it was made.
func (m *Maker) Make(number uint32, at int64) []byte {
	p := bytes.Clone(m.template)
	copy(p[len(head):], Marker(Event{Number: number, At: at}))
	return p
}

// Event is what a marker says: the number of the event, and when it was made in
// nanoseconds of the machine's monotonic clock.
type Event struct {
	Number uint32
	At     int64
}

// Marker is an event's marker.
func Marker(e Event) string { return fmt.Sprintf("%s%08x:%016x", prefix, e.Number, e.At) }

// Scan returns the first event in p and how far p has been looked at; ok is
// false if there is none. hint is where the marker was in the frame before.
func Scan(p []byte, hint int) (e Event, end int, ok bool) {
	at := hint
	if at+MarkerSize > len(p) || string(p[at:at+len(prefix)]) != prefix {
		at = bytes.Index(p, []byte(prefix))
		if at < 0 || at+MarkerSize > len(p) {
			return Event{}, 0, false
		}
	}
	number, okNumber := hexadecimal(p[at+len(prefix):][:digits])
	made, okMade := hexadecimal(p[at+len(prefix)+digits+1:][:nanos])
	return Event{Number: uint32(number), At: int64(made)}, at + MarkerSize, okNumber && okMade
}

// hexadecimal reads lower-case digits without allocating.
func hexadecimal(p []byte) (v uint64, ok bool) {
	for _, c := range p {
		switch {
		case '0' <= c && c <= '9':
			v = v<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
