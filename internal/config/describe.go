package config

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// Option describes one option, for help, printing and the reference.
type Option struct {
	Key     string // as in chasqui.yaml
	Flag    string // without the dashes
	Envs    []string
	Default string
	Help    string
	Secret  bool
}

// Describe lists the options of the given structs (Options, Sandbox), in the
// order of their fields.
func Describe(structs ...any) []Option {
	var out []Option
	for _, s := range structs {
		t := reflect.TypeOf(s)
		for i := range t.NumField() {
			out = append(out, describeField(t.Field(i)))
		}
	}
	return out
}

func describeField(f reflect.StructField) Option {
	key := f.Tag.Get("key")
	env := f.Tag.Get("env")
	if env == "" {
		env = "CHASQUI_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
	}
	return Option{
		Key:     key,
		Flag:    flagName(key),
		Envs:    strings.Split(env, ","),
		Default: cmp.Or(f.Tag.Get("default"), f.Tag.Get("implied")),
		Help:    f.Tag.Get("help"),
		Secret:  f.Tag.Get("secret") == "true",
	}
}

func flagName(key string) string { return strings.NewReplacer(".", "-", "_", "-").Replace(key) }

// Markdown renders the reference of options.
func Markdown(options []Option) string {
	var b strings.Builder
	b.WriteString("| key | flag | variable | default | meaning |\n|---|---|---|---|---|\n")
	for _, o := range options {
		def := "none"
		if o.Default != "" {
			def = "`" + o.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `--%s` | `%s` | %s | %s |\n", o.Key, o.Flag, strings.Join(o.Envs, "`, `"), def, o.Help)
	}
	return b.String()
}

// Value is an option with the value in force and where it came from.
type Value struct {
	Option
	Value  string // redacted for a secret
	Source string // "default", "flag --x", "environment CHASQUI_X", "file PATH"
}

// Explain lists the options of a parsed command line with their values. file is
// the configuration that was used; nil if there was none.
func Explain(ctx *kong.Context, file *File, getenv func(string) (string, bool)) []Value {
	given := map[string]bool{}
	for _, p := range ctx.Path {
		if p.Flag != nil && !p.Resolved {
			given[p.Flag.Name] = true
		}
	}
	var out []Value
	for _, o := range Describe(Options{}, Sandbox{}) {
		flag := findFlag(ctx, o.Flag)
		if flag == nil {
			continue
		}
		out = append(out, Value{Option: o, Value: show(o, ctx.FlagValue(flag)), Source: source(o, given, file, getenv)})
	}
	return out
}

func findFlag(ctx *kong.Context, name string) *kong.Flag {
	for _, f := range ctx.Flags() {
		if f.Name == name {
			return f
		}
	}
	return nil
}

func source(o Option, given map[string]bool, file *File, getenv func(string) (string, bool)) string {
	if given[o.Flag] {
		return "flag --" + o.Flag
	}
	for _, env := range o.Envs {
		if _, ok := getenv(env); ok {
			return "environment " + env
		}
	}
	if file != nil {
		if _, ok := file.values[o.Key]; ok {
			return "file " + file.Path
		}
	}
	return "default"
}

func show(o Option, v any) string {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer {
		if rv.IsNil() {
			return ""
		}
		rv = rv.Elem()
	}
	text := fmt.Sprint(rv.Interface())
	switch t := rv.Interface().(type) {
	case Duration:
		text = durationText(t)
	case Size:
		text = sizeText(t)
	case Durations:
		text = durationsText(t)
	case List:
		text = strings.Join(t, ",")
	}
	if o.Secret && text != "" {
		return "(hidden)"
	}
	return text
}
