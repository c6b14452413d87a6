package filter

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
)

// Predicate is a compiled expression. It is immutable and may be used by any
// number of goroutines.
type Predicate struct {
	all, any, none []clause
}

// clause is a Clause, checked and made ready.
type clause struct {
	field field
	key   string   // canonical, as the index spells it
	path  []string // of metadata
	op    Op       // Equals is compiled to In
	set   values   // of In
	min   limit
	max   limit
	want  bool // of Exists
}

// values is a set, by type.
type values struct {
	strings map[string]struct{}
	numbers map[float64]struct{}
	times   []time.Time
	null    bool
	bools   [2]bool // false, true
}

// limit is one end of a range.
type limit struct {
	set       bool
	exclusive bool
	kind      kind
	text      string
	number    float64
	time      time.Time
}

// Compile checks an expression and makes it ready for matching. Errors are
// faults INVALID_ARGUMENT / INVALID_FILTER that name the clause.
func Compile(e Expr) (*Predicate, error) {
	if n := len(e.All) + len(e.Any) + len(e.None); n > MaxClauses {
		return nil, invalid("filter", "filter has %d clauses; the limit is %d", n, MaxClauses)
	}
	p := &Predicate{}
	budget := MaxValues
	for _, group := range []struct {
		name string
		from []Clause
		to   *[]clause
	}{{"all", e.All, &p.all}, {"any", e.Any, &p.any}, {"none", e.None, &p.none}} {
		for i, c := range group.from {
			if budget -= len(c.Values); budget < 0 {
				return nil, invalid("filter", "filter has more than %d values; the limit is reached at %s[%d]", MaxValues, group.name, i)
			}
			compiled, err := compileClause(c)
			if err != nil {
				name := fmt.Sprintf("filter.%s[%d]", group.name, i)
				return nil, invalid(name, "%s: %s", name, err)
			}
			*group.to = append(*group.to, compiled)
		}
	}
	return p, nil
}

// Empty reports whether the predicate matches everything because it says
// nothing.
func (p *Predicate) Empty() bool {
	return p == nil || len(p.all)+len(p.any)+len(p.none) == 0
}

func invalid(field, format string, args ...any) error {
	return fault.New(fault.InvalidArgument, fault.InvalidFilter, format, args...).In(field)
}

func compileClause(c Clause) (clause, error) {
	out := clause{op: c.Op, key: c.Key}
	if err := out.locate(); err != nil {
		return out, err
	}
	switch c.Op {
	case Equals:
		if len(c.Values) != 1 {
			return out, fmt.Errorf("equals takes one value, not %d", len(c.Values))
		}
		out.op = In
		return out, out.addAll(c.Values)
	case In:
		if len(c.Values) == 0 {
			return out, fmt.Errorf("in takes at least one value")
		}
		return out, out.addAll(c.Values)
	case Range:
		return out, out.between(c.Min, c.Max)
	case Exists:
		out.want = c.Exists
		return out, nil
	}
	return out, fmt.Errorf("no test is set; it takes one of equals, in, range, exists")
}

// locate finds the field that the key names.
func (c *clause) locate() error {
	if len(c.key) > MaxKeyBytes {
		return fmt.Errorf("key is %d bytes; the limit is %d", len(c.key), MaxKeyBytes)
	}
	if f, ok := fields[c.key]; ok {
		c.field = f
		return nil
	}
	path, found := strings.CutPrefix(c.key, metadataPrefix)
	if !found {
		if c.key == "" {
			return fmt.Errorf("key is empty; it is one of %s, or metadata.<path>", knownKeys())
		}
		return fmt.Errorf("key %q is not a field; it is one of %s, or metadata.<path> (did you mean %q?)",
			c.key, knownKeys(), metadataPrefix+strings.TrimPrefix(c.key, "context."))
	}
	names, ok := splitPath(path)
	if !ok {
		return fmt.Errorf("key %q has an empty name in its path (a dot within a name is written \\.)", c.key)
	}
	if len(names) > MaxDepth {
		return fmt.Errorf("key %q is %d levels deep; the limit is %d", c.key, len(names), MaxDepth)
	}
	c.path = names
	key := []byte(strings.TrimSuffix(metadataPrefix, "."))
	for _, n := range names {
		key = appendName(key, n)
	}
	c.key = string(key)
	return nil
}

// addAll puts the values of In into the set.
func (c *clause) addAll(list []any) error {
	for _, v := range list {
		l, err := c.value(v)
		if err != nil {
			return err
		}
		switch l.kind {
		case kindString:
			if c.set.strings == nil {
				c.set.strings = make(map[string]struct{}, len(list))
			}
			c.set.strings[l.text] = struct{}{}
		case kindNumber:
			if c.set.numbers == nil {
				c.set.numbers = make(map[float64]struct{}, len(list))
			}
			c.set.numbers[l.number] = struct{}{}
		case kindTime:
			c.set.times = append(c.set.times, l.time)
		default:
			if b, ok := v.(bool); ok {
				c.set.bools[index(b)] = true
			} else {
				c.set.null = true
			}
		}
	}
	return nil
}

func (c *clause) between(low, high *Bound) error {
	if low == nil && high == nil {
		return fmt.Errorf("range has neither min nor max")
	}
	for _, end := range []struct {
		name string
		from *Bound
		to   *limit
	}{{"min", low, &c.min}, {"max", high, &c.max}} {
		if end.from == nil {
			continue
		}
		l, err := c.value(end.from.Value)
		if err != nil {
			return fmt.Errorf("range %s: %w", end.name, err)
		}
		if l.kind == kindAny {
			return fmt.Errorf("range %s is %T; it takes a number or a string", end.name, end.from.Value)
		}
		l.set, l.exclusive = true, end.from.Exclusive
		*end.to = l
	}
	if c.min.set && c.max.set && c.min.kind != c.max.kind {
		return fmt.Errorf("range has a number at one end and a string at the other")
	}
	return nil
}

// value checks v against the field's type. The kind of null and of booleans is
// kindAny.
func (c *clause) value(v any) (limit, error) {
	want := c.field.kind()
	switch v := v.(type) {
	case nil, bool:
		if want == kindAny {
			return limit{}, nil
		}
	case float64:
		if math.IsNaN(v) {
			return limit{}, fmt.Errorf("value is NaN, which equals nothing")
		}
		if want == kindNumber {
			v = float64(float32(v))
		}
		if want == kindAny || want == kindNumber {
			return limit{kind: kindNumber, number: v}, nil
		}
	case string:
		if len(v) > MaxStringBytes {
			return limit{}, fmt.Errorf("value is %d bytes; the limit is %d", len(v), MaxStringBytes)
		}
		if want == kindTime {
			t, err := time.Parse(time.RFC3339Nano, v)
			if err != nil {
				return limit{}, fmt.Errorf("%s takes a time as in RFC 3339, like 2026-01-31T15:04:05Z, not %.64q", c.key, v)
			}
			return limit{kind: kindTime, time: t}, nil
		}
		if want == kindAny || want == kindString {
			return limit{kind: kindString, text: v}, nil
		}
	default:
		return limit{}, fmt.Errorf("value is %T; it takes null, a bool, a number or a string", v)
	}
	return limit{}, fmt.Errorf("%s takes %s", c.key, [...]string{"anything", "a string", "a number", "a time as an RFC 3339 string"}[want])
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}
