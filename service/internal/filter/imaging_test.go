package filter

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
)

// An image that is made while rows come is that of the rows of its beginning; a
// key that is dropped meanwhile is dropped in it too.
func TestImageWhileRowsCome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, rows := drawIndex(t)
		want := x.AppendImage(nil)
		pauses, before := 0, len(x.keys)
		drop := rapid.IntRange(0, 3).Draw(t, "drop") == 0
		got := x.AppendImagePausing(nil, func() {
			pauses++
			for range rapid.IntRange(0, 2).Draw(t, "rows") {
				o := drawObservation(t, len(rows))
				if pauses%2 == 0 {
					o.Metadata = map[string]any{fmt.Sprint("new", pauses): "value", "x": float64(pauses)}
				}
				x.Add(uint32(len(rows)), o)
				rows = append(rows, o)
			}
			if p := x.keys["metadata.x"]; p != nil && drop && pauses == 2 && !p.dropped {
				x.drop(p)
			}
		})
		if pauses < before {
			t.Fatalf("%d pauses with %d keys", pauses, before)
		}
		loaded, err := LoadIndex(got)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(loaded.AppendImage(nil), got) {
			t.Fatal("the image of the loaded index is another")
		}
		if p := x.keys["metadata.x"]; (p == nil || !p.dropped) && !bytes.Equal(got, want) {
			t.Fatal("the image is not that of the beginning")
		}
		// The rows that came are added again, and are there then.
		for i, o := range rows {
			loaded.Add(uint32(i), o)
		}
		if p := x.keys["metadata.x"]; p != nil && p.dropped {
			return // the image may have been faster
		}
		for range 5 {
			if err := sameAnswer(x, loaded, drawPredicate(t)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// An image of many values pauses for so and so many of them, and with nothing
// locked.
func TestImagePauses(t *testing.T) {
	x := NewIndex()
	const rows = 20 * imageValues
	for i := range uint32(rows) {
		x.Add(i, &memory.Observation{Metadata: map[string]any{"text": fmt.Sprint(i), "number": float64(i)}})
	}
	want, pauses := x.AppendImage(nil), 0
	got := x.AppendImagePausing(nil, func() {
		pauses++
		x.Add(uint32(rows+pauses), &memory.Observation{Metadata: map[string]any{"text": "more"}})
	})
	if pauses < 2*rows/imageValues-2 {
		t.Errorf("%d pauses for %d values", pauses, 2*rows)
	}
	if !bytes.Equal(got, want) {
		t.Error("the image is not that of the beginning")
	}
}
