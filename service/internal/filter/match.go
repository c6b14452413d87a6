package filter

import (
	"cmp"
	"math"
	"strings"
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
)

// Match reports whether the observation satisfies the predicate. It allocates
// nothing, and takes time in proportion to the clauses and to the metadata
// under their paths.
func (p *Predicate) Match(o *memory.Observation) bool {
	if p == nil {
		return true
	}
	for i := range p.all {
		if !p.all[i].match(o) {
			return false
		}
	}
	for i := range p.none {
		if p.none[i].match(o) {
			return false
		}
	}
	for i := range p.any {
		if p.any[i].match(o) {
			return true
		}
	}
	return len(p.any) == 0
}

func (c *clause) match(o *memory.Observation) bool {
	if c.op == Exists {
		return c.present(o) == c.want
	}
	switch c.field {
	case fieldMetadata:
		return c.walk(o.Metadata, c.path, 0)
	case fieldObservedAt, fieldExpiresAt:
		t := c.field.time(o)
		return !t.IsZero() && c.matchTime(t)
	case fieldConfidence, fieldImportance, fieldValence:
		return c.matchNumber(c.field.number(o))
	case fieldParticipants:
		for _, s := range o.Context.Participants {
			if c.matchText(s) {
				return true
			}
		}
		return false
	default:
		s := c.field.text(o)
		return s != "" && c.matchText(s)
	}
}

func (c *clause) present(o *memory.Observation) bool {
	switch c.field {
	case fieldMetadata:
		return c.walk(o.Metadata, c.path, 0)
	case fieldObservedAt, fieldExpiresAt:
		return !c.field.time(o).IsZero()
	case fieldConfidence, fieldImportance, fieldValence:
		return true
	case fieldParticipants:
		return len(o.Context.Participants) > 0
	default:
		return c.field.text(o) != ""
	}
}

// walk follows the path into v and tests what it ends at. Lists on the way and
// at the end are looked into, to a depth of MaxDepth lists in all.
func (c *clause) walk(v any, path []string, lists int) bool {
	if len(path) == 0 && c.op == Exists {
		return true
	}
	switch v := v.(type) {
	case []any:
		if lists == MaxDepth {
			return false
		}
		for _, e := range v {
			if c.walk(e, path, lists+1) {
				return true
			}
		}
		return false
	case map[string]any:
		if len(path) == 0 {
			return false // an object equals nothing
		}
		next, ok := v[path[0]]
		return ok && c.walk(next, path[1:], lists)
	}
	return len(path) == 0 && c.matchAny(v)
}

// matchAny tests one scalar of metadata.
func (c *clause) matchAny(v any) bool {
	switch v := v.(type) {
	case string:
		return c.matchText(v)
	case float64:
		return c.matchNumber(v)
	case bool:
		return c.op == In && c.set.bools[index(v)]
	case nil:
		return c.op == In && c.set.null
	}
	return false
}

func (c *clause) matchText(s string) bool {
	if c.op == In {
		_, ok := c.set.strings[s]
		return ok
	}
	return within(c, kindString, func(l *limit) int { return strings.Compare(s, l.text) })
}

func (c *clause) matchNumber(n float64) bool {
	if c.op == In {
		_, ok := c.set.numbers[n]
		return ok
	}
	// NaN lies in no range; cmp.Compare would put it below everything.
	return !math.IsNaN(n) && within(c, kindNumber, func(l *limit) int { return cmp.Compare(n, l.number) })
}

func (c *clause) matchTime(t time.Time) bool {
	if c.op == In {
		for _, u := range c.set.times {
			if t.Equal(u) {
				return true
			}
		}
		return false
	}
	return within(c, kindTime, func(l *limit) int { return t.Compare(l.time) })
}

// within tests a value of kind k against the ends of the range; compare says
// how the value compares with an end.
func within(c *clause, k kind, compare func(*limit) int) bool {
	if c.min.set {
		if d := compare(&c.min); c.min.kind != k || d < 0 || d == 0 && c.min.exclusive {
			return false
		}
	}
	if c.max.set {
		if d := compare(&c.max); c.max.kind != k || d > 0 || d == 0 && c.max.exclusive {
			return false
		}
	}
	return true
}
