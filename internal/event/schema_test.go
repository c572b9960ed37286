package event_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/chasqui/chasqui/internal/event"
)

var update = flag.Bool("update", false, "write docs/schemas anew")

const schemaDir = "../../docs/schemas"

// The schemas in the documentation are those that the server answers.
func TestSchemasInDocs(t *testing.T) {
	for name, raw := range event.Schemas() {
		var want bytes.Buffer
		if err := json.Indent(&want, raw, "", "  "); err != nil {
			t.Fatal(err)
		}
		want.WriteByte('\n')
		file := filepath.Join(schemaDir, name+".json")
		if *update {
			if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is stale: run go generate ./internal/event", file)
		}
	}
}

func TestSchemasNameTheSixTypes(t *testing.T) {
	all := event.Schemas()
	for _, typ := range event.Types() {
		if all[string(typ)] == nil {
			t.Errorf("no schema of %s", typ)
		}
	}
	if len(all) != len(event.Types()) {
		t.Errorf("%d schemas", len(all))
	}
}

func TestContractExamplesAreValid(t *testing.T) {
	for _, p := range contractPayloads(t) {
		e := &event.Event{ID: "evt_1", Sequence: 1, Timestamp: at(t, "2026-04-28T10:30:00.123Z"), Data: p}
		for _, err := range validate(t, appendEnvelope(t, e, event.Origin{Token: "t"})) {
			t.Errorf("%s: %s", p.EventType(), err)
		}
	}
}

func TestFilledEventsAreValid(t *testing.T) {
	for _, p := range emptyPayloads() {
		salt := 0
		fill(reflect.ValueOf(p).Elem(), &salt)
		firstOfEnums(reflect.ValueOf(p).Elem())
		for _, err := range validate(t, appendEnvelope(t, &event.Event{ID: "evt_1", Data: p}, event.Origin{})) {
			t.Errorf("%s: %s", p.EventType(), err)
		}
	}
}

// firstOfEnums sets every string with an enum tag to its first value.
func firstOfEnums(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		firstOfEnums(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			firstOfEnums(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if list := v.Type().Field(i).Tag.Get("enum"); list != "" {
				v.Field(i).SetString(strings.Split(list, ",")[0])
			} else {
				firstOfEnums(v.Field(i))
			}
		}
	}
}

// Every event that the golden files of the conversion expect is valid.
func TestConvertedEventsAreValid(t *testing.T) {
	files, err := filepath.Glob("../wa/waconv/testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		for _, envelope := range goldenEnvelopes(t, file) {
			for _, err := range validate(t, envelope) {
				t.Errorf("%s: %s", file, err)
			}
		}
	}
}

