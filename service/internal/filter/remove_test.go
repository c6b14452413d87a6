package filter

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
)

// An index that rows were removed from answers as one that never had them: by
// the same image unless something was refused in its life, and by candidates
// that are right in any case.
func TestRemovedRowsWereNeverThere(t *testing.T) {
	var same, other int
	rapid.Check(t, func(t *rapid.T) {
		x, rows := drawIndex(t)
		fresh := NewIndex()
		kept := make([]bool, len(rows))
		for i, o := range rows {
			if kept[i] = rapid.Bool().Draw(t, "kept"); kept[i] {
				x.Add(uint32(i), o) // is there: changes nothing
				fresh.Add(uint32(i), o)
			} else {
				x.Remove(uint32(i), o)
				x.Remove(uint32(i), o) // is gone: changes nothing
			}
		}
		late := len(rows)
		rows = append(rows, drawObservation(t, late))
		kept = append(kept, true)
		for _, x := range []*Index{x, fresh} {
			x.Add(uint32(late), rows[late])
		}
		whole := !x.overflow && x.opaque.IsEmpty() && fresh.opaque.IsEmpty()
		for key, p := range x.keys {
			whole = whole && !p.dropped
			if !p.dropped && p.present.IsEmpty() {
				t.Fatalf("key %q has no rows", key)
			}
		}
		if whole {
			same++
			if !bytes.Equal(x.AppendImage(nil), fresh.AppendImage(nil)) {
				t.Fatal("the index differs from one made of the rows that are left")
			}
		} else {
			other++
		}
		if _, err := LoadIndex(x.AppendImage(nil)); err != nil { // its counts and bitmaps are whole
			t.Fatal(err)
		}
		for range 4 {
			p := drawPredicate(t)
			mask, exact, ok := x.Candidates(p)
			if !ok {
				continue
			}
			for i, o := range rows {
				matches, in := kept[i] && p.Match(o), mask.Contains(uint32(i))
				if matches && !in || in && !kept[i] || exact && in != matches {
					t.Fatalf("row %d, kept %v: matches %v, candidate %v, exact %v: %+v", i, kept[i], matches, in, exact, o)
				}
			}
		}
	})
	if same == 0 || other == 0 {
		t.Fatalf("%d indexes were to be the same, %d not: the test does not cover both", same, other)
	}
}

// Removing every row leaves what a new index has, of the largest rows too.
func TestRemoveAllLeavesNothing(t *testing.T) {
	x := NewIndex()
	rows := []*memory.Observation{sample, {}, {Metadata: map[string]any{"zero": math.Copysign(0, -1), "not": math.NaN(), "long": long}}}
	large := map[string]any{}
	for i := range 3 * maxIndexedRowLeaves {
		large[fmt.Sprint("k", i)] = []any{float64(i), map[string]any{"deep": []any{[]any{"er"}}}}
	}
	rows = append(rows, &memory.Observation{Metadata: large}, sample)
	for i, o := range rows {
		x.Add(uint32(i), o)
	}
	if x.opaque.IsEmpty() || x.values == 0 {
		t.Fatal("the large row is not opaque")
	}
	for i, o := range rows {
		x.Remove(uint32(i), o)
	}
	if len(x.keys) != 0 || x.values != 0 || !bytes.Equal(x.AppendImage(nil), NewIndex().AppendImage(nil)) {
		t.Errorf("%d keys and %d values are left", len(x.keys), x.values)
	}
}

// A key that was refused stays unknown when there is room again: rows from
// before may have it.
func TestRoomMadeByRemoveIsNotForRefusedKeys(t *testing.T) {
	x := NewIndex()
	object := func(from, to int) *memory.Observation {
		m := map[string]any{}
		for i := from; i < to; i++ {
			m[fmt.Sprint("k", i)] = "v"
		}
		return &memory.Observation{Metadata: m}
	}
	var crowd []*memory.Observation
	for i := range MaxIndexedKeys/50 + 1 {
		crowd = append(crowd, object(50*i, 50*(i+1)))
		x.Add(uint32(i), crowd[i])
	}
	asked := &memory.Observation{Metadata: map[string]any{"late": "v"}}
	x.Add(100, asked) // refused
	x.Remove(0, crowd[0])
	x.Add(101, asked)
	p := compile(t, Expr{All: []Clause{eq("metadata.late", "v")}})
	if mask, _, ok := x.Candidates(p); ok && (!mask.Contains(100) || !mask.Contains(101)) {
		t.Errorf("candidates %v, want 100 and 101 among them", mask)
	}
}

func BenchmarkRemove(b *testing.B) {
	x := NewIndex()
	const rows = 10_000
	for b.Loop() {
		b.StopTimer()
		for row := range uint32(rows) {
			x.Add(row, sample)
		}
		b.StartTimer()
		for row := range uint32(rows) {
			x.Remove(row, sample)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}
