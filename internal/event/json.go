package event

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Why an event cannot be written as JSON.
var (
	errNumber = errors.New("event: a number is not finite")
	errTime   = errors.New("event: a time is outside the years 1 to 9999")
)

// writer appends JSON to dst in one pass. Text is not escaped for HTML; what
// is not UTF-8 is replaced. After the first error it goes on harmlessly, and
// err keeps it.
type writer struct {
	dst   []byte
	err   error
	split int // where the base64 of a file began
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// key starts a member, with a comma if it is not the first of its object.
func (w *writer) key(name string) {
	w.comma()
	w.dst = append(w.dst, '"')
	w.dst = append(w.dst, name...)
	w.dst = append(w.dst, '"', ':')
}

func (w *writer) comma() {
	if last := w.dst[len(w.dst)-1]; last != '{' && last != '[' {
		w.dst = append(w.dst, ',')
	}
}

// object writes a member that is an object.
func (w *writer) object(name string, members func()) {
	w.key(name)
	w.braces(members)
}

func (w *writer) braces(members func()) {
	w.dst = append(w.dst, '{')
	members()
	w.dst = append(w.dst, '}')
}

// text writes a member that is a string.
func (w *writer) text(name, value string) {
	w.key(name)
	w.string(value)
}

// optionalText writes nothing for the empty string.
func (w *writer) optionalText(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

// nullableText writes null for nil.
func (w *writer) nullableText(name string, value *string) {
	w.key(name)
	if value == nil {
		w.dst = append(w.dst, "null"...)
		return
	}
	w.string(*value)
}

func (w *writer) texts(name string, values []string) {
	w.key(name)
	w.dst = append(w.dst, '[')
	for _, v := range values {
		w.comma()
		w.string(v)
	}
	w.dst = append(w.dst, ']')
}

func (w *writer) bool(name string, value bool) {
	w.key(name)
	w.dst = strconv.AppendBool(w.dst, value)
}

// optionalBool writes nothing for false.
func (w *writer) optionalBool(name string, value bool) {
	if value {
		w.bool(name, value)
	}
}

func (w *writer) int(name string, value int64) {
	w.key(name)
	w.dst = strconv.AppendInt(w.dst, value, 10)
}

// optionalInt writes nothing for zero.
func (w *writer) optionalInt(name string, value int) {
	if value != 0 {
		w.int(name, int64(value))
	}
}

func (w *writer) float(name string, value float64) {
	w.key(name)
	w.number(value)
}

// number writes a float as ECMAScript does: an exponent for the very small and
// the very large only.
func (w *writer) number(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		w.fail(errNumber)
		f = 0
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	w.dst = strconv.AppendFloat(w.dst, f, format, -1, 64)
	if n := len(w.dst); format == 'e' && n >= 4 && w.dst[n-4] == 'e' && w.dst[n-3] == '-' && w.dst[n-2] == '0' {
		w.dst[n-2] = w.dst[n-1] // e-09 to e-9
		w.dst = w.dst[:n-1]
	}
}

// time writes a moment as RFC 3339 in UTC, with as many decimals as it has.
func (w *writer) time(name string, value time.Time) {
	w.key(name)
	w.moment(value, time.RFC3339Nano)
}

func (w *writer) optionalTime(name string, value *time.Time) {
	if value != nil {
		w.time(name, *value)
	}
}

func (w *writer) moment(t time.Time, layout string) {
	t = t.UTC()
	if y := t.Year(); y < 1 || y > 9999 {
		w.fail(errTime)
		t = time.Time{}
	}
	w.dst = append(w.dst, '"')
	w.dst = t.AppendFormat(w.dst, layout)
	w.dst = append(w.dst, '"')
}

// base64 writes the base64 of a file.
func (w *writer) base64(name string, b *Base64) {
	w.key(name)
	w.dst = append(w.dst, '"')
	w.file(b)
	w.dst = append(w.dst, '"')
}

// scalar writes a value whose type depends on the event.
func (w *writer) scalar(name string, value any) {
	w.key(name)
	switch v := value.(type) {
	case nil:
		w.dst = append(w.dst, "null"...)
	case string:
		w.string(v)
	case bool:
		w.dst = strconv.AppendBool(w.dst, v)
	case int:
		w.dst = strconv.AppendInt(w.dst, int64(v), 10)
	case int64:
		w.dst = strconv.AppendInt(w.dst, v, 10)
	case uint32:
		w.dst = strconv.AppendUint(w.dst, uint64(v), 10)
	case float64:
		w.number(v)
	default:
		w.fail(fmt.Errorf("event: a value of type %T", value))
		w.dst = append(w.dst, "null"...)
	}
}

const hexDigits = "0123456789abcdef"

func (w *writer) string(s string) {
	w.dst = append(w.dst, '"')
	start := 0
	for i := 0; i < len(s); {
		if b := s[i]; b < utf8.RuneSelf {
			if b < ' ' || b == '"' || b == '\\' {
				w.dst = append(w.dst, s[start:i]...)
				w.escape(b)
				start = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		// U+2028 and U+2029 end lines in older JavaScript, where JSON is often
		// pasted.
		if bad := r == utf8.RuneError && size == 1; bad || r == '\u2028' || r == '\u2029' {
			w.dst = append(w.dst, s[start:i]...)
			w.dst = append(w.dst, '\\', 'u',
				hexDigits[r>>12&0xF], hexDigits[r>>8&0xF], hexDigits[r>>4&0xF], hexDigits[r&0xF])
			start = i + size
		}
		i += size
	}
	w.dst = append(w.dst, s[start:]...)
	w.dst = append(w.dst, '"')
}

func (w *writer) escape(b byte) {
	switch b {
	case '"', '\\':
		w.dst = append(w.dst, '\\', b)
	case '\b':
		w.dst = append(w.dst, '\\', 'b')
	case '\f':
		w.dst = append(w.dst, '\\', 'f')
	case '\n':
		w.dst = append(w.dst, '\\', 'n')
	case '\r':
		w.dst = append(w.dst, '\\', 'r')
	case '\t':
		w.dst = append(w.dst, '\\', 't')
	default:
		w.dst = append(w.dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&0xF])
	}
}
