package filter

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
)

var long = strings.Repeat("l", MaxIndexedString+1)

func drawScalar(t *rapid.T, label string) any {
	return rapid.SampledFrom([]any{nil, true, false, 0.0, 1.0, 2.5, -1.0, "", "a", "b", "c", long, long + "x"}).Draw(t, label)
}

func drawValue(t *rapid.T, depth int) any {
	switch n := rapid.IntRange(0, 9).Draw(t, "shape"); {
	case n < 6 || depth == 0:
		return drawScalar(t, "value")
	case n < 8:
		list := make([]any, rapid.IntRange(0, 3).Draw(t, "length"))
		for i := range list {
			list[i] = drawValue(t, depth-1)
		}
		return list
	default:
		return drawObject(t, depth-1)
	}
}

func drawObject(t *rapid.T, depth int) map[string]any {
	m := map[string]any{}
	for range rapid.IntRange(0, 4).Draw(t, "names") {
		m[rapid.SampledFrom([]string{"x", "y", "x.y", "z", "many"}).Draw(t, "name")] = drawValue(t, depth)
	}
	return m
}

func drawObservation(t *rapid.T, row int) *memory.Observation {
	o := &memory.Observation{
		ID:         memory.ObservationID(fmt.Sprint("id", row)),
		ObservedAt: noon,
		Confidence: rapid.SampledFrom([]float32{0, 0.1, 0.7, 1}).Draw(t, "confidence"),
		Context:    memory.Context{Location: rapid.SampledFrom([]string{"", "a", "b", long}).Draw(t, "location")},
	}
	if rapid.Bool().Draw(t, "participants") {
		o.Context.Participants = []string{"a", rapid.SampledFrom([]string{"b", "c", long}).Draw(t, "participant")}
	}
	// From time to time, a row that is too large or too deep for the index.
	o.Metadata = drawObject(t, rapid.SampledFrom([]int{1, 2, 3, 12}).Draw(t, "depth"))
	if rapid.IntRange(0, 9).Draw(t, "large") == 0 {
		var list []any
		for i := range 2 * maxIndexedRowLeaves {
			list = append(list, float64(i))
		}
		o.Metadata["many"] = list
	}
	return o
}

func drawClause(t *rapid.T) Clause {
	key := rapid.SampledFrom([]string{
		"metadata.x", "metadata.y", "metadata.x.y", `metadata.x\.y`, "metadata.many", "metadata.never", "metadata.z.x",
		"context.location", "context.participants", "confidence", "id", "observed_at",
	}).Draw(t, "key")
	value := func() any {
		switch fields[key].kind() {
		case kindNumber:
			return rapid.SampledFrom([]any{0.0, 0.1, 0.5, 0.7}).Draw(t, "number")
		case kindTime:
			return rapid.SampledFrom([]any{"2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z"}).Draw(t, "time")
		case kindString:
			return rapid.SampledFrom([]any{"a", "b", "id3", long}).Draw(t, "string")
		}
		return drawScalar(t, "any")
	}
	switch rapid.IntRange(0, 3).Draw(t, "op") {
	case 0:
		return eq(key, value())
	case 1:
		return in(key, value(), value())
	case 2:
		return exists(key, rapid.Bool().Draw(t, "exists"))
	}
	v := value()
	switch v.(type) {
	case nil, bool:
		v = 1.0
	}
	return rapid.SampledFrom([]Clause{from(key, v), above(key, v), below(key, v), upTo(key, v), between(key, v, v)}).Draw(t, "range")
}

func drawExpr(t *rapid.T) (e Expr) {
	for _, group := range []*[]Clause{&e.All, &e.Any, &e.None} {
		for range rapid.IntRange(0, 2).Draw(t, "clauses") {
			*group = append(*group, drawClause(t))
		}
	}
	return e
}

