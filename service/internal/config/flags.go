package config

import (
	"fmt"

	"github.com/spf13/pflag"
)

// flagValue keeps what was given on the command line, checked for its form.
type flagValue struct {
	field *field
	text  string
	given bool
}

// BindFlags adds a flag for every setting. Only flags that are given count;
// the defaults shown are those without a profile.
func BindFlags(fs *pflag.FlagSet) {
	c := Default()
	for i := range fields {
		f := &fields[i]
		flag := fs.VarPF(&flagValue{field: f, text: f.get(&c)}, f.flag(), "", f.help())
		if f.kind() == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
}

// help is the description with the values that are taken.
func (f *field) help() string {
	if f.oneof != "" {
		return fmt.Sprintf("%s (%s)", f.doc, f.values())
	}
	return f.doc
}

// String implements pflag.Value.
func (v *flagValue) String() string { return v.text }

// Type implements pflag.Value.
func (v *flagValue) Type() string { return v.field.kind() }

// Set implements pflag.Value. A list may be given in several flags.
func (v *flagValue) Set(text string) error {
	var scratch Config
	if err := v.field.set(&scratch, text); err != nil {
		return err
	}
	if v.given && v.field.kind() == "list" {
		text = v.text + "," + text
	}
	v.text, v.given = text, true
	return nil
}

func readFlags(fs *pflag.FlagSet) map[string]any {
	values := map[string]any{}
	if fs == nil {
		return values
	}
	fs.Visit(func(flag *pflag.Flag) {
		if v, ok := flag.Value.(*flagValue); ok {
			values[v.field.key] = v.text
		}
	})
	return values
}
