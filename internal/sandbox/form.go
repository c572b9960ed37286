package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/chasqui/chasqui/internal/fault"
)

// form reads the fields of a JSON object and gathers what is wrong with them.
// An absent field and null are the same. Getters return the zero value when a
// field is absent or wrong.
type form struct {
	fields   map[string]json.RawMessage
	prefix   string // of field names in details
	problems *[]fault.Detail
}

// readForm reads a request's body, which must be one JSON object.
func readForm(r *http.Request) (*form, error) {
	data, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, fault.New(fault.TooLarge, "Request body too large")
	}
	if err != nil {
		return nil, fault.InvalidBody(fault.Detail{Field: "body", Reason: "did not arrive whole"})
	}
	f := &form{problems: &[]fault.Detail{}}
	if err = json.Unmarshal(data, &f.fields); err != nil || f.fields == nil {
		return nil, fault.InvalidBody(fault.Detail{Field: "body", Reason: "must be a JSON object"})
	}
	return f, nil
}

// err is nil if nothing was wrong.
func (f *form) err() error {
	if len(*f.problems) == 0 {
		return nil
	}
	return fault.InvalidBody(*f.problems...)
}

// wrong notes the first thing that is wrong with a field.
func (f *form) wrong(name, reason string) {
	field := f.prefix + name
	if !slices.ContainsFunc(*f.problems, func(d fault.Detail) bool { return d.Field == field }) {
		*f.problems = append(*f.problems, fault.Detail{Field: field, Reason: reason})
	}
}

func (f *form) has(name string) bool {
	raw, ok := f.fields[name]
	return ok && string(raw) != "null"
}

// read decodes a field, and reports false if it is absent or not what it must
// be.
func (f *form) read(name string, into any, must string) bool {
	if !f.has(name) {
		return false
	}
	if json.Unmarshal(f.fields[name], into) != nil {
		f.wrong(name, "must be "+must)
		return false
	}
	return true
}

// require notes a field that is absent or empty.
func (f *form) require(name string, present bool) {
	if !f.has(name) {
		f.wrong(name, "is required")
	} else if !present {
		f.wrong(name, "must not be empty")
	}
}

func (f *form) text(name string) string {
	var v string
	f.read(name, &v, "a string")
	return v
}

// requiredText is a text that must be there and not empty.
func (f *form) requiredText(name string) string {
	var v string
	if f.read(name, &v, "a string") || !f.has(name) {
		f.require(name, v != "")
	}
	return v
}

// textPointer is nil for an absent field.
func (f *form) textPointer(name string) *string {
	var v string
	if !f.read(name, &v, "a string") {
		return nil
	}
	return &v
}

// oneOf is a required text out of a list.
func (f *form) oneOf(name string, allowed ...string) string {
	v := f.text(name)
	for _, a := range allowed {
		if v == a {
			return v
		}
	}
	f.wrong(name, "must be one of "+strings.Join(allowed, ", "))
	return ""
}

// phone is a required number of digits.
func (f *form) phone(name string) string {
	v := f.text(name)
	if !isNumber(v) {
		f.wrong(name, numberRule)
		return ""
	}
	return v
}

const numberRule = "must be a number of 7 to 15 digits, as a string"

func isNumber(s string) bool {
	return len(s) >= 7 && len(s) <= 15 && strings.Trim(s, "0123456789") == ""
}

// chat is a required number or group address.
func (f *form) chat(name string) string {
	v := f.text(name)
	if !isChat(v) {
		f.wrong(name, "must be a number of 7 to 15 digits or a group's address, as a string")
		return ""
	}
	return v
}

func isChat(v string) bool {
	id, group := strings.CutSuffix(v, "@g.us")
	return isNumber(v) || (group && id != "" && strings.Trim(id, "0123456789-") == "")
}

// texts is a list of texts, none of them empty.
func (f *form) texts(name string) []string {
	var v []string
	if !f.read(name, &v, "an array of strings") {
		return nil
	}
	for i, s := range v {
		if s == "" {
			f.wrong(fmt.Sprintf("%s[%d]", name, i), "must not be empty")
		}
	}
	return v
}

// numbers is a list of numbers of digits.
func (f *form) numbers(name string) []string {
	out := f.texts(name)
	for i, s := range out {
		if s != "" && !isNumber(s) {
			f.wrong(fmt.Sprintf("%s[%d]", name, i), numberRule)
		}
	}
	return out
}

func (f *form) boolean(name string) bool {
	p := f.booleanPointer(name)
	return p != nil && *p
}

// booleanPointer is nil for an absent field.
func (f *form) booleanPointer(name string) *bool {
	var v bool
	if !f.read(name, &v, "true or false") {
		return nil
	}
	return &v
}

// integer is a whole number in a range; 0 if absent.
func (f *form) integer(name string, lowest, highest int) int {
	var v int
	if f.read(name, &v, fmt.Sprintf("a whole number from %d to %d", lowest, highest)) && (v < lowest || v > highest) {
		f.wrong(name, fmt.Sprintf("must be from %d to %d", lowest, highest))
		return 0
	}
	return v
}

// decimal is a required number in a range.
func (f *form) decimal(name string, lowest, highest float64) float64 {
	var v float64
	if !f.has(name) {
		f.wrong(name, "is required")
	} else if f.read(name, &v, "a number") && (v < lowest || v > highest) {
		f.wrong(name, fmt.Sprintf("must be from %v to %v", lowest, highest))
	}
	return v
}

// bytes is a required base64 text.
func (f *form) bytes(name string) []byte {
	v := f.requiredText(name)
	data, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		f.wrong(name, "must be base64, without a data: prefix")
		return nil
	}
	return data
}

// object is a field that is an object, nil if absent or wrong.
func (f *form) object(name string) *form {
	inner := &form{prefix: f.prefix + name + ".", problems: f.problems}
	if !f.read(name, &inner.fields, "an object") {
		return nil
	}
	return inner
}
