package hnsw

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
)

// However a batch is cut up, interrupted and taken up again, the rows that are
// said to be done are in the graph, and in the end all are.
func TestInsertBatchKeepsItsWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most, dim = 3000, 3
		n := rapid.IntRange(1, most).Draw(t, "rows")
		cfg := Config{M: rapid.IntRange(4, 8).Draw(t, "M"), EfConstruction: 8, Seed: rapid.Uint64().Draw(t, "seed")}
		rng := rand.New(rand.NewPCG(cfg.Seed, 2))
		f := newFlatScorer(memory.MetricEuclidean, dim, uniform(rng, n, dim))
		g := New(cfg, f)
		rows := make([]uint32, n)
		for i, r := range rng.Perm(n) {
			rows[i] = uint32(r)
		}
		for _, row := range rows[:rapid.IntRange(0, n).Draw(t, "there before")] {
			if row%3 == 0 {
				g.Insert(row)
			}
		}
		for left := rows; len(left) > 0; {
			part := left[:rapid.IntRange(1, len(left)).Draw(t, "part")]
			allowed := rapid.IntRange(0, 2*n).Draw(t, "steps")
			asked := 0
			before := g.Len()
			done := g.InsertBatch(part, func() bool { asked++; return asked <= allowed })
			if asked <= allowed && done != len(part) {
				t.Fatalf("%d of %d rows done though nobody stopped it", done, len(part))
			}
			if got := g.Len() - before; asked > allowed && got > allowed+1 {
				t.Fatalf("%d rows inserted after %d times leave to go on", got, allowed)
			}
			for i, row := range part[:done] {
				if !g.Contains(row) {
					t.Fatalf("%d rows are said to be done, number %d is missing", done, i)
				}
			}
			left = left[done:]
			if done == 0 {
				left = left[g.InsertBatch(left[:1], nil):]
			}
		}
		if err := g.Check(); err != nil {
			t.Fatal(err)
		}
		var s Scratch
		if got := g.Search(f.QueryOf(0), n, nil, &s); len(got) != n || g.Len() != n {
			t.Fatalf("found %d of %d rows, Len %d", len(got), n, g.Len())
		}
	})
}

func batchOf(n int) []uint32 {
	rows := make([]uint32, n)
	for i := range rows {
		rows[i] = uint32(i)
	}
	return rows
}

// The order of a batch is its own, but always the same.
func TestSameBatchesSameGraph(t *testing.T) {
	const rows, dim = 3000, 16
	f := newFlatScorer(memory.MetricCosine, dim, mixture(rand.New(rand.NewPCG(1, 1)), rows, dim))
	build := func() *Graph {
		g := New(Config{}, f)
		g.InsertBatch(batchOf(rows)[:2000], nil)
		g.InsertBatch(batchOf(rows)[2000:], func() bool { return true })
		return g
	}
	if !sameShape(build(), build()) {
		t.Error("the same batches gave two graphs")
	}
}

// A graph built of batches is as good as one built row by row, whether rows
// come mixed or one region after the other.
func TestRecallOfBatches(t *testing.T) {
	if raceDetector {
		t.Skip("measures recall in one goroutine: run without -race")
	}
	const rows, queries, dim, ef = 6000, 200, 48, 20
	rng := rand.New(rand.NewPCG(5, 6))
	all := mixture(rng, rows+queries, dim)
	f := newFlatScorer(memory.MetricCosine, dim, all[:rows*dim])
	mixed := batchOf(rows)
	regions := slices.Clone(mixed)
	first := f.exact(f.QueryOf(0), rows, nil)
	copy(regions, first)
	for name, order := range map[string][]uint32{"mixed": mixed, "by region": regions} {
		single := New(Config{}, f)
		for _, row := range order {
			single.Insert(row)
		}
		batches := New(Config{}, f)
		for part := range slices.Chunk(order, 1500) {
			if n := batches.InsertBatch(part, nil); n != len(part) {
				t.Fatalf("%d of %d rows done", n, len(part))
			}
		}
		if err := batches.Check(); err != nil {
			t.Fatal(err)
		}
		want, wantVisits := recall(t, single, f, all[rows*dim:], 10, ef, nil)
		got, visits := recall(t, batches, f, all[rows*dim:], 10, ef, nil)
		t.Logf("%s: recall@10 %.4f with %.0f visits, row by row %.4f with %.0f", name, got, visits, want, wantVisits)
		if got < want-.005 || visits > wantVisits*1.05 {
			t.Errorf("%s: recall@10 %.4f with %.0f visits, row by row %.4f with %.0f", name, got, visits, want, wantVisits)
		}
	}
}

