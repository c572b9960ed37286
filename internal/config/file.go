package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	yaml "go.yaml.in/yaml/v3"
)

// File is a parsed chasqui.yaml. It is a kong.Resolver.
type File struct {
	Path   string
	values map[string]string // by key
}

// ReadFile reads a configuration file. Keys may be nested or dotted; one that
// is not an option is an error. A file that does not exist is no error unless
// it is required: then nil is returned.
func ReadFile(path string, required bool) (*File, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !required {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return ParseFile(path, data)
}

// ParseFile reads configuration from YAML; path is only for messages.
func ParseFile(path string, data []byte) (*File, error) {
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		return nil, fmt.Errorf("configuration: %s: %w", path, err)
	}
	f := &File{Path: path, values: map[string]string{}}
	if err := f.flatten("", tree); err != nil {
		return nil, fmt.Errorf("configuration: %s: %w", path, err)
	}
	known := Describe(Options{}, Sandbox{})
	for key := range f.values {
		if !slices.ContainsFunc(known, func(o Option) bool { return o.Key == key }) {
			return nil, fmt.Errorf("configuration: %s: unknown key %q", path, key)
		}
	}
	return f, nil
}

func (f *File) flatten(prefix string, tree map[string]any) error {
	for name, v := range tree {
		key := prefix + name
		switch v := v.(type) {
		case map[string]any:
			if err := f.flatten(key+".", v); err != nil {
				return err
			}
		case []any:
			words := make([]string, len(v))
			for i, w := range v {
				words[i] = fmt.Sprint(w)
			}
			f.values[key] = strings.Join(words, ",")
		case nil:
			return fmt.Errorf("key %q has no value", key)
		default:
			f.values[key] = fmt.Sprint(v)
		}
	}
	return nil
}

// Validate implements kong.Resolver; keys were checked when the file was read.
func (f *File) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver for the flags that carry the tag key. The
// environment is stronger than the file.
func (f *File) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if _, ok := os.LookupEnv(env); ok {
			return nil, nil
		}
	}
	if value, ok := f.values[flag.Tag.Get("key")]; ok {
		return value, nil
	}
	return nil, nil
}
