package space

import (
	"math/rand/v2"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

// waiting is a world the graph of which lacks its newest n rows, which have
// codes.
func waiting(t *testing.T, n int, v func(i int) []float32) *world {
	t.Helper()
	w := newWorld(Settings{Dimension: 16, Metric: memory.MetricEuclidean, IndexThreshold: 0, M: 8})
	w.grow(codeRows, v)
	w.indexAll()
	w.grow(n, v)
	w.Index(1, func() bool { return false })
	if c := w.table.Load().codes[wideKind].Load(); c == nil || c.rows != codeRows+n {
		t.Fatalf("codes of %s", c)
	}
	if left := w.Current().Unindexed(); left != n-1 {
		t.Fatalf("%d rows are not in the graph", left)
	}
	return w
}

func TestRowsThatWaitAreScannedByCode(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	normal := func(int) []float32 {
		v := make([]float32, 16)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	w := waiting(t, 2*scanCoded, normal)
	hits := 0
	for range 50 {
		q := &Question{Vector: normal(0), Limit: 10}
		want := names(w.question(t, w.Current(), &Question{Vector: q.Vector, Limit: 10, Exact: true}))
		hits += common(names(w.question(t, w.Current(), q)), want)
	}
	if hits < 490 {
		t.Errorf("%d of 500 found", hits)
	}
	// The newest row is found by itself, and its similarity is exact.
	sn := w.Current()
	last := sn.view.vec(uint32(sn.rows-1), sn.dim)
	got := w.question(t, sn, &Question{Vector: last, Limit: 1})
	if len(got) != 1 || got[0].Similarity != 1 || got[0].InGraph {
		t.Errorf("the newest row: %+v", got)
	}
}

// Where the codes see no difference, the vectors are asked.
func TestRowsWithOneCodeAreToldApart(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	w := waiting(t, 2*scanCoded, func(int) []float32 {
		v := make([]float32, 16)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	})
	w.grow(scanCoded, func(int) []float32 {
		v := make([]float32, 16)
		for i := range v {
			v[i] = 0.5 + float32(r.Float64())*1e-4
		}
		return v
	})
	w.Index(1, func() bool { return false })
	sn := w.Current()
	cue := sn.view.vec(uint32(sn.rows-1), sn.dim)
	want := names(w.question(t, sn, &Question{Vector: cue, Limit: 10, Exact: true}))
	if n := common(names(w.question(t, sn, &Question{Vector: cue, Limit: 10})), want); n < 9 {
		t.Errorf("%d of 10 found among rows of one code", n)
	}
}
