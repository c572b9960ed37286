package event

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"sync"
	"time"
)

// Schemas returns, for each of the six types by name, the JSON Schema (draft
// 2020-12) of an envelope of that type. They are made from the structs of this
// package: the json tag says what may be absent, the enum tag which strings
// there are. They are open: keys may be added later.
func Schemas() map[string]json.RawMessage { return maps.Clone(schemas()) }

var schemas = sync.OnceValue(func() map[string]json.RawMessage {
	payloads := []Payload{&Message{}, &Status{}, &Call{}, &Group{}, &State{}, &Label{}}
	all := make(map[string]json.RawMessage, len(payloads))
	for _, p := range payloads {
		raw, err := json.Marshal(envelopeSchema(p))
		if err != nil {
			panic("event: schema of " + string(p.EventType()) + ": " + err.Error()) // a schema is only strings and maps
		}
		all[string(p.EventType())] = raw
	}
	return all
})

// schema is the part of JSON Schema that events need. Its field order is the
// order of keys in the files under docs/schemas.
type schema struct {
	Schema          string             `json:"$schema,omitempty"`
	Title           string             `json:"title,omitempty"`
	Ref             string             `json:"$ref,omitempty"`
	Type            any                `json:"type,omitempty"` // string or []string
	Const           string             `json:"const,omitempty"`
	Enum            []string           `json:"enum,omitempty"`
	Format          string             `json:"format,omitempty"`
	Pattern         string             `json:"pattern,omitempty"`
	ContentEncoding string             `json:"contentEncoding,omitempty"`
	Items           *schema            `json:"items,omitempty"`
	Properties      map[string]*schema `json:"properties,omitempty"`
	Required        []string           `json:"required,omitempty"`
	Defs            map[string]*schema `json:"$defs,omitempty"`
}

// envelope names the parts around the data for the schema; AppendEnvelope
// writes them.
type envelope struct {
	Event        Type         `json:"event"`
	Data         string       `json:"data"` // replaced by the payload
	InstanceData instanceData `json:"instanceData"`
	Meta         meta         `json:"meta"`
}

type instanceData struct {
	BaseURL  string `json:"baseUrl"`
	Instance string `json:"instance"`
	Token    string `json:"token,omitempty"`
}

type meta struct {
	ID        string    `json:"id" pattern:"^[A-Za-z0-9_]{1,64}$"`
	Sequence  int64     `json:"sequence"`
	Timestamp time.Time `json:"timestamp"`
}

func envelopeSchema(p Payload) *schema {
	defs := make(map[string]*schema)
	s := structSchema(reflect.TypeFor[envelope](), defs)
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = string(p.EventType())
	s.Properties["event"] = &schema{Const: string(p.EventType())}
	s.Properties["data"] = typeSchema(reflect.TypeOf(p), defs)
	s.Defs = defs
	return s
}

// structSchema lists the members of a struct; those that its json tags never
// leave out are required.
func structSchema(t reflect.Type, defs map[string]*schema) *schema {
	s := &schema{Type: "object", Properties: make(map[string]*schema)}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			inner := structSchema(f.Type, defs)
			maps.Copy(s.Properties, inner.Properties)
			s.Required = append(s.Required, inner.Required...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		absent := options == "omitempty"
		if !absent {
			s.Required = append(s.Required, name)
		}
		s.Properties[name] = memberSchema(f, absent, defs)
	}
	return s
}

func memberSchema(f reflect.StructField, absent bool, defs map[string]*schema) *schema {
	s := typeSchema(f.Type, defs)
	if list := f.Tag.Get("enum"); list != "" {
		s.Enum = strings.Split(list, ",")
	}
	s.Pattern = f.Tag.Get("pattern")
	if f.Type.Kind() == reflect.Pointer && !absent {
		s.Type = []string{"string", "null"} // the addresses that WhatsApp may not have told
	}
	return s
}

// typeSchema describes a type; structs go to defs and are referred to.
func typeSchema(t reflect.Type, defs map[string]*schema) *schema {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return &schema{Type: "string", Format: "date-time"}
	case t == reflect.TypeFor[*Base64]():
		return &schema{Type: "string", ContentEncoding: "base64"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem(), defs)
	case reflect.Struct:
		if _, done := defs[t.Name()]; !done {
			defs[t.Name()] = nil // in progress
			defs[t.Name()] = structSchema(t, defs)
		}
		return &schema{Ref: "#/$defs/" + t.Name()}
	case reflect.Slice:
		return &schema{Type: "array", Items: typeSchema(t.Elem(), defs)}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Float64:
		return &schema{Type: "number"}
	case reflect.Interface: // the value of a group.flow
		return &schema{Type: []string{"string", "boolean", "integer", "null"}}
	case reflect.String:
		return &schema{Type: "string"}
	}
	return &schema{Type: "integer"}
}
