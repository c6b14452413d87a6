package hnsw

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var metrics = []memory.Metric{memory.MetricCosine, memory.MetricDot, memory.MetricEuclidean}

// flatScorer scores rows of one flat slice.
type flatScorer struct {
	metric   memory.Metric
	dim      int
	base     []float32
	invNorms []float32
}

func newFlatScorer(metric memory.Metric, dim int, base []float32) *flatScorer {
	f := &flatScorer{metric: metric, dim: dim, base: base, invNorms: make([]float32, len(base)/dim)}
	for i := range f.invNorms {
		f.invNorms[i] = vector.InverseNorm(f.row(uint32(i)))
	}
	return f
}

func (f *flatScorer) rows() int { return len(f.invNorms) }

func (f *flatScorer) row(r uint32) []float32 { return f.base[int(r)*f.dim : (int(r)+1)*f.dim] }

func (f *flatScorer) ScoreRows(q Query, rows []uint32, out []float32) {
	vector.ScoreGather(f.metric, q, f.base, f.invNorms, rows, out)
}

func (f *flatScorer) QueryOf(row uint32) Query {
	return Query{Vector: f.row(row), InvNorm: f.invNorms[row]}
}

// exact is the answer a search is measured against: the k best accepted rows.
func (f *flatScorer) exact(q Query, k int, accept func(uint32) bool) []uint32 {
	scores := make([]float32, f.rows())
	vector.ScoreRows(f.metric, q, f.base, f.invNorms, scores)
	var keys []key
	for i, s := range scores {
		if accept == nil || accept(uint32(i)) {
			keys = append(keys, makeKey(s, uint32(i)))
		}
	}
	slices.Sort(keys)
	slices.Reverse(keys)
	var out []uint32
	for _, k := range keys[:min(k, len(keys))] {
		out = append(out, k.row())
	}
	return out
}

func (f *flatScorer) build(cfg Config) *Graph {
	g := New(cfg, f)
	for r := range f.rows() {
		g.Insert(uint32(r))
	}
	return g
}

// uniform draws n vectors from the cube −1..1.
func uniform(rng *rand.Rand, n, dim int) []float32 {
	out := make([]float32, n*dim)
	for i := range out {
		out[i] = 2*rng.Float32() - 1
	}
	return out
}

// mixture draws n vectors around n/50 centres: what embeddings look like.
func mixture(rng *rand.Rand, n, dim int) []float32 {
	centres := make([]float32, max(1, n/50)*dim)
	for i := range centres {
		centres[i] = float32(rng.NormFloat64())
	}
	out := make([]float32, 0, n*dim)
	for range n {
		c := rng.IntN(len(centres)/dim) * dim
		for _, x := range centres[c : c+dim] {
			out = append(out, x+0.5*float32(rng.NormFloat64()))
		}
	}
	return out
}

// recall is the mean share of the true k nearest that the graph returns, and
// visits how many rows it scored for a query.
func recall(t *testing.T, g *Graph, f *flatScorer, queries []float32, k, ef int, accept func(uint32) bool) (share, visits float64) {
	t.Helper()
	var s Scratch
	hits, want := 0, 0
	for at := 0; at < len(queries); at += f.dim {
		q := vector.NewQuery(f.metric, queries[at:at+f.dim])
		truth := f.exact(q, k, accept)
		got := g.Search(q, ef, accept, &s)
		visits += float64(s.Visits())
		if err := wellFormed(got, f, q, accept); err != nil {
			t.Fatal(err)
		}
		want += len(truth)
		for _, c := range got[:min(k, len(got))] {
			if slices.Contains(truth, c.Row) {
				hits++
			}
		}
	}
	if want == 0 {
		t.Fatal("no queries")
	}
	return float64(hits) / float64(want), visits / float64(len(queries)/f.dim)
}

// wellFormed checks what holds for every result, however good.
func wellFormed(got []Candidate, f *flatScorer, q Query, accept func(uint32) bool) error {
	seen := make(map[uint32]bool)
	score := make([]float32, 1)
	for i, c := range got {
		if seen[c.Row] {
			return fmt.Errorf("row %d returned twice", c.Row)
		}
		seen[c.Row] = true
		if accept != nil && !accept(c.Row) {
			return fmt.Errorf("row %d returned, not accepted", c.Row)
		}
		if i > 0 && got[i-1].Score < c.Score {
			return fmt.Errorf("result %d scores %v, after %v", i, c.Score, got[i-1].Score)
		}
		f.ScoreRows(q, []uint32{c.Row}, score)
		if diff := math.Abs(float64(score[0] - c.Score)); diff > 1e-3*(1+math.Abs(float64(score[0]))) {
			return fmt.Errorf("row %d scores %v, returned %v", c.Row, score[0], c.Score)
		}
	}
	return nil
}