// A narrower search compares fewer rows, for as long as it is asked for.
func TestNarrow(t *testing.T) {
	const rows, dim = 2000, 16
	f := newFlatScorer(memory.MetricCosine, dim, mixture(rand.New(rand.NewPCG(1, 1)), 2*rows, dim))
	counted := &countingScorer{flatScorer: f}
	g := New(Config{EfConstruction: 80}, counted)
	g.InsertBatch(batchOf(rows), nil)
	work := func(part []uint32) int {
		counted.rows = 0
		g.InsertBatch(part, nil)
		return counted.rows
	}
	more := batchOf(2 * rows)[rows:]
	wide := work(more[:500])
	g.Narrow(20)
	narrow := work(more[500:1000])
	g.Narrow(0)
	again := work(more[1000:1500])
	g.Narrow(1000)
	still := work(more[1500:])
	t.Logf("rows compared: %d, narrow %d, wide again %d and %d", wide, narrow, again, still)
	if 3*narrow > 2*wide || 3*narrow > 2*again || 3*narrow > 2*still || still > 2*wide {
		t.Errorf("rows compared: %d, narrow %d, wide again %d and %d", wide, narrow, again, still)
	}
	if err := g.Check(); err != nil || g.Config().EfConstruction != 80 {
		t.Errorf("%v; EfConstruction %d", err, g.Config().EfConstruction)
	}
}

type countingScorer struct {
	*flatScorer
	rows int
}

func (c *countingScorer) ScoreRows(q Query, rows []uint32, out []float32) {
	c.rows += len(rows)
	c.flatScorer.ScoreRows(q, rows, out)
}

// While batches go in and what is old is removed, others search: rows that
// stay are all found, and none that no batch has held yet.
func TestConcurrentBatchRemoveAndSearch(t *testing.T) {
	const dim, searchers, rounds = 8, 3, 5
	step := 1500
	if raceDetector {
		step = 500
	}
	f := newFlatScorer(memory.MetricCosine, dim, mixture(rand.New(rand.NewPCG(8, 8)), step*(rounds+1), dim))
	g := New(Config{M: 6, EfConstruction: 24, VisitLimit: step * (rounds + 1)}, f)
	rows := batchOf(step * (rounds + 1))
	stays := func(row uint32) bool { return row%4 == 0 && int(row) < step }
	var handed, searched atomic.Int64
	handed.Store(int64(step))
	g.InsertBatch(rows[:step], nil)
	var done atomic.Bool
	var wg sync.WaitGroup
	for n := range searchers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 0))
			var s Scratch
			for !done.Load() {
				q := f.QueryOf(uint32(rng.IntN(step)))
				if searched.Add(1)%8 == 0 { // wide enough to see everything
					if got := g.Search(q, step, stays, &s); len(got) != (step+3)/4 {
						t.Errorf("%d of %d rows that stay are found", len(got), (step+3)/4)
						return
					}
					continue
				}
				got := g.Search(q, 20, nil, &s)
				limit := handed.Load()
				if err := wellFormed(got, f, q, func(row uint32) bool { return int64(row) < limit }); err != nil || len(got) != 20 {
					t.Errorf("%d rows found, %v", len(got), err)
					return
				}
			}
		})
	}
	for i := range rounds {
		batch := rows[(i+1)*step : (i+2)*step]
		handed.Add(int64(step))
		for asked := 0; len(batch) > 0; asked = 0 { // stopped again and again
			batch = batch[g.InsertBatch(batch, func() bool { asked++; return asked < step+step/2 }):]
		}
		g.Remove(func(row uint32) bool { return int(row) >= i*step && int(row) < (i+1)*step && !stays(row) })
	}
	for searched.Load() < 50 && !t.Failed() { // a loaded machine may have let none run
		var s Scratch
		g.Search(f.QueryOf(0), 20, nil, &s)
	}
	done.Store(true)
	wg.Wait()
	t.Logf("%d searches", searched.Load())
	if err := g.Check(); err != nil {
		t.Error(err)
	}
}
