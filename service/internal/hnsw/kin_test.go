package hnsw

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

// kinScorer scores what is searched for by the dot product, and rows among
// themselves as if they were lifted to the surface of a ball, as spaces do.
type kinScorer struct {
	*flatScorer
	lifts []float32
}

// asRow marks the queries that are rows.
type asRow struct{}

// newKinScorer lifts nine rows in ten.
func newKinScorer(f *flatScorer) *kinScorer {
	squares := make([]float64, f.rows())
	for i := range squares {
		for _, x := range f.row(uint32(i)) {
			squares[i] += float64(x) * float64(x)
		}
	}
	sorted := slices.Sorted(slices.Values(squares))
	k := &kinScorer{flatScorer: f}
	for _, square := range squares {
		k.lifts = append(k.lifts, float32(math.Sqrt(max(0, sorted[len(sorted)*9/10]-square))))
	}
	return k
}

func (k *kinScorer) QueryOf(row uint32) Query {
	return Query{Vector: k.row(row), InvNorm: k.lifts[row], Codes: asRow{}}
}

func (k *kinScorer) ScoreRows(q Query, rows []uint32, out []float32) {
	k.flatScorer.ScoreRows(q, rows, out)
	if q.Codes == (asRow{}) {
		for i, row := range rows {
			out[i] += float32(q.InvNorm * k.lifts[row])
		}
	}
}

// withMean draws n normal vectors that are all on one side of the origin.
func withMean(rng *rand.Rand, n, dim int) []float32 {
	out := make([]float32, n*dim)
	for i := range out {
		out[i] = float32(rng.NormFloat64()) + 3
	}
	return out
}

// Of rows that are far from the origin the dot product alone makes a graph with
// few links, in which a search is lost. Compared among themselves as a space does,
// and with full lists, they are found, also those that come to a graph made the
// other way and read from its image.
func TestRowsMayBeComparedOtherwiseThanQueries(t *testing.T) {
	if raceDetector || testing.Short() {
		t.Skip("measures recall: run without -race and -short")
	}
	const rows, queries, dim = 6000, 200, 16
	all := withMean(rand.New(rand.NewPCG(1, 5)), rows+queries, dim)
	f, asked := newFlatScorer(memory.MetricDot, dim, all[:rows*dim]), all[rows*dim:]
	k := newKinScorer(f)
	plain := f.build(Config{})
	before, _ := recall(t, plain, f, asked, 10, 20, nil)
	g := New(Config{KeepPruned: true}, k)
	g.InsertBatch(batchOf(rows), nil)
	got, visits := recall(t, g, f, asked, 10, 20, nil)
	links, few := float64(g.Stats().Links)/rows, float64(plain.Stats().Links)/rows
	t.Logf("recall@10 %.4f at breadth 20, %.0f rows visited, %.1f links; %.4f and %.1f by the dot product alone", got, visits, links, before, few)
	if got < max(.97, before) || links < 16 || few > 8 {
		t.Errorf("recall@10 is %.4f with %.1f links a row, want ≥ .97; %.4f with %.1f by the dot product alone", got, links, before, few)
	}
	half := New(Config{}, f)
	half.InsertBatch(batchOf(rows/2), nil)
	var image bytes.Buffer
	if err := half.WriteImage(&image); err != nil {
		t.Fatal(err)
	}
	g, err := LoadImage(Config{KeepPruned: true}, k, image.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	g.InsertBatch(batchOf(rows), nil)
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	if got, _ = recall(t, g, f, asked, 10, 20, nil); got < .96 {
		t.Errorf("recall@10 of a graph that went on is %.4f, want ≥ .96", got)
	} else {
		t.Logf("recall@10 %.4f of a graph the first half of which is by the dot product alone", got)
	}
}

// What KeepPruned adds to a selection is the best of what the heuristic left, up
// to the limit, or to three quarters of it in a list that was full.
func TestKeepPruned(t *testing.T) {
	const n = 60
	rng := rand.New(rand.NewPCG(8, 8))
	f := newFlatScorer(memory.MetricEuclidean, 2, uniform(rng, n, 2))
	g, lean := New(Config{KeepPruned: true}, f), New(Config{}, f)
	for base := range uint32(n) {
		var candidates []key
		scores, rows := make([]float32, n), batchOf(n)
		f.ScoreRows(f.QueryOf(base), rows, scores)
		for i, row := range rows {
			if row != base {
				candidates = append(candidates, makeKey(scores[i], row))
			}
		}
		slices.Sort(candidates)
		slices.Reverse(candidates)
		candidates = candidates[:33]
		pinned := make([]bool, len(candidates))
		pinned[5], pinned[32] = true, true
		for _, tc := range []struct {
			pinned []bool
			limit  int
			want   int
		}{{nil, 16, 16}, {nil, 40, 33}, {pinned, 32, 24}, {pinned, 4, 3}} {
			chosen := lean.selectNeighbours(candidates, tc.pinned, tc.limit, nil)
			got := g.selectNeighbours(candidates, tc.pinned, tc.limit, nil)
			want := slices.Clone(chosen)
			for _, c := range candidates {
				if len(want) < tc.want && !slices.Contains(chosen, c) {
					want = append(want, c)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("row %d, limit %d: selected %d rows, want %d:\n%x\n%x", base, tc.limit, len(got), len(want), got, want)
			}
		}
	}
}
