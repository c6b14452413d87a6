package config

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strings"
	"text/tabwriter"
)

// Print writes the configuration: as "yaml" with comments, which Load reads
// back to the same, or as "json", flat, by key. Should an address have a
// password in it, that is replaced by xxxxx.
func Print(w io.Writer, c Config, format string) error {
	if u, err := url.Parse(c.Embed.OpenAI.BaseURL); err == nil && u.User != nil {
		c.Embed.OpenAI.BaseURL = u.Redacted()
	}
	switch format {
	case "yaml":
		_, err := io.WriteString(w, toYAML(&c))
		return err
	case "json":
		flat := make(map[string]any, len(fields))
		for i := range fields {
			f := &fields[i]
			flat[f.key] = json.RawMessage(f.literal(&c, true))
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(flat)
	}
	return invalid("format", "format is %q; it must be yaml or json", format)
}

// PrintOrigins writes a table of settings, values and where these came from.
func PrintOrigins(w io.Writer, origins []Origin) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, o := range origins {
		if o.Key == "embed.openai.base_url" {
			if u, err := url.Parse(o.Value); err == nil {
				o.Value = u.Redacted()
			}
		}
		if _, err := fmt.Fprintf(t, "%s\t%q\t%s\n", o.Key, o.Value, o.Source); err != nil {
			return err
		}
	}
	return t.Flush()
}

func toYAML(c *Config) string {
	var b strings.Builder
	b.WriteString("# Configuration of the Engram server.\n")
	open := []string{} // the sections that the last line was in
	for i := range fields {
		f := &fields[i]
		names := strings.Split(f.key, ".")
		in := names[:len(names)-1]
		for depth := range in {
			if depth < len(open) && open[depth] == in[depth] {
				continue
			}
			open = open[:depth]
			indent := strings.Repeat("  ", depth)
			key := strings.Join(in[:depth+1], ".")
			fmt.Fprintf(&b, "\n%s# %s\n%s%s:\n", indent, sections[key].doc, indent, in[depth])
			open = append(open, in[depth])
		}
		open = open[:len(in)]
		indent := strings.Repeat("  ", len(in))
		fmt.Fprintf(&b, "%s# %s%s\n%s%s: %s\n", indent, f.doc, f.bounds(), indent, names[len(names)-1], f.literal(c, false))
	}
	return b.String()
}

// bounds tells in brackets what the field takes, if that is limited.
func (f *field) bounds() string {
	if f.oneof != "" {
		return " [" + f.values() + "]"
	}
	if low, high, ok := strings.Cut(f.limit, " "); ok {
		return " [" + low + ".." + high + "]"
	}
	return ""
}

// literal gives the value as JSON, which YAML is a superset of. Sizes and
// durations need no quotes in YAML.
func (f *field) literal(c *Config, quote bool) string {
	if !quote && (f.typ == sizeType || f.typ == timeType) {
		return f.get(c)
	}
	v := any(f.get(c))
	if f.typ != sizeType && f.typ != timeType {
		v = reflect.ValueOf(c).Elem().FieldByIndex(f.path).Interface()
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers, booleans and lists of strings only
	}
	if string(raw) == "null" {
		return "[]"
	}
	return string(raw)
}