// goldenEnvelopes puts the data of a golden file's items into envelopes.
func goldenEnvelopes(t *testing.T, file string) [][]byte {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var items []struct {
		Event event.Type
		Data  json.RawMessage
	}
	for _, part := range archive.Files {
		if part.Name != "items.json" {
			continue
		}
		if err := json.Unmarshal(part.Data, &items); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	envelopes := make([][]byte, 0, len(items))
	for _, item := range items {
		envelopes = append(envelopes, fmt.Appendf(nil, `{"event":%q,"data":%s,"instanceData":{"baseUrl":"","instance":"a"},`+
			`"meta":{"id":"evt_1","sequence":1,"timestamp":"2026-04-28T10:30:00.000Z"}}`, item.Event, item.Data))
	}
	return envelopes
}

func TestSchemaRefuses(t *testing.T) {
	valid := `{"event":"label.update","data":{"type":"chat","labelId":"1","action":"add","timestamp":"2026-04-28T10:30:00Z"},` +
		`"instanceData":{"baseUrl":"","instance":"a"},"meta":{"id":"evt_1","sequence":1,"timestamp":"2026-04-28T10:30:00.000Z"}}`
	if errs := validate(t, []byte(valid)); len(errs) != 0 {
		t.Fatalf("the valid one: %v", errs)
	}
	for _, change := range [][2]string{
		{`"type":"chat"`, `"type":"other"`},
		{`"labelId":"1",`, ``},
		{`"labelId":"1"`, `"labelId":1`},
		{`"2026-04-28T10:30:00Z"`, `"yesterday"`},
		{`evt_1`, `evt-1`},
		{`"sequence":1`, `"sequence":1.5`},
		{`"action":"add"`, `"action":"add","labeled":null`},
		{`"instance":"a"`, `"instance":null`},
	} {
		broken := strings.Replace(valid, change[0], change[1], 1)
		if errs := validate(t, []byte(broken)); len(errs) == 0 {
			t.Errorf("accepted with %s", change[1])
		}
	}
}

// validate checks an envelope against the schema of its type.
func validate(t *testing.T, envelope []byte) []string {
	t.Helper()
	var instance any
	if err := json.Unmarshal(envelope, &instance); err != nil {
		t.Fatal(err)
	}
	name, _ := instance.(map[string]any)["event"].(string)
	var root map[string]any
	if err := json.Unmarshal(event.Schemas()[name], &root); err != nil {
		t.Fatalf("schema of %q: %v", name, err)
	}
	v := &validator{defs: root["$defs"].(map[string]any)}
	v.check("", root, instance)
	return v.errs
}

// validator knows the keywords that our schemas use, and fails on any other.
type validator struct {
	defs map[string]any
	errs []string
}

func (v *validator) failf(path, format string, args ...any) {
	v.errs = append(v.errs, path+": "+fmt.Sprintf(format, args...))
}

func (v *validator) check(path string, s map[string]any, value any) {
	for keyword, arg := range s {
		switch keyword {
		case "$schema", "title", "$defs", "contentEncoding":
		case "$ref":
			v.check(path, v.defs[strings.TrimPrefix(arg.(string), "#/$defs/")].(map[string]any), value)
		case "type":
			if !slices.ContainsFunc(list(arg), func(t any) bool { return isType(t.(string), value) }) {
				v.failf(path, "%v is no %v", value, arg)
			}
		case "const":
			if value != arg {
				v.failf(path, "%v is not %v", value, arg)
			}
		case "enum":
			if !slices.Contains(arg.([]any), value) {
				v.failf(path, "%v is none of %v", value, arg)
			}
		case "format":
			if _, err := time.Parse(time.RFC3339Nano, fmt.Sprint(value)); err != nil {
				v.failf(path, "%v", err)
			}
		case "pattern":
			if !regexp.MustCompile(arg.(string)).MatchString(fmt.Sprint(value)) {
				v.failf(path, "%v does not match %v", value, arg)
			}
		case "items":
			for i, item := range list(value) {
				v.check(fmt.Sprintf("%s[%d]", path, i), arg.(map[string]any), item)
			}
		case "properties":
			v.properties(path, arg.(map[string]any), value)
		case "required":
			v.required(path, arg.([]any), value)
		default:
			v.failf(path, "the test's validator does not know %s", keyword)
		}
	}
}

func (v *validator) properties(path string, props map[string]any, value any) {
	object, _ := value.(map[string]any)
	for key, member := range object {
		s, ok := props[key].(map[string]any)
		if !ok {
			v.failf(path, "%s is not in the schema", key)
			continue
		}
		v.check(path+"."+key, s, member)
	}
}

func (v *validator) required(path string, keys []any, value any) {
	object, _ := value.(map[string]any)
	for _, key := range keys {
		if _, ok := object[key.(string)]; !ok {
			v.failf(path, "%s is missing", key)
		}
	}
}

func list(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

func isType(name string, value any) bool {
	switch value := value.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case float64:
		return name == "number" || name == "integer" && value == float64(int64(value))
	case []any:
		return name == "array"
	}
	return name == "object"
}
