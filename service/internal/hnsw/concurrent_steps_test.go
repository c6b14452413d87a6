package hnsw

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
)

// drawStage draws a graph and the rows that will come: how many, of what
// metric, with gaps between their numbers, with many equal ones among them.
func drawStage(t *rapid.T) *stage {
	cfg := Config{
		M:              rapid.IntRange(4, 8).Draw(t, "M"),
		EfConstruction: rapid.IntRange(4, 40).Draw(t, "ef"),
		KeepPruned:     rapid.Bool().Draw(t, "keep"),
		Seed:           rapid.Uint64().Draw(t, "seed"),
		VisitLimit:     1 << 20, // none: the promise holds for searches that are not cut short
	}
	rows, dim := rapid.IntRange(1, 300).Draw(t, "rows"), rapid.IntRange(1, 4).Draw(t, "dim")
	values := rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "values")
	rng := rand.New(rand.NewPCG(cfg.Seed, 3))
	base := make([]float32, rows*dim)
	for i := range base {
		base[i] = float32(rng.IntN(values) - values/2)
	}
	s := &stage{
		flatScorer: newFlatScorer(rapid.SampledFrom(metrics).Draw(t, "metric"), dim, base),
		rng:        rng, fates: make([]fate, rows), hidden: make([]bool, rows),
		most: rapid.IntRange(0, 4).Draw(t, "searches"), odds: rapid.IntRange(2, 20).Draw(t, "odds"),
	}
	s.g = New(cfg, s)
	return s
}

// The steps of the inserter. Each leaves a graph in which all is well.

func (s *stage) insert(rows []uint32) {
	for _, row := range rows {
		s.is(arriving, row)
		s.g.Insert(row)
		s.is(there, row)
		s.pause(nil)
	}
}

// insertBatch hands rows over at once, to an inserter that is told to stop now
// and then.
func (s *stage) insertBatch(rows []uint32, patience int) error {
	s.is(arriving, rows...)
	for len(rows) > 0 {
		asked := 0
		done := s.g.InsertBatch(rows, func() bool { s.pause(nil); asked++; return asked < patience })
		s.is(there, rows[:done]...)
		if done == 0 && patience > 2*len(rows)+2 {
			return fmt.Errorf("none of %d rows is done after %d steps", len(rows), asked)
		}
		rows, patience = rows[done:], 2*patience
	}
	return nil
}

// remove takes rows out; each is called between its steps and is told how many rows
// have been asked about: while these are not all, nothing has been changed.
func (s *stage) remove(dead func(row uint32) bool, each ...func(asked int)) error {
	var rows []uint32
	for _, row := range s.living() {
		if dead(row) {
			rows = append(rows, row)
		}
	}
	s.is(leaving, rows...)
	asked := 0
	pause := func() {
		s.pause(nil)
		for _, f := range each {
			f(asked)
		}
	}
	n := s.g.RemovePausing(func(row uint32) bool {
		pause()
		asked++
		return s.fates[row] == leaving
	}, pause)
	s.is(removed, rows...)
	if n != len(rows) {
		return fmt.Errorf("%d rows removed, want %d", n, len(rows))
	}
	return nil
}

// pausingWriter lets searches go on while an image is written.
type pausingWriter struct {
	s *stage
	b sliceWriter
}

func (w *pausingWriter) Write(b []byte) (int, error) {
	w.s.pause(nil)
	return w.b.Write(b)
}

// reload goes on with what was written and read, after comparing the answers.
func (s *stage) reload() error {
	out := &pausingWriter{s: s}
	if err := s.g.WriteImage(out); err != nil {
		return err
	}
	s.finish()
	loaded, err := LoadImage(s.g.Config(), s, aligned(out.b), nil)
	if err != nil {
		return err
	}
	if err := sameAnswers(s.g, loaded, s.flatScorer, s.rng); err != nil {
		return err
	}
	s.g = loaded
	return nil
}

