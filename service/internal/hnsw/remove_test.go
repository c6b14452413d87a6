package hnsw

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
)

// unnamed checks what Check does not: nothing of the removed is left.
func unnamed(g *Graph, removed func(uint32) bool) error {
	var err error
	g.rows(func(row uint32, level int) {
		if removed(row) {
			err = fmt.Errorf("row %d is in the graph", row)
		}
		for layer := range level + 1 {
			if i := slices.IndexFunc(g.neighbours(row, layer), removed); i >= 0 {
				err = fmt.Errorf("row %d layer %d names row %d", row, layer, g.neighbours(row, layer)[i])
			}
		}
	})
	return err
}

// guarded fails the test when a row is scored that must no longer be asked for.
type guarded struct {
	*flatScorer
	t    testing.TB
	gone func(uint32) bool
}

func (s *guarded) ScoreRows(q Query, rows []uint32, out []float32) {
	if s.gone != nil && slices.ContainsFunc(rows, s.gone) {
		s.t.Error("a removed row is scored")
	}
	s.flatScorer.ScoreRows(q, rows, out)
}

func (s *guarded) QueryOf(row uint32) Query {
	if s.gone != nil && s.gone(row) {
		s.t.Errorf("removed row %d is asked for", row)
	}
	return s.flatScorer.QueryOf(row)
}

func TestRemove(t *testing.T) {
	const queries, dim = 100, 32
	rows := 3000
	if raceDetector {
		rows = 500
	}
	rng := rand.New(rand.NewPCG(6, 6))
	all := mixture(rng, rows+queries, dim)
	f := newFlatScorer(memory.MetricCosine, dim, all[:rows*dim])
	asked := all[rows*dim:]
	near := f.exact(f.QueryOf(5), rows, nil)
	order := rng.Perm(rows)
	whole := imageOf(t, f.build(Config{}))
	for _, kind := range []string{"at random", "in one region", "oldest"} {
		for _, n := range []int{0, rows / 100, rows / 5, rows * 3 / 5, rows * 9 / 10, rows - 1, rows} {
			t.Run(fmt.Sprintf("%d %s", n, kind), func(t *testing.T) {
				dead := map[uint32]bool{}
				for i := range n {
					dead[map[string]uint32{"at random": uint32(order[i]), "in one region": near[i], "oldest": uint32(i)}[kind]] = true
				}
				gone := func(row uint32) bool { return dead[row] }
				alive := func(row uint32) bool { return !dead[row] }
				s := &guarded{flatScorer: f, t: t}
				g, err := LoadImage(Config{}, s, aligned(whole), nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := g.Remove(gone); got != n || g.Len() != rows-n {
					t.Fatalf("removed %d of %d, Len %d", got, n, g.Len())
				}
				s.gone = gone
				if err := g.Check(); err != nil {
					t.Fatal(err)
				}
				if err := unnamed(g, gone); err != nil {
					t.Fatal(err)
				}
				if g.Remove(gone) != 0 {
					t.Error("removed twice")
				}
				if n < rows {
					got, visits := recall(t, g, f, asked, 10, 40, alive)
					t.Logf("recall@10 %.4f, %.0f rows visited", got, visits)
					if got < leastRecall {
						t.Errorf("recall@10 is %.4f, want ≥ %v", got, leastRecall)
					}
				}
				image := imageOf(t, g)
				loaded, err := LoadImage(Config{}, s, image, nil)
				if err != nil {
					t.Fatal(err)
				}
				if !sameShape(g, loaded) {
					t.Error("the loaded graph is another")
				}
				if n == rows && len(image) != headerBytes {
					t.Errorf("%d bytes for nothing", len(image))
				}
			})
		}
	}
}

// Whatever is removed and inserted, in whatever shape, the invariants hold, and
// written and loaded it goes on alike.
func TestRemoveInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			M:              rapid.IntRange(4, 8).Draw(t, "M"),
			EfConstruction: rapid.IntRange(4, 40).Draw(t, "ef"),
			KeepPruned:     rapid.Bool().Draw(t, "keep"),
			Seed:           rapid.Uint64().Draw(t, "seed"),
		}
		const most, dim = 400, 2
		values := rapid.SampledFrom([]int{1, 2, 4, 100}).Draw(t, "values")
		gap := rapid.SampledFrom([]uint32{1, 1, 40}).Draw(t, "gap")
		rng := rand.New(rand.NewPCG(cfg.Seed, 1))
		base := make([]float32, most*int(gap)*dim)
		for i := range base {
			base[i] = float32(rng.IntN(values) - 1)
		}
		f := newFlatScorer(rapid.SampledFrom(metrics).Draw(t, "metric"), dim, base)
		g := New(cfg, f)
		next, removed := uint32(0), map[uint32]bool{}
		gone := func(row uint32) bool { return removed[row] }
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			for range rapid.IntRange(0, 100).Draw(t, "inserts") {
				g.Insert(next * gap)
				next++
			}
			share := rapid.SampledFrom([]float64{0, .05, .5, .95, 1}).Draw(t, "share")
			count := 0
			g.rows(func(row uint32, _ int) {
				if rng.Float64() < share {
					removed[row] = true
					count++
				}
			})
			if n := g.Remove(gone); n != count {
				t.Fatalf("removed %d of %d", n, count)
			}
			if err := g.Check(); err != nil {
				t.Fatal(err)
			}
			if err := unnamed(g, gone); err != nil {
				t.Fatal(err)
			}
			if g.Len() != int(next)-len(removed) {
				t.Fatalf("Len %d after %d inserts and %d removed", g.Len(), next, len(removed))
			}
			if rapid.Bool().Draw(t, "reload") {
				var out sliceWriter
				if err := g.WriteImage(&out); err != nil {
					t.Fatal(err)
				}
				loaded, err := LoadImage(cfg, f, aligned(out), nil)
				if err != nil {
					t.Fatal(err)
				}
				if !sameShape(g, loaded) {
					t.Fatal("the loaded graph is another")
				}
				g = loaded
			}
		}
		var s Scratch
		if got := g.Search(f.QueryOf(0), most, nil, &s); len(got) != g.Len() {
			t.Fatalf("found %d of %d rows", len(got), g.Len())
		}
	})
}

