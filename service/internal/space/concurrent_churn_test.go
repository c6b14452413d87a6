package space

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

// plot is a space of which a fifth is dug up and planted anew, time and again.
type plot struct {
	*house
	*tenant
	vectors [][]float32
	// forgets is odd while something is being forgotten.
	forgets atomic.Int64
}

func plotName(i int) memory.ObservationID { return memory.ObservationID(fmt.Sprintf("row-%d", i)) }

// plant adds rows, a batch after the other.
func (p *plot) plant(list []int) error {
	for part := range slices.Chunk(list, 200) {
		if err := p.alone(func() error {
			var batch []*memory.Observation
			for _, i := range part {
				batch = append(batch, obs(string(plotName(i)), p.vectors[i]...))
			}
			for i, out := range p.observe(batch...) {
				if out.Rejection != nil || out.Duplicate {
					return fmt.Errorf("%q is not kept: %+v", batch[i].ID, out)
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// dig forgets rows.
func (p *plot) dig(list []int) error {
	return p.alone(func() error {
		p.forgets.Add(1)
		defer p.forgets.Add(1)
		ids := make([]memory.ObservationID, len(list))
		for k, i := range list {
			ids[k] = plotName(i)
		}
		if f, gens := p.PrepareForget(ids, nil); len(gens) != len(ids) {
			return fmt.Errorf("%d rows are forgotten, want %d", len(gens), len(ids))
		} else {
			p.world.frames = append(p.world.frames, f)
			p.ApplyForget(f, gens)
		}
		return nil
	})
}

// tally is how many of the nearest were found.
type tally struct{ found, wanted atomic.Int64 }

func (y *tally) recall() float64 { return float64(y.found.Load()) / float64(max(1, y.wanted.Load())) }

// probe asks narrowly and exactly at one generation, and counts what was found,
// unless rows were forgotten between the two; then it does not count.
func (p *plot) probe(y *tally, cue []float32) (counts bool, err error) {
	before := p.forgets.Load()
	sn, err := p.Pin(context.Background(), Consistency{})
	if err != nil {
		return false, err
	}
	q := Question{Vector: cue, Limit: 10, MinSimilarity: float32(math.Inf(-1)), Effort: 10, Now: p.clock.Now()}
	near, err := p.Recall(sn, &q)
	if err != nil {
		return false, err
	}
	q.Exact = true
	nearest, err := p.Recall(sn, &q)
	if err != nil {
		return false, err
	}
	if before%2 != 0 || p.forgets.Load() != before {
		return false, nil
	}
	if len(near.Hits) != 10 || len(nearest.Hits) != 10 {
		return false, fmt.Errorf("%d rows near, %d nearest", len(near.Hits), len(nearest.Hits))
	}
	worst := nearest.Hits[9].Similarity
	for _, h := range near.Hits {
		if !slices.ContainsFunc(nearest.Hits, func(x Hit) bool { return x.Generation == h.Generation }) {
			if h.Similarity > worst+1e-6 {
				return false, fmt.Errorf("%q is nearer than the tenth of an exact recall", h.Observation.ID)
			}
			continue
		}
		y.found.Add(1)
	}
	y.wanted.Add(10)
	return true, nil
}

// round digs up and plants anew beside recalls, index workers and checkpoints,
// and returns what the recalls found.
func (p *plot) round(t *testing.T, seed uint64, taken []int, queries [][]float32) float64 {
	t.Helper()
	p.done.Store(false)
	var y tally
	var wg sync.WaitGroup
	beside := func(what string, do func(*rand.Rand) error) {
		wg.Go(func() {
			if err := do(rand.New(rand.NewPCG(seed, 1))); err != nil {
				t.Errorf("round %d: %s: %v", seed, what, err)
			}
		})
	}
	for at := range 2 {
		beside("recall", func(*rand.Rand) error {
			counted := 0
			for i := at; !p.done.Load() || counted < len(queries)/2; i += 2 {
				counts, err := p.probe(&y, queries[i%len(queries)])
				if err != nil {
					return err
				}
				if counts {
					counted++
				}
			}
			return nil
		})
	}
	beside("index", func(rng *rand.Rand) error { return p.house.index(p.tenant, rng) })
	beside("checkpoint", func(*rand.Rand) error { return p.save() })
	for part := range slices.Chunk(taken, (len(taken)+3)/4) {
		if err := p.dig(part); err != nil {
			t.Error(err)
		}
		if err := p.plant(part); err != nil {
			t.Error(err)
		}
	}
	p.done.Store(true)
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return y.recall()
}

// atRest is what recalls find when all rows are in the graph, all dead ones out
// of it, and nobody writes.
func (p *plot) atRest(t *testing.T, queries [][]float32) float64 {
	t.Helper()
	if err := p.Wake(); err != nil { // with the graph of a checkpoint, which may lack some
		t.Fatal(err)
	}
	p.indexAll()
	if err := p.saveOnce(); err != nil {
		t.Fatal(err)
	}
	if got := p.Current().graph.Len(); got != len(p.vectors) {
		t.Fatalf("the graph has %d rows, want %d", got, len(p.vectors))
	}
	var y tally
	for _, cue := range queries {
		if counts, err := p.probe(&y, cue); err != nil || !counts {
			t.Fatal(counts, err)
		}
	}
	return y.recall()
}

// A fifth of a space is forgotten and added again, ten times over, while it is
// recalled from, indexed and checkpointed. Recalls find as much as before:
// meanwhile, after each round, after a start, and compared with a space that was
// filled once with the same rows.
func TestConcurrentChurnKeepsRecall(t *testing.T) {
	// slack is what may be found less: of the 2,000 rows or more to be found, which come in
	// tens that stand or fall together, chance alone takes or gives a hundredth.
	const dim, rounds, slack = 32, 10, 0.02
	n := 4400 // enough for codes
	if testing.Short() || raceDetector {
		n = 1000
	}
	rng := rand.New(rand.NewPCG(21, 22))
	rows := clustersOf(rng, dim, 40, .8)
	set := Settings{ID: "plot", Dimension: dim, Metric: memory.MetricCosine, IndexThreshold: 0, M: 16, EfConstruction: 100}
	fill := func(vectors [][]float32) *plot {
		h := newHouse(t, set)
		p := &plot{house: h, tenant: h.tenants[0], vectors: vectors}
		if err := p.plant(rng.Perm(len(vectors))); err != nil {
			t.Fatal(err)
		}
		return p
	}
	vectors, queries := rows(n), rows(200)
	p := fill(vectors)
	first := p.atRest(t, queries)
	if first < .8 || first == 1 {
		t.Fatalf("recall@10 is %.4f to begin with: nothing can sink", first)
	}
	for round := range rounds {
		meanwhile := p.round(t, uint64(round), rng.Perm(n)[:n/5], queries)
		after := p.atRest(t, queries)
		t.Logf("round %d: recall@10 %.4f meanwhile, %.4f after; slept %d times", round, meanwhile, after, p.slept.Load())
		if meanwhile < first-slack || after < first-slack {
			t.Errorf("round %d: recall@10 is %.4f meanwhile and %.4f after, %.4f at first", round, meanwhile, after, first)
		}
	}
	p.reopen(t)
	last, fresh := p.atRest(t, queries), fill(vectors).atRest(t, queries)
	t.Logf("recall@10 %.4f at first, %.4f in the end, of a fresh space %.4f", first, last, fresh)
	if last < fresh-slack {
		t.Errorf("recall@10 is %.4f in the end, of a fresh space %.4f", last, fresh)
	}
}
