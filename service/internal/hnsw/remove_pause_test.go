package hnsw

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

// A removal pauses for each row that it mends, every row that stays is found at
// each pause, and the graph is the one a removal without pauses leaves.
func TestARemovalPauses(t *testing.T) {
	const rows, dim = 1500, 16
	rng := rand.New(rand.NewPCG(8, 1))
	f := newFlatScorer(memory.MetricCosine, dim, mixture(rng, rows, dim))
	whole := imageOf(t, f.build(Config{}))
	load := func() *Graph {
		t.Helper()
		g, err := LoadImage(Config{}, f, aligned(whole), nil)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	gone := func(row uint32) bool { return row%3 == 1 }
	alive := func(row uint32) bool { return !gone(row) }
	at, paused := load(), load()
	at.Remove(gone)
	pauses, missed := 0, 0
	var scratch Scratch
	removed := paused.RemovePausing(gone, func() {
		pauses++
		row := uint32(pauses*7) % rows
		if gone(row) {
			return
		}
		if found := paused.Search(f.QueryOf(row), 100, alive, &scratch); len(found) == 0 || found[0].Row != row {
			missed++
		}
	})
	if removed != rows/3 || pauses < rows-removed {
		t.Errorf("%d rows were removed, with %d pauses", removed, pauses)
	}
	if missed > 0 {
		t.Errorf("%d of %d searches at a pause did not find the row they asked for", missed, pauses)
	}
	if !bytes.Equal(imageOf(t, at), imageOf(t, paused)) {
		t.Error("the graph is another than without pauses")
	}
	if err := paused.Check(); err != nil {
		t.Error(err)
	}
}