// Whatever one inserter does, and wherever searches begin, stand still and go on
// meanwhile: they keep their promises, and the graph its invariants.
func TestConcurrentSteps(t *testing.T) {
	searches, across := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawStage(t)
		next := 0
		defer s.finish()
		take := func() (rows []uint32) {
			n := rapid.IntRange(1, 120).Draw(t, "n")
			for ; n > 0 && next < len(s.fates); n-- {
				rows = append(rows, uint32(next))
				next++
			}
			if rapid.Bool().Draw(t, "mixed") {
				s.rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			}
			return rows
		}
		must := func(err error) {
			t.Helper()
			if err == nil {
				err = s.err
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		steps := map[string]func(){
			"insert": func() { s.insert(take()) },
			"batch":  func() { must(s.insertBatch(take(), rapid.IntRange(1, 300).Draw(t, "patience"))) },
			"remove": func() {
				share := rapid.SampledFrom([]float64{.05, .2, .5, .9, 1}).Draw(t, "share")
				must(s.remove(func(uint32) bool { return s.rng.Float64() < share }))
			},
			"remove a region": func() {
				near := s.exact(s.flatScorer.QueryOf(0), rapid.IntRange(1, len(s.fates)).Draw(t, "of"), nil)
				must(s.remove(func(row uint32) bool { return slices.Contains(near, row) }))
			},
			"remove the hidden": func() { must(s.remove(func(row uint32) bool { return s.hidden[row] })) },
			"hide": func() {
				for _, row := range s.living() {
					s.hidden[row] = s.hidden[row] || s.rng.IntN(4) == 0
				}
			},
			"narrow": func() { s.g.Narrow(rapid.IntRange(0, 20).Draw(t, "breadth")) },
			"reload": func() { must(s.reload()) },
		}
		names := []string{"insert", "batch", "insert", "batch", "remove", "remove a region", "remove the hidden", "hide", "narrow", "reload"}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			steps[rapid.SampledFrom(names).Draw(t, "step")]()
			must(invariants(s.g, s.living()))
		}
		s.finish()
		searches, across = searches+s.begun, across+s.across
		s.most = 0
		s.goOn(0, 1<<30) // alone
		must(s.reload())
		must(invariants(s.g, s.living()))
	})
	t.Logf("%d searches, %d of them across changes", searches, across)
	if across == 0 {
		t.Error("no search went on beside a change")
	}
}

// A search stands still, rows are removed, and it goes on. In each of these
// graphs a row that stays hung on one that goes, and was then hung on a row that
// some search had passed already; no other link led to it.
func TestSearchAcrossRemove(t *testing.T) {
	const rows = 150
	cases := []struct {
		seed  uint64
		share float64
	}{
		{65, .1}, {74, .1}, {90, .1}, {47, .3}, {63, .3}, {74, .3}, {72, .5},
		{146, .5}, {173, .5}, {265, .7}, {273, .7}, {125, .9}, {254, .9},
	}
	if raceDetector { // which finds nothing in one goroutine
		cases = cases[:3]
	}
	for _, tc := range cases {
		rng := rand.New(rand.NewPCG(tc.seed, 4))
		s := &stage{
			flatScorer: newFlatScorer(memory.MetricEuclidean, 1, uniform(rng, rows, 1)),
			rng:        rng, fates: make([]fate, rows), hidden: make([]bool, rows), odds: 1,
		}
		cfg := Config{M: 4, EfConstruction: 4, VisitLimit: 1 << 20}
		s.g = New(cfg, s)
		s.insert(batchOf(rows))
		image := imageOf(t, s.g)
		dead := make([]bool, rows)
		for i := range dead {
			dead[i] = rng.Float64() < tc.share
		}
		for i := range 60 {
			var err error
			if s.g, err = LoadImage(cfg, s, aligned(image), nil); err != nil {
				t.Fatal(err)
			}
			s.is(there, batchOf(rows)...)
			begun := false
			begin := func(now bool) {
				if now && !begun {
					begun = true
					s.goOn(0, i/3)
				}
			}
			begin(i%3 == 0) // or under way: first thing, or just before the first change
			if err := s.remove(func(row uint32) bool { return dead[row] }, func(asked int) { begin(i%3 == 1 || asked == rows) }); err != nil {
				t.Fatal(err)
			}
			s.finish()
		}
		if s.err != nil {
			t.Errorf("%+v: %v", tc, s.err)
		}
	}
}

// A search that begins while rows are removed may hold on to one of them until
// the next Remove gives back its memory, list and all. It finds the others yet.
func TestSearchAcrossTwoRemoves(t *testing.T) {
	const half = 150 // the old ones lie in the first chunk, the others in the second
	rows := append(batchOf(half), batchOf(chunkRows + half)[chunkRows:]...)
	begun, seeds := 0, uint64(4)
	if raceDetector { // which finds nothing in one goroutine
		seeds = 1
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 6))
		s := &stage{
			flatScorer: newFlatScorer(memory.MetricEuclidean, 2, uniform(rng, chunkRows+half, 2)),
			rng:        rng, fates: make([]fate, chunkRows+half), hidden: make([]bool, chunkRows+half), odds: 3,
		}
		s.g = New(Config{M: 4, EfConstruction: 8, Seed: seed, VisitLimit: 1 << 20}, s)
		rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		s.insert(rows)
		s.most = 1 << 20 // each time another begins, and then stands still
		err := s.remove(func(row uint32) bool { return row < chunkRows })
		s.most = 0
		if err == nil && s.g.store.chunk(0) == nil {
			err = errors.New("the memory is given back at once")
		}
		if err == nil {
			err = s.remove(func(uint32) bool { return false })
		}
		if err == nil && s.g.store.chunk(0) != nil {
			err = errors.New("the memory is not given back")
		}
		begun += s.begun
		s.finish()
		if err == nil {
			err = s.err
		}
		if err == nil {
			err = invariants(s.g, s.living())
		}
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	t.Logf("%d searches", begun)
}
