package filter

import (
	"cmp"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
)

// verdict is what the index knows about a clause or a group of them: the rows
// that match for sure, and those that may match. sure is part of maybe.
type verdict struct {
	sure, maybe *roaring.Bitmap
}

// Candidates returns a superset of the rows that match p, among those added.
// With exact, they are the matching rows themselves; otherwise Match decides
// about each. The bitmap is the caller's own. ok is false when the index knows
// nothing that narrows p down: then every row has to be asked.
func (x *Index) Candidates(p *Predicate) (mask *roaring.Bitmap, exact, ok bool) {
	if p.Empty() {
		return nil, false, false
	}
	x.mu.RLock()
	defer x.mu.RUnlock()

	result := verdict{x.rows.Clone(), x.rows.Clone()}
	for i := range p.all {
		if v, known := x.ask(&p.all[i]); known {
			result.and(v)
			ok = true
		} else {
			result.sure.Clear()
		}
	}
	for i := range p.none {
		if v, known := x.ask(&p.none[i]); known {
			// What matches for sure is out; what may match is not surely in.
			result.sure.AndNot(v.maybe)
			result.maybe.AndNot(v.sure)
			ok = true
		} else {
			result.sure.Clear()
		}
	}
	if len(p.any) > 0 {
		some := verdict{roaring.New(), roaring.New()}
		all := true // known: one that is not could match any row
		for i := range p.any {
			v, known := x.ask(&p.any[i])
			if !known {
				all = false
				v = verdict{roaring.New(), x.rows}
			}
			some.sure.Or(v.sure)
			some.maybe.Or(v.maybe)
		}
		result.and(some)
		ok = ok || all
	}
	if !ok {
		return nil, false, false
	}
	return result.maybe, result.sure.GetCardinality() == result.maybe.GetCardinality(), true
}

func (v *verdict) and(o verdict) {
	v.sure.And(o.sure)
	v.maybe.And(o.maybe)
}

// ask answers one clause. known is false when any row could match. The bitmaps
// may be the index's own: they are only read, under its lock.
func (x *Index) ask(c *clause) (v verdict, known bool) {
	switch c.field {
	case fieldID, fieldObservedAt, fieldExpiresAt:
		return v, false
	}
	p := x.keys[c.key]
	if p == nil && x.overflow || p != nil && p.dropped {
		return v, false
	}
	if p == nil {
		p = &postings{present: roaring.New(), long: roaring.New()}
	}
	opaque := roaring.New()
	if c.field == fieldMetadata {
		opaque = x.opaque
	}
	if c.op == Exists {
		maybe := roaring.Or(p.present, opaque)
		if c.want {
			return verdict{p.present, maybe}, true
		}
		return verdict{roaring.AndNot(x.rows, maybe), roaring.AndNot(x.rows, p.present)}, true
	}
	v.sure = roaring.FastOr(p.matching(c)...)
	v.maybe = roaring.Or(v.sure, opaque)
	if c.reachesLong() {
		v.maybe.Or(p.long)
	}
	return v, true
}

// reachesLong reports whether the clause could match a string that is too long
// for the index.
func (c *clause) reachesLong() bool {
	if c.op == Range {
		return c.min.kind == kindString || c.max.kind == kindString
	}
	for s := range c.set.strings {
		if len(s) > MaxIndexedString {
			return true
		}
	}
	return false
}

// matching lists the bitmaps of the values that match the clause.
func (p *postings) matching(c *clause) []*roaring.Bitmap {
	var out []*roaring.Bitmap
	add := func(b *roaring.Bitmap) {
		if b != nil {
			out = append(out, b)
		}
	}
	if c.op == In {
		for s := range c.set.strings {
			add(p.strings[s])
		}
		for n := range c.set.numbers {
			add(p.numbers[n])
		}
		for i, want := range c.set.bools {
			if want {
				add(p.bools[i])
			}
		}
		if c.set.null {
			add(p.null)
		}
		return out
	}
	for s, b := range p.strings {
		if within(c, kindString, func(l *limit) int { return strings.Compare(s, l.text) }) {
			add(b)
		}
	}
	for n, b := range p.numbers {
		if within(c, kindNumber, func(l *limit) int { return cmp.Compare(n, l.number) }) {
			add(b)
		}
	}
	return out
}
