package hnsw

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// crowd is one inserter and several searches in goroutines of their own. The
// inserter alone changes fates and graph; it fills a row's vector just before it
// hands the row over.
type crowd struct {
	f     *flatScorer
	data  []float32 // what the rows' vectors will be
	fates []atomic.Uint32
	g     atomic.Pointer[Graph]

	done     atomic.Bool
	searches atomic.Int64
	across   atomic.Int64 // of them those that rows came or went beside
	broken   atomic.Pointer[error]
}

func (c *crowd) now() []fate {
	out := make([]fate, len(c.fates))
	for i := range out {
		out[i] = fate(c.fates[i].Load())
	}
	return out
}

func (c *crowd) is(f fate, rows ...uint32) {
	for _, row := range rows {
		if f == arriving {
			copy(c.f.row(row), c.data[int(row)*c.f.dim:])
		}
		c.fates[row].Store(uint32(f))
	}
}

func (c *crowd) living() (rows []uint32) {
	for row, f := range c.now() {
		if f == there {
			rows = append(rows, uint32(row))
		}
	}
	return rows
}

// look searches until it is told to stop.
func (c *crowd) look(rng *rand.Rand) {
	for ; !c.done.Load() && c.broken.Load() == nil; runtime.Gosched() {
		if c.g.Load().Len() == 0 {
			continue
		}
		c.searches.Add(1)
		before := c.now()
		at := rng.IntN(len(c.fates)) * c.f.dim
		a := asked{
			g: c.g.Load(), f: c.f, ef: len(c.fates), before: before,
			q: Query{Vector: c.data[at : at+c.f.dim], InvNorm: 1},
			accept: []func(uint32) bool{
				nil,
				func(row uint32) bool { return before[row] == there },
				func(row uint32) bool { return row%4 != 2 },
			}[rng.IntN(3)],
		}
		if rng.IntN(3) == 0 {
			a.ef = 1 + rng.IntN(30)
		}
		var after []fate
		a.search(func() []fate { after = c.now(); return after })
		if !slices.Equal(before, after) || slices.Contains(before, arriving) || slices.Contains(before, leaving) {
			c.across.Add(1)
		}
		if a.err != nil {
			c.broken.CompareAndSwap(nil, &a.err)
		}
	}
}

// giveWay lets the others get their turn now and then, on one processor too.
func giveWay(rng *rand.Rand) {
	if rng.IntN(4) == 0 {
		runtime.Gosched()
	}
}

// Searches in goroutines of their own keep the promises that they keep step by
// step, beside everything that an inserter may do.
func TestConcurrentCrowd(t *testing.T) {
	searches, across := int64(0), int64(0)
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			M:              rapid.IntRange(4, 16).Draw(t, "M"),
			EfConstruction: rapid.IntRange(4, 40).Draw(t, "ef"),
			Seed:           rapid.Uint64().Draw(t, "seed"),
			VisitLimit:     1 << 20,
		}
		rng := rand.New(rand.NewPCG(cfg.Seed, 5))
		n, dim := rapid.IntRange(100, 400).Draw(t, "rows"), rapid.IntRange(1, 6).Draw(t, "dim")
		c := &crowd{data: uniform(rng, n, dim), fates: make([]atomic.Uint32, n)}
		c.f = newFlatScorer(rapid.SampledFrom(metrics).Draw(t, "metric"), dim, make([]float32, n*dim))
		for i := range c.f.invNorms { // the vectors come later
			c.f.invNorms[i] = 1
		}
		c.g.Store(New(cfg, c.f))
		var wg sync.WaitGroup
		for i := range rapid.IntRange(1, 3).Draw(t, "searches") {
			wg.Go(func() { c.look(rand.New(rand.NewPCG(cfg.Seed, uint64(i)))) })
		}
		defer wg.Wait()
		defer c.done.Store(true)
		next := uint32(0)
		for range rapid.IntRange(4, 12).Draw(t, "steps") {
			g := c.g.Load()
			switch step := rapid.SampledFrom([]string{"insert", "batch", "batch", "remove", "reload"}).Draw(t, "step"); step {
			case "insert", "batch":
				first := next
				next = min(uint32(n), next+uint32(rapid.IntRange(30, 150).Draw(t, "n")))
				rows := batchOf(int(next))[first:]
				if step == "insert" {
					for _, row := range rows {
						c.is(arriving, row)
						g.Insert(row)
						c.is(there, row)
						giveWay(rng)
					}
					break
				}
				c.is(arriving, rows...)
				for len(rows) > 0 {
					patience := rng.IntN(4 * len(rows)) // sorting takes some, and inserting
					done := g.InsertBatch(rows, func() bool { giveWay(rng); patience--; return patience > 0 })
					c.is(there, rows[:done]...)
					if rows = rows[done:]; done == 0 {
						g.Insert(rows[0])
					}
				}
			case "remove":
				share := rapid.SampledFrom([]float64{.05, .2, .5, .9, 1}).Draw(t, "share")
				for _, row := range c.living() {
					if rng.Float64() < share {
						c.is(leaving, row)
					}
				}
				dead := c.now()
				g.RemovePausing(func(row uint32) bool { return dead[row] == leaving }, func() { giveWay(rng) })
				for row, f := range dead {
					if f == leaving {
						c.is(removed, uint32(row))
					}
				}
			case "reload":
				var out sliceWriter
				if err := g.WriteImage(&out); err != nil {
					t.Fatal(err)
				}
				loaded, err := LoadImage(cfg, c.f, aligned(out), nil)
				if err == nil {
					err = sameAnswers(g, loaded, c.f, rng)
				}
				if err != nil {
					t.Fatal(err)
				}
				c.g.Store(loaded)
			}
			if err := invariants(c.g.Load(), c.living()); err != nil {
				t.Fatal(err)
			}
		}
		c.done.Store(true)
		wg.Wait()
		if err := c.broken.Load(); err != nil {
			t.Fatal(*err)
		}
		searches, across = searches+c.searches.Load(), across+c.across.Load()
	})
	t.Logf("%d searches, %d of them beside changes", searches, across)
	if across == 0 {
		t.Error("no search ran beside a change")
	}
}

// While a list is pruned over and over, a reader sees each link that stays.
func TestConcurrentPruning(t *testing.T) {
	list := []uint32{11, 0, 12, 0, 13, 0, 0, 0}
	stay := []uint32{11, 12, 13}
	var done atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !done.Load() {
				for _, link := range stay {
					found := false
					for i := range list {
						found = found || atomic.LoadUint32(&list[i]) == link
					}
					if !found {
						t.Errorf("the link %d is not there", link)
						return
					}
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for range 20_000 {
		kept := []key{makeKey(0, 10), makeKey(0, 11), makeKey(0, 12)}
		for range rng.IntN(6) {
			kept = append(kept, makeKey(0, uint32(13+len(kept))))
		}
		rng.Shuffle(len(kept), func(i, j int) { kept[i], kept[j] = kept[j], kept[i] })
		replaceList(list, kept)
	}
	done.Store(true)
	wg.Wait()
}
