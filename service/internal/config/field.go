package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// field is one setting: a leaf of Config.
type field struct {
	key   string // as in the file, with dots: queue.high
	doc   string
	limit string // the range tag
	oneof string
	path  []int // for reflect's FieldByIndex
	typ   reflect.Type
}

// section is a struct within Config.
type section struct{ key, doc string }

var (
	fields   []field // in the order of the struct
	sections = map[string]section{}
	byKey    = map[string]*field{}
	sizeType = reflect.TypeFor[Size]()
	timeType = reflect.TypeFor[time.Duration]()
)

func init() {
	collect(reflect.TypeFor[Config](), "", nil)
	for i := range fields {
		byKey[fields[i].key] = &fields[i]
	}
}

func collect(t reflect.Type, prefix string, path []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		key := prefix + f.Tag.Get("koanf")
		at := append(path[:len(path):len(path)], i)
		if f.Type.Kind() == reflect.Struct {
			sections[key] = section{key, f.Tag.Get("doc")}
			collect(f.Type, key+".", at)
			continue
		}
		fields = append(fields, field{
			key: key, doc: f.Tag.Get("doc"), limit: f.Tag.Get("range"), oneof: f.Tag.Get("oneof"), path: at, typ: f.Type,
		})
	}
}

// flag is the field's name on the command line.
func (f *field) flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(f.key) }

// env is the field's name in the environment.
func (f *field) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(f.key, ".", "_"))
}

// kind is what the help calls the type.
func (f *field) kind() string {
	switch {
	case f.typ == sizeType:
		return "size"
	case f.typ == timeType:
		return "duration"
	case f.typ.Kind() == reflect.Slice:
		return "list"
	case f.typ.Kind() == reflect.Float64:
		return "number"
	}
	return f.typ.Kind().String()
}

// get gives the field's value as text, as set takes it.
func (f *field) get(c *Config) string {
	switch v := reflect.ValueOf(c).Elem().FieldByIndex(f.path).Interface().(type) {
	case []string:
		return strings.Join(v, ",")
	case time.Duration:
		return shortDuration(v)
	default:
		return fmt.Sprint(v)
	}
}

// set parses raw, which comes from YAML (typed) or from text.
func (f *field) set(c *Config, raw any) error {
	to := reflect.ValueOf(c).Elem().FieldByIndex(f.path)
	if list, ok := raw.([]any); ok && to.Kind() == reflect.Slice {
		items := make([]string, len(list))
		for i, v := range list {
			s, ok := v.(string)
			if !ok {
				return fmt.Errorf("%v is no text", v)
			}
			items[i] = s
		}
		to.Set(reflect.ValueOf(items))
		return nil
	}
	switch raw.(type) {
	case string, bool, int, int64, uint64, float64:
	case nil:
		return fmt.Errorf("it is empty; leave the line out for the default")
	default:
		return fmt.Errorf("it takes a %s", f.kind())
	}
	text := strings.TrimSpace(fmt.Sprint(raw))
	switch {
	case f.typ == sizeType:
		s, err := ParseSize(text)
		if err != nil {
			return err
		}
		to.SetInt(int64(s))
	case f.typ == timeType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration; write it like 300s, 5m or 1h30m", text)
		}
		to.SetInt(int64(d))
	case to.Kind() == reflect.String:
		to.SetString(text)
	case to.Kind() == reflect.Slice:
		items := []string{}
		for _, s := range strings.Split(text, ",") {
			if s = strings.TrimSpace(s); s != "" {
				items = append(items, s)
			}
		}
		to.Set(reflect.ValueOf(items))
	case to.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		to.SetBool(b)
	case to.Kind() == reflect.Int:
		n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		to.SetInt(n)
	case to.Kind() == reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		to.SetFloat(n)
	default:
		return fmt.Errorf("fields of type %s are not supported", f.typ)
	}
	return nil
}

// shortDuration is d without the zero units that time.Duration prints: 5m
// rather than 5m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
