package hnsw

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

func TestEmptyAndSingle(t *testing.T) {
	f := newFlatScorer(memory.MetricDot, 2, []float32{1, 2})
	g := New(Config{}, f)
	var s Scratch
	q := vector.NewQuery(f.metric, []float32{1, 1})
	if got := g.Search(q, 10, nil, &s); len(got) != 0 || g.Len() != 0 || g.MaxLevel() != -1 || g.Contains(0) {
		t.Errorf("empty graph: found %v, Len %d, MaxLevel %d", got, g.Len(), g.MaxLevel())
	}
	if err := g.Check(); err != nil {
		t.Error(err)
	}
	g.Insert(0)
	g.Insert(0) // is left alone
	if got := g.Search(q, 10, nil, &s); !slices.Equal(got, []Candidate{{Row: 0, Score: 3}}) || g.Len() != 1 {
		t.Errorf("one row: found %v, Len %d", got, g.Len())
	}
	if got := g.Search(q, 0, nil, &s); len(got) != 0 {
		t.Errorf("ef 0: found %v", got)
	}
	if got := g.Search(q, 10, func(uint32) bool { return false }, &s); len(got) != 0 {
		t.Errorf("nothing accepted: found %v", got)
	}
	if err := g.Check(); err != nil {
		t.Error(err)
	}
}

// Whatever is inserted, in whatever order and shape, the invariants hold and a
// search as wide as the graph finds every row: nothing is unreachable.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "rows")
		dim := rapid.IntRange(1, 4).Draw(t, "dim")
		metric := rapid.SampledFrom(metrics).Draw(t, "metric")
		cfg := Config{
			M:              rapid.IntRange(4, 8).Draw(t, "M"),
			EfConstruction: rapid.IntRange(4, 40).Draw(t, "ef"),
			KeepPruned:     rapid.Bool().Draw(t, "keep"),
			Seed:           rapid.Uint64().Draw(t, "seed"),
		}
		// Few distinct values: many equal rows, equal distances, zero vectors.
		values := rapid.IntRange(1, 5).Draw(t, "values")
		rng := rand.New(rand.NewPCG(cfg.Seed, 0))
		spread := rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "spread") // gaps between rows
		base := make([]float32, n*spread*dim)
		for i := range base {
			base[i] = float32(rng.IntN(values) - 1)
		}
		f := newFlatScorer(metric, dim, base)
		g := New(cfg, f)
		order := rng.Perm(n)
		for _, i := range order {
			g.Insert(uint32(i * spread))
		}
		if err := g.Check(); err != nil {
			t.Fatal(err)
		}
		var s Scratch
		got := g.Search(f.QueryOf(0), n, nil, &s)
		if len(got) != n || g.Len() != n {
			t.Fatalf("found %d of %d rows, Len %d", len(got), n, g.Len())
		}
		if err := wellFormed(got, f, f.QueryOf(0), nil); err != nil {
			t.Fatal(err)
		}
		stats := g.Stats()
		if stats.Rows != n || stats.Bytes <= 0 || n > 1 && stats.Links < 2*(n-1) {
			t.Fatalf("stats of %d rows: %+v", n, stats)
		}
	})
}

// Check must see what it claims to see.
func TestCheckFindsDamage(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for name, damage := range map[string]func(g *Graph){
		"missing row":  func(g *Graph) { g.store.list(5, 0)[0] = 4000 },
		"self link":    func(g *Graph) { g.store.list(5, 0)[0] = 6 },
		"double link":  func(g *Graph) { l := g.store.list(5, 0); l[1] = l[0] },
		"cut off":      func(g *Graph) { clear(g.store.list(5, 0)) },
		"lost count":   func(g *Graph) { g.length.Add(1) },
		"second root":  func(g *Graph) { g.store.chunk(5).parents[5] = 0 },
		"entry's rank": func(g *Graph) { row, level := g.entryPoint(); g.setEntryPoint(row, level+1) },
	} {
		g := newFlatScorer(memory.MetricEuclidean, 8, uniform(rng, 200, 8)).build(Config{Seed: 3})
		if err := g.Check(); err != nil {
			t.Fatal(err)
		}
		if root, ok := g.store.parent(5); !ok {
			t.Fatalf("row 5 is the root, parent %d: choose another", root)
		}
		damage(g)
		if g.Check() == nil {
			t.Errorf("%s: Check saw nothing", name)
		}
	}
}

func TestSameSeedSameGraph(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	f := newFlatScorer(memory.MetricCosine, 16, mixture(rng, 2000, 16))
	shape := func(g *Graph) (out [][]uint32) {
		g.rows(func(row uint32, level int) {
			for layer := range level + 1 {
				out = append(out, g.neighbours(row, layer))
			}
		})
		return out
	}
	equal := func(a, b [][]uint32) bool { return slices.EqualFunc(a, b, slices.Equal[[]uint32]) }
	first := shape(f.build(Config{Seed: 1}))
	if !equal(first, shape(f.build(Config{Seed: 1}))) {
		t.Error("one seed gave two graphs")
	}
	if equal(first, shape(f.build(Config{Seed: 2}))) {
		t.Error("two seeds gave one graph")
	}
}

// Levels must fall off by a factor of M.
func TestLevelsAreExponential(t *testing.T) {
	cfg := Config{Seed: 5}.withDefaults()
	const n = 1 << 18
	counts := make([]float64, maxLevel+1)
	for row := range uint32(n) {
		for l := range cfg.level(row) + 1 {
			counts[l]++
		}
	}
	for l := range 3 {
		want := n * math.Pow(float64(cfg.M), -float64(l))
		if sigma := math.Sqrt(want); math.Abs(counts[l]-want) > 5*sigma {
			t.Errorf("%v of %d rows reach level %d, want about %v", counts[l], n, l, want)
		}
	}
}

func TestInsertBatchStopsWhenTold(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	f := newFlatScorer(memory.MetricDot, 4, uniform(rng, 20, 4))
	g := New(Config{}, f)
	rows := make([]uint32, 20)
	for i := range rows {
		rows[i] = uint32(i)
	}
	asked := 0
	done := g.InsertBatch(rows, func() bool { asked++; return asked < 5 })
	if done != 5 || g.Len() != 5 || asked != 5 {
		t.Errorf("done %d, Len %d, asked %d times, want 5 of each", done, g.Len(), asked)
	}
	if done = g.InsertBatch(rows[5:], nil); done != 15 || g.Len() != 20 {
		t.Errorf("done %d, Len %d, want 15 and 20", done, g.Len())
	}
	if err := g.Check(); err != nil {
		t.Error(err)
	}
}

func TestKeysKeepOrderAndValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float32().Draw(t, "a"), rapid.Float32().Draw(t, "b")
		r, q := rapid.Uint32().Draw(t, "r"), rapid.Uint32().Draw(t, "q")
		x, y := makeKey(a, r), makeKey(b, q)
		if x.score() != a || x.row() != r {
			t.Fatalf("%v, %d became %v, %d", a, r, x.score(), x.row())
		}
		if a > b && x <= y || math.Float32bits(a) == math.Float32bits(b) && r < q && x <= y {
			t.Fatalf("(%v, %d) does not rank before (%v, %d)", a, r, b, q)
		}
	})
	if nan := float32(math.NaN()); makeKey(nan, 0) > makeKey(-math.MaxFloat32, 0) {
		t.Error("NaN ranks before a number")
	}
}
