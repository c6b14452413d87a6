package space

import (
	"bytes"
	"slices"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

func FuzzRows(f *testing.F) {
	rows := []newRow{
		{record: []byte("one"), vector: []float32{1, 2}},
		{record: []byte("two"), vector: []float32{3, 4}, reason: "it panics"},
	}
	f.Add(encodeRows(nil, 2, memory.MetricDot, rows))
	f.Add(encodeRows(nil, 0, memory.MetricCosine, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodeRows(b)
		if err != nil {
			return
		}
		again, err := decodeRows(encodeRows(nil, d.dim, d.metric, d.rows))
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if len(again.rows) != len(d.rows) {
			t.Fatalf("%d rows, %d when read again", len(d.rows), len(again.rows))
		}
		for i := range d.rows {
			if !bytes.Equal(again.rows[i].record, d.rows[i].record) || again.rows[i].reason != d.rows[i].reason {
				t.Fatalf("row %d is %q, and %q when read again", i, d.rows[i].record, again.rows[i].record)
			}
		}
	})
}

func FuzzGone(f *testing.F) {
	f.Add(encodeGone([]memory.Generation{1, 5, 6}))
	f.Fuzz(func(t *testing.T, b []byte) {
		gens, err := decodeGone(b)
		if err != nil {
			return
		}
		again, err := decodeGone(encodeGone(gens))
		if err != nil || !slices.Equal(again, gens) {
			t.Fatalf("%v, and %v when read again (%v)", gens, again, err)
		}
	})
}

func FuzzQuarantine(f *testing.F) {
	f.Add(encodeQuarantine(7, "why"))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, reason, err := decodeQuarantine(b)
		if err != nil {
			return
		}
		g2, reason2, err := decodeQuarantine(encodeQuarantine(g, reason))
		if err != nil || g2 != g || reason2 != reason {
			t.Fatalf("%d %q, and %d %q when read again (%v)", g, reason, g2, reason2, err)
		}
	})
}
