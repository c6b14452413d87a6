package space

import (
	"math/rand/v2"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

// Rows that come while a batch moves into the graph have their codes before the
// batch is through.
func TestArrivalsAreCodedDuringABatch(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	normal := func(int) []float32 {
		v := make([]float32, 16)
		for i := range v {
			v[i] = float32(r.NormFloat64()) + 3
		}
		return v
	}
	w := newWorld(Settings{Dimension: 16, Metric: memory.MetricCosine, IndexThreshold: 0})
	w.Narrow(20) // nothing to narrow yet
	w.grow(codeRows, normal)
	w.Narrow(20)
	w.indexAll()
	coded := func() int { return w.table.Load().codes[wideKind].Load().rows }
	w.grow(500, normal)
	rows, steps := codeRows+500, 0
	if n := w.Index(100, func() bool {
		if steps++; steps == 50 {
			if coded() != rows {
				t.Errorf("%d of %d rows are coded when the batch begins", coded(), rows)
			}
			w.grow(codePiece-1, normal) // too few to look at
			w.grow(1000, normal)
			rows += codePiece - 1 + 1000
		}
		if steps == 52 && coded() != rows {
			t.Errorf("%d of %d rows are coded while the batch moves", coded(), rows)
		}
		return true
	}); n != 100 || steps < 52 {
		t.Errorf("moved %d rows in %d steps", n, steps)
	}
	w.Narrow(0)
	w.indexAll()
	if sn := w.Current(); sn.Unindexed() != 0 || coded() != rows {
		t.Errorf("%d rows wait, %d of %d are coded", sn.Unindexed(), coded(), rows)
	}
}