// TestCandidatesAgreeWithMatch: whatever was indexed and asked, the candidates
// hold every row that matches; with exact they hold no other.
func TestCandidatesAgreeWithMatch(t *testing.T) {
	var exactOnes, helped, asked int
	rapid.Check(t, func(t *rapid.T) {
		x := NewIndex()
		if rapid.IntRange(0, 4).Draw(t, "crowded") == 0 {
			for i := range MaxIndexedKeys - rapid.IntRange(0, 6).Draw(t, "room") {
				x.named(fmt.Sprint("metadata.k", i))
			}
		}
		rows := make([]*memory.Observation, rapid.IntRange(0, 12).Draw(t, "rows"))
		for i := range rows {
			rows[i] = drawObservation(t, i)
			x.Add(uint32(i), rows[i])
		}
		if len(x.keys) > 0 && rapid.IntRange(0, 4).Draw(t, "drop") == 0 {
			if p := x.keys["metadata.x"]; p != nil {
				x.drop(p)
			}
		}
		p, err := Compile(drawExpr(t))
		if err != nil {
			t.Fatal(err)
		}
		mask, exact, ok := x.Candidates(p)
		asked++
		if !ok {
			return
		}
		helped++
		if exact {
			exactOnes++
		}
		for i, o := range rows {
			switch matches, in := p.Match(o), mask.Contains(uint32(i)); {
			case matches && !in:
				t.Fatalf("row %d (%+v) matches and is no candidate", i, o)
			case exact && in && !matches:
				t.Fatalf("row %d (%+v) is an exact candidate and does not match", i, o)
			}
		}
		if !mask.IsEmpty() && mask.Maximum() >= uint32(len(rows)) {
			t.Fatalf("candidate %d was never added", mask.Maximum())
		}
	})
	if helped == 0 || exactOnes == 0 || exactOnes == asked {
		t.Fatalf("of %d expressions the index helped with %d, %d exactly: the test does not cover both", asked, helped, exactOnes)
	}
}

// TestKeyWithManyValuesIsDropped: a key with unique values costs nothing
// lasting, and the others go on.
func TestKeyWithManyValuesIsDropped(t *testing.T) {
	x := NewIndex()
	for i := range uint32(MaxIndexedPerKey + 10) {
		x.Add(i, &memory.Observation{Metadata: map[string]any{"unique": float64(i), "parity": float64(i % 2)}})
	}
	if _, _, ok := x.Candidates(compile(t, Expr{All: []Clause{eq("metadata.unique", 5.0)}})); ok {
		t.Error("the index answers for a key it dropped")
	}
	mask, exact, ok := x.Candidates(compile(t, Expr{All: []Clause{eq("metadata.parity", 1.0)}}))
	if !ok || !exact || mask.GetCardinality() != (MaxIndexedPerKey+10)/2 {
		t.Errorf("parity: %v %v %v", mask.GetCardinality(), exact, ok)
	}
	mask, exact, ok = x.Candidates(compile(t, Expr{All: []Clause{eq("metadata.parity", 1.0), eq("metadata.unique", 5.0)}}))
	if !ok || exact || mask.GetCardinality() != (MaxIndexedPerKey+10)/2 {
		t.Errorf("parity and unique: %v %v %v", mask.GetCardinality(), exact, ok)
	}
	if x.values > 8 {
		t.Errorf("%d values are kept", x.values)
	}
}

// TestValuesAreBoundedOverall fills many keys, each below its own bound.
func TestValuesAreBoundedOverall(t *testing.T) {
	x := NewIndex()
	for i := range uint32(MaxIndexedPerKey - 1) {
		m := map[string]any{}
		for k := range 20 {
			m[fmt.Sprint("k", k)] = float64(i)
		}
		x.Add(i, &memory.Observation{Metadata: m})
	}
	dropped := 0
	for _, p := range x.keys {
		if p.dropped {
			dropped++
		}
	}
	if x.values > MaxIndexedValues || dropped == 0 || dropped > 6 {
		t.Errorf("%d values are kept after dropping %d keys", x.values, dropped)
	}
}

// TestReadersBesideTheWriter checks, under the race detector, that answers are
// private and of rows that were added whole.
func TestReadersBesideTheWriter(t *testing.T) {
	x := NewIndex()
	p := compile(t, Expr{All: []Clause{eq("metadata.x", "a")}, None: []Clause{eq("metadata.y", "b")}})
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				mask, exact, ok := x.Candidates(p)
				if !ok || !exact || !mask.IsEmpty() {
					t.Errorf("candidates: %v %v %v", mask, exact, ok)
					return
				}
				mask.AddRange(0, 1000)
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range uint32(2000) {
		x.Add(i, &memory.Observation{Metadata: map[string]any{"x": "a", "y": "b"}})
	}
	close(done)
	wg.Wait()
}

func BenchmarkAdd(b *testing.B) {
	x := NewIndex()
	b.ReportAllocs()
	row := uint32(0)
	for b.Loop() {
		x.Add(row, sample)
		row++
	}
}
