package hnsw

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

// Deleting most of a neighbourhood must not hide what lies behind it.
func TestTombstonesAreTraversed(t *testing.T) {
	const rows, dim = 3000, 16
	rng := rand.New(rand.NewPCG(2, 2))
	f := newFlatScorer(memory.MetricEuclidean, dim, mixture(rng, rows, dim))
	g := f.build(Config{})
	var s Scratch
	q := f.QueryOf(17)
	dead := make(map[uint32]bool)
	for _, row := range f.exact(q, 500, nil) {
		dead[row] = true
	}
	alive := func(row uint32) bool { return !dead[row] }
	got := g.Search(q, 50, alive, &s)
	if len(got) != 50 || s.Exhausted() {
		t.Fatalf("%d rows found, want 50; exhausted %v", len(got), s.Exhausted())
	}
	if err := wellFormed(got, f, q, alive); err != nil {
		t.Fatal(err)
	}
	if want := f.exact(q, 1, alive)[0]; got[0].Row != want {
		t.Errorf("nearest living row is %d, found %d", want, got[0].Row)
	}
}

func TestVisitLimitEndsSearch(t *testing.T) {
	const rows, dim, limit = 3000, 8, 400
	rng := rand.New(rand.NewPCG(2, 2))
	f := newFlatScorer(memory.MetricCosine, dim, uniform(rng, rows, dim))
	g := f.build(Config{VisitLimit: limit})
	if err := g.Check(); err != nil { // the limit does not narrow construction
		t.Fatal(err)
	}
	var s Scratch
	none := func(uint32) bool { return false }
	if got := g.Search(f.QueryOf(1), 10, none, &s); len(got) != 0 || !s.Exhausted() || s.Visits() > limit {
		t.Errorf("found %v, exhausted %v, %d visits", got, s.Exhausted(), s.Visits())
	}
	if got := g.Search(f.QueryOf(1), 10, nil, &s); len(got) != 10 || s.Exhausted() {
		t.Errorf("unfiltered after it: %d found, exhausted %v", len(got), s.Exhausted())
	}
	wide := f.build(Config{})
	if got := wide.Search(f.QueryOf(1), 10, none, &s); len(got) != 0 || s.Exhausted() || s.Visits() < rows {
		t.Errorf("within the default limit: found %v, exhausted %v, %d visits of %d rows", got, s.Exhausted(), s.Visits(), rows)
	}
}

func TestSearchAllocatesNothingWhenWarm(t *testing.T) {
	const rows, dim = 2000, 32
	rng := rand.New(rand.NewPCG(2, 2))
	f := newFlatScorer(memory.MetricCosine, dim, mixture(rng, rows, dim))
	g := f.build(Config{})
	var s Scratch
	q := f.QueryOf(3)
	half := func(row uint32) bool { return row%2 == 0 }
	search := func() {
		g.Search(q, 64, nil, &s)
		g.Search(q, 64, half, &s)
	}
	search()
	if n := testing.AllocsPerRun(50, search); n != 0 {
		t.Errorf("%v allocations for two searches", n)
	}
}

// While one goroutine inserts, others search. Every row they find must have
// been written before, and every row whose insert has returned is found by a
// search that is wide enough to see the whole graph.
func TestConcurrentInsertAndSearch(t *testing.T) {
	const rows, dim, searchers = 5000, 16, 3 // beyond one chunk, so that the table grows
	rng := rand.New(rand.NewPCG(8, 8))
	data := mixture(rng, rows, dim)
	f := newFlatScorer(memory.MetricEuclidean, dim, make([]float32, rows*dim))
	g := New(Config{M: 6, EfConstruction: 24, VisitLimit: 2 * rows}, f)
	var started, inserted atomic.Int64 // rows that Insert was called for, and has returned for
	var searched atomic.Int64
	var done atomic.Bool
	var wg sync.WaitGroup
	for n := range searchers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 0))
			var s Scratch
			for !done.Load() {
				before := inserted.Load()
				if before == 0 {
					continue
				}
				r := rng.IntN(int(before))
				q := vector.NewQuery(f.metric, data[r*dim:(r+1)*dim])
				ef := 20
				if wide := searched.Add(1)%8 == 0; wide {
					ef = rows
				}
				got := g.Search(q, ef, nil, &s)
				after := started.Load()
				for _, c := range got {
					if int64(c.Row) >= after {
						t.Errorf("row %d found, %d written", c.Row, after)
						return
					}
				}
				if ef == rows && int64(len(got)) < before {
					t.Errorf("%d rows found, %d inserted before", len(got), before)
					return
				}
				if ef == rows && got[0].Score != 0 {
					t.Errorf("row %d is not found by its own vector", r)
					return
				}
			}
		})
	}
	for r := range rows {
		copy(f.row(uint32(r)), data[r*dim:(r+1)*dim])
		started.Add(1)
		g.Insert(uint32(r))
		inserted.Add(1)
	}
	for searched.Load() < 100 && !t.Failed() { // a loaded machine may have let none run
		var s Scratch
		g.Search(f.QueryOf(0), 20, nil, &s)
	}
	done.Store(true)
	wg.Wait()
	t.Logf("%d searches during %d inserts", searched.Load(), rows)
	if err := g.Check(); err != nil {
		t.Error(err)
	}
}
