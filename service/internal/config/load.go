package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/engram-stream/engram/service/internal/fault"
)

const (
	envPrefix    = "ENGRAM_"
	maxFileBytes = 1 << 20
)

// Reserved are the ENGRAM_ variables that are no settings of the server: they
// belong to the command line, to the kernels and to tests.
var Reserved = []string{
	"ENGRAM_CONFIG", "ENGRAM_FAILPOINTS", "ENGRAM_KERNELS", "ENGRAM_ADDRESS", "ENGRAM_ADDR", "ENGRAM_SERVER", "ENGRAM_TOKEN",
}

// Sources are where values come from.
type Sources struct {
	// Flags is a parsed set that BindFlags was called on; nil for none.
	Flags *pflag.FlagSet
	// Env is as os.Environ gives it.
	Env []string
	// File is the path of a YAML file; empty for none. It must exist.
	File string
	// Reserved are further ENGRAM_ variables to let pass.
	Reserved []string
}

// Origin tells where the value of one setting came from.
type Origin struct {
	Key    string // as in the file
	Value  string
	Source string // "default", "profile small", "file engram.yaml", "env ENGRAM_…", "flag --…"
}

// layer is the values of one source, by key.
type layer struct {
	values map[string]any
	source func(key string) string
}

// Load puts the configuration together and validates it. The origins are in
// the order of the struct. Every problem is reported, not only the first; each
// is a fault INVALID_ARGUMENT whose Field is the key.
func Load(args Sources) (Config, []Origin, error) {
	var problems []error
	file, err := readFile(args.File)
	problems = append(problems, err)
	env, err := readEnv(args.Env, args.Reserved, file)
	problems = append(problems, err)
	flags := readFlags(args.Flags)

	layers := []layer{
		{file, func(string) string { return "file " + args.File }},
		{env, func(key string) string { return "env " + byKey[key].env() }},
		{flags, func(key string) string { return "flag --" + byKey[key].flag() }},
	}
	name := "default"
	for _, l := range layers {
		if v, ok := l.values["profile"]; ok {
			name = fmt.Sprint(v)
		}
	}
	if profile, ok := profiles[name]; ok {
		layers = slices.Insert(layers, 0, layer{profile, func(string) string { return "profile " + name }})
	} // else Validate says so

	merged := koanf.New(".")
	source := map[string]string{}
	for _, l := range layers {
		if err := merged.Load(confmap.Provider(l.values, "."), nil); err != nil {
			return Config{}, nil, fmt.Errorf("merge the configuration: %w", err)
		}
		for key := range l.values {
			source[key] = l.source(key)
		}
	}

	c := Default()
	origins := make([]Origin, 0, len(fields))
	for i := range fields {
		f := &fields[i]
		from, ok := source[f.key]
		if !ok {
			from = "default"
		} else if err := f.set(&c, merged.Get(f.key)); err != nil {
			problems = append(problems, invalid(f.key, "%s (from %s): %s", f.key, from, err))
		}
		origins = append(origins, Origin{f.key, f.get(&c), from})
	}
	problems = append(problems, c.Validate())
	if err := errors.Join(problems...); err != nil {
		return Config{}, nil, err
	}
	return c, origins, nil
}

func invalid(key, format string, args ...any) error {
	return fault.New(fault.InvalidArgument, fault.InvalidField, format, args...).In(key)
}

// readFile flattens the YAML file to dotted keys.
func readFile(path string) (map[string]any, error) {
	values := map[string]any{}
	if path == "" {
		return values, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return values, invalid("file", "read the configuration: %s", err)
	}
	defer f.Close() //nolint:errcheck // read side
	raw, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return values, invalid("file", "read the configuration: %s", err)
	}
	if len(raw) > maxFileBytes {
		return values, invalid("file", "%s is over %d bytes: that is no configuration", path, maxFileBytes)
	}
	tree, err := yaml.Parser().Unmarshal(raw)
	if err != nil {
		return values, invalid("file", "%s is not valid YAML: %s", path, err)
	}
	return values, flatten(values, tree, "", path)
}

// flatten recurses as deep as Config has sections.
func flatten(values, tree map[string]any, prefix, path string) error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		key, v := prefix+name, tree[name]
		_, isSection := sections[key]
		sub, isMap := v.(map[string]any)
		switch {
		case isSection && isMap:
			problems = append(problems, flatten(values, sub, key+".", path))
		case isSection && v == nil: // nothing under it
		case isSection:
			problems = append(problems, invalid(key, "%s: %s is a section; its settings go below it, indented", path, key))
		case byKey[key] != nil:
			values[key] = v
		default:
			known := slices.Sorted(maps.Keys(byKey))
			problems = append(problems, invalid(key, "%s: %q is not a setting%s", path, key, didYouMean(key, known)))
		}
	}
	return errors.Join(problems...)
}

// readEnv finds the settings among the environment's variables. A variable
// that the configuration names as holding the API key is let pass.
func readEnv(environ, reserved []string, file map[string]any) (map[string]any, error) {
	names := map[string]string{}
	for i := range fields {
		names[fields[i].env()] = fields[i].key
	}
	values := map[string]any{}
	var unknown []string
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		if key, ok := names[name]; ok {
			values[key] = value
		} else if !slices.Contains(Reserved, name) && !slices.Contains(reserved, name) && !strings.HasPrefix(name, envPrefix+"TEST_") {
			unknown = append(unknown, name)
		}
	}
	var problems []error
	for _, name := range unknown {
		const key = "embed.openai.api_key_env"
		if name == file[key] || name == values[key] {
			continue
		}
		known := slices.Sorted(maps.Keys(names))
		problems = append(problems, invalid(name, "environment: %s is not a setting%s", name, didYouMean(name, known)))
	}
	return values, errors.Join(problems...)
}
