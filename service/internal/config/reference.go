package config

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Reference writes docs/reference/config.md.
func Reference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- Generated from service/internal/config: go generate ./service/internal/config -->

Every setting can be given in four ways. The first of these that has a value wins:

1. a flag: ` + "`engram serve --queue-high 20000`" + `
2. an environment variable: ` + "`ENGRAM_QUEUE_HIGH=20000`" + `
3. the YAML file (` + "`--config`" + `): ` + "`queue: {high: 20000}`" + `
4. the profile, else the default

Unknown keys in the file and unknown ` + "`ENGRAM_`" + ` variables are errors. Sizes are written like ` + "`64MiB`, `1GB` or `4096`" + `,
durations like ` + "`300s`, `5m` or `1h30m`" + `, lists in flags and variables with commas. ` + "`engram config print`" + ` shows what holds,
` + "`engram config print --origins`" + ` where each value came from, and ` + "`engram config check`" + ` what is wrong. The API key of an
embedding endpoint is never part of the configuration, which only names the variable or file that has it.
`)
	c := Default()
	last := "-"
	for i := range fields {
		f := &fields[i]
		in := f.key[:max(strings.LastIndexByte(f.key, '.'), 0)]
		if in != last {
			title, doc := in, sections[in].doc
			if in == "" {
				title, doc = "The server", "Keys without a section."
			}
			fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | type | default | takes | meaning |\n|---|---|---|---|---|\n", title, doc)
			last = in
		}
		value := f.get(&c)
		if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.key, f.kind(), value, strings.Trim(f.bounds(), " []"), f.doc)
	}
	b.WriteString("\n## Profiles\n\nWhat a profile changes.\n\n| profile | key | value |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		for _, key := range slices.Sorted(maps.Keys(profiles[name])) {
			fmt.Fprintf(&b, "| %s | `%s` | `%v` |\n", name, key, profiles[name][key])
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
