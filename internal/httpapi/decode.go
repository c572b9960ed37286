package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/chasqui/chasqui/internal/fault"
)

const (
	// maxBody is the largest body in bytes of a route that takes no media.
	maxBody = 1 << 20
	// bodyTimeout bounds how long a caller may take to send it.
	bodyTimeout = time.Minute
)

// bodyUse says what an operation does with the request's body.
type bodyUse uint8

const (
	bodyIgnored  bodyUse = iota // not even read
	bodyOptional                // an empty one counts as {}
	bodyRequired
)

// fieldDecoder is a field that reads its own JSON; raw is valid and not null.
// A problem is a reason for the details, without the value.
type fieldDecoder interface {
	decodeField(raw json.RawMessage) (problem string)
}

// nullDecoder is a field for which null is not the same as absent.
type nullDecoder interface {
	decodeNull()
}

// decodeBody reads a JSON object into dst, a pointer to a struct. The type of
// the content is not asked for; null counts as absent, unknown fields are
// ignored and names are compared exactly. Errors are faults whose details name
// the fields.
func decodeBody(w http.ResponseWriter, r *http.Request, use bodyUse, dst any) error {
	raw, err := readBody(w, r)
	if err != nil {
		return err
	}
	if use == bodyOptional && len(bytes.TrimSpace(raw)) == 0 {
		raw = []byte("{}")
	}
	return decodeObject(raw, dst)
}

// readBody reads at most maxBody bytes. An announced length over it is refused
// before anything is read.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := fault.New(fault.TooLarge, "Request body too large")
	if r.ContentLength > maxBody {
		w.Header().Set("Connection", "close") // the rest is not worth reading
		return nil, tooLarge
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge
	case err != nil:
		return nil, invalidField("body", "could not be read")
	}
	return raw, nil
}

// withBodyDeadline gives every caller bodyTimeout to send a body. It covers
// bodies that nobody reads as well: net/http drains those before it answers.
// The handler may take longer, since net/http takes the deadline off at the end
// of the body. A writer that knows no deadlines, as in tests, has none.
func withBodyDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		next.ServeHTTP(w, r)
	})
}

func decodeObject(raw []byte, dst any) error {
	if !utf8.Valid(raw) {
		return invalidField("body", "must be UTF-8")
	}
	if !json.Valid(raw) {
		return invalidField("body", "must be valid JSON")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return invalidField("body", "must be a JSON object")
	}
	if details := decodeFields(fields, reflect.ValueOf(dst).Elem()); len(details) > 0 {
		return fault.InvalidBody(details...)
	}
	return nil
}

func invalidField(field, reason string) error {
	return fault.InvalidBody(fault.Detail{Field: field, Reason: reason})
}

// decodeFields fills a struct by its json tags and returns what is wrong, in
// the order of the struct's fields.
func decodeFields(fields map[string]json.RawMessage, dst reflect.Value) []fault.Detail {
	var details []fault.Detail
	for i := range dst.NumField() {
		field := dst.Type().Field(i)
		if field.Anonymous {
			details = append(details, decodeFields(fields, dst.Field(i))...)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		raw, given := fields[name]
		problem := ""
		null, takesNull := dst.Field(i).Addr().Interface().(nullDecoder)
		switch {
		case given && !isNull(raw):
			problem = decodeValue(raw, dst.Field(i))
		case given && takesNull:
			null.decodeNull()
		case field.Tag.Get("required") == "true":
			problem = "is required"
		}
		if problem != "" {
			details = append(details, fault.Detail{Field: name, Reason: problem})
		}
	}
	return details
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// decodeValue sets one field and returns what is wrong with it, if anything.
func decodeValue(raw json.RawMessage, dst reflect.Value) string {
	if d, ok := dst.Addr().Interface().(fieldDecoder); ok {
		return d.decodeField(raw)
	}
	if bytes.Contains(raw, []byte("null")) && holdsNull(raw, dst.Kind()) {
		return expectation(dst.Type())
	}
	if err := json.Unmarshal(raw, dst.Addr().Interface()); err != nil {
		return expectation(dst.Type())
	}
	return ""
}

// holdsNull reports whether raw is a slice or a map with a null in it, which
// encoding/json would take for an empty string.
func holdsNull(raw json.RawMessage, kind reflect.Kind) bool {
	var items []json.RawMessage
	var err error
	switch kind {
	case reflect.Slice:
		err = json.Unmarshal(raw, &items)
	case reflect.Map:
		var named map[string]json.RawMessage
		err = json.Unmarshal(raw, &named)
		items = slices.Collect(maps.Values(named))
	}
	return err == nil && slices.ContainsFunc(items, isNull)
}

// expectation is what a field of type t must be, in words: a scalar, or a slice
// or map of strings.
func expectation(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return expectation(t.Elem())
	case reflect.Bool:
		return "must be a boolean"
	case reflect.String:
		return "must be a string"
	case reflect.Int:
		return "must be an integer"
	case reflect.Map:
		return "must be an object of strings"
	}
	return "must be an array of strings"
}

// port is a TCP port as people send it: a string or a number.
type port string

func (p *port) decodeField(raw json.RawMessage) string {
	const expected = "must be a string or a number"
	var number json.Number
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, (*string)(p)); err != nil {
			return expected
		}
		return ""
	}
	if err := json.Unmarshal(raw, &number); err != nil {
		return expected
	}
	*p = port(number.String())
	return ""
}

// Schema implements huma.SchemaProvider.
func (port) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeInteger}}}
}

// loose is a field of a block that never stops the creation of an instance: a
// wrong type is remembered for a warning.
type loose[T any] struct {
	value   T
	problem string
}

func (l *loose[T]) decodeField(raw json.RawMessage) string {
	l.problem = decodeValue(raw, reflect.ValueOf(&l.value).Elem())
	return ""
}

// Schema implements huma.SchemaProvider.
func (loose[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

// kept is a field that is left as stored when it is absent, and removed by
// null.
type kept[T any] struct {
	value *T
	given bool
}

func (k *kept[T]) decodeField(raw json.RawMessage) string {
	k.given = true
	return decodeValue(raw, reflect.ValueOf(&k.value).Elem())
}

func (k *kept[T]) decodeNull() { k.given = true }

// Schema implements huma.SchemaProvider.
func (kept[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), true, "")
	s.Nullable = true
	return &s
}