type sliceWriter []byte

func (w *sliceWriter) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

// A graph that has been renewed twice over is as good as one built of what is
// left.
func TestRecallUnderChurn(t *testing.T) {
	if raceDetector {
		t.Skip("measures recall in one goroutine: run without -race")
	}
	const rows, rounds, step, queries, dim = 2000, 10, 400, 200, 32
	for name, draw := range map[string]func(*rand.Rand, int, int) []float32{"mixture": mixture, "uniform": uniform} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, 2))
			const total = rows + rounds*step
			all := draw(rng, total+queries, dim)
			f := newFlatScorer(memory.MetricEuclidean, dim, all[:total*dim])
			g := New(Config{}, f)
			var alive []uint32
			insert := func(n int) {
				for range n {
					row := uint32(g.bound.Load())
					g.Insert(row)
					alive = append(alive, row)
				}
			}
			insert(rows)
			for range rounds {
				rng.Shuffle(len(alive), func(i, j int) { alive[i], alive[j] = alive[j], alive[i] })
				dead := slices.Clone(alive[:step])
				slices.Sort(dead)
				alive = alive[step:]
				g.Remove(func(row uint32) bool { _, found := slices.BinarySearch(dead, row); return found })
				if err := g.Check(); err != nil {
					t.Fatal(err)
				}
				insert(step)
			}
			slices.Sort(alive)
			there := func(row uint32) bool { _, found := slices.BinarySearch(alive, row); return found }
			fresh := New(Config{}, f)
			fresh.InsertBatch(alive, nil)
			const ef = 64
			got, visits := recall(t, g, f, all[total*dim:], 10, ef, there)
			want, visits2 := recall(t, fresh, f, all[total*dim:], 10, ef, there)
			t.Logf("recall@10 %.4f with %.0f visits, of a fresh graph %.4f with %.0f", got, visits, want, visits2)
			if got < want-.01 {
				t.Errorf("recall@10 is %.4f, of a fresh graph %.4f", got, want)
			}
		})
	}
}

// Memory of removed rows is given back, and searches that hold on to such a row
// find nothing below it.
func TestRemoveGivesMemoryBack(t *testing.T) {
	const rows = 3 * chunkRows // the graph may be a poor one
	f := newFlatScorer(memory.MetricEuclidean, 2, uniform(rand.New(rand.NewPCG(6, 6)), rows+100, 2))
	g := New(Config{M: 4, EfConstruction: 8}, f)
	for row := range uint32(rows) {
		g.Insert(row)
	}
	before := g.Bytes()
	g.Remove(func(row uint32) bool { return row < 2*chunkRows })
	if g.Bytes() != before {
		t.Error("memory is given back while searches may need it")
	}
	g.Remove(func(uint32) bool { return false })
	if got := g.Bytes(); got > before/2 {
		t.Errorf("%d of %d bytes are left for a third of the rows", got, before)
	}
	if got := g.store.list(5, 0); got != nil {
		t.Errorf("list of a removed row: %v", got)
	}
	g.Remove(func(uint32) bool { return true })
	g.Remove(nil)
	if g.Bytes() != 0 {
		t.Errorf("%d bytes are left for nothing", g.Bytes())
	}
	for row := range uint32(100) {
		g.Insert(rows + row)
	}
	if err := g.Check(); err != nil {
		t.Error(err)
	}
}

// While rows are inserted and removed, others search: they find rows that were
// written, each once, and all rows that stay throughout.
func TestConcurrentRemoveAndSearch(t *testing.T) {
	const dim, searchers, rounds = 8, 3, 6
	rows := 2000
	if raceDetector {
		rows = 600
	}
	rng := rand.New(rand.NewPCG(8, 8))
	f := newFlatScorer(memory.MetricEuclidean, dim, mixture(rng, rows*(rounds+1), dim))
	g := New(Config{M: 6, EfConstruction: 24, VisitLimit: rows * rounds}, f)
	stays := func(row uint32) bool { return row%4 == 0 && int(row) < rows }
	for row := range uint32(rows) {
		g.Insert(row)
	}
	var searched, written atomic.Int64
	written.Store(int64(rows))
	var done atomic.Bool
	var wg sync.WaitGroup
	for n := range searchers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 0))
			var s Scratch
			for !done.Load() {
				q := f.QueryOf(uint32(rng.IntN(rows)))
				if searched.Add(1)%8 == 0 { // wide enough to see everything
					if got := g.Search(q, rows, stays, &s); len(got) != rows/4 {
						t.Errorf("%d of %d rows that stay are found", len(got), rows/4)
						return
					}
					continue
				}
				got := g.Search(q, 20, nil, &s)
				if len(got) != 20 {
					t.Errorf("%d rows found", len(got))
					return
				}
				limit := written.Load()
				if err := wellFormed(got, f, q, func(row uint32) bool { return int64(row) < limit }); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	first := uint32(0) // of the rows that are removed in turn
	for range rounds {
		for range rows / 2 {
			g.Insert(uint32(written.Add(1) - 1))
		}
		from, to := first, first+uint32(rows/2)
		first = to
		g.Remove(func(row uint32) bool { return row >= from && row < to && !stays(row) })
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
