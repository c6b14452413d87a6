package space

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

// TestRecallDoesNotSinkWithChurn deletes a fifth of a space ten times over and
// adds it again, with a checkpoint, which takes the dead rows out of the graph,
// and a start from it in between. What recalls find is as much as before, and as
// much as in a space that was filled once.
func TestRecallDoesNotSinkWithChurn(t *testing.T) {
	if raceDetector {
		t.Skip("measures recall in one goroutine: run without -race")
	}
	const dim, rounds = 32, 10
	n := 4400 // enough for codes
	if testing.Short() {
		n = 1000
	}
	rng := rand.New(rand.NewPCG(11, 12))
	rows := clustersOf(rng, dim, 40, .8)
	vectors, queries := rows(n), rows(100)
	name := func(i int) memory.ObservationID { return memory.ObservationID(fmt.Sprintf("row-%d", i)) }
	add := func(w *world, list []int) {
		for part := range slices.Chunk(list, 500) {
			var batch []*memory.Observation
			for _, i := range part {
				batch = append(batch, obs(string(name(i)), vectors[i]...))
			}
			w.observe(batch...)
		}
		w.indexAll()
	}
	all := rng.Perm(n)
	for _, run := range []struct {
		kind   string
		metric memory.Metric
		slack  float64
	}{
		{"at random", memory.MetricCosine, 0.02}, {"a region", memory.MetricCosine, 0.02},
		// The few rows that are longest are most of all answers, so that luck weighs
		// more, and they are such a region.
		{"at random", memory.MetricDot, 0.05}, {"a region", memory.MetricDot, 0.05},
	} {
		kind, slack := run.kind, run.slack
		t.Run(run.metric.String()+"/"+kind, func(t *testing.T) {
			d := newDisk(t)
			w := newWorld(Settings{Dimension: dim, Metric: run.metric, IndexThreshold: 0, M: 16, EfConstruction: 100})
			add(w, all)
			// A narrow search: a wide one would find everything in any graph.
			first := narrowRecall(t, w, queries)
			if first < .8 || first == 1 {
				t.Fatalf("recall@10 is %.4f to begin with: nothing can sink", first)
			}
			for round := range rounds {
				taken := rng.Perm(n)[:n/5]
				if kind == "a region" {
					taken = taken[:0]
					for _, h := range w.ask(t, w.Current(), n/5, queries[round]...) {
						var i int
						if _, err := fmt.Sscanf(string(h.Observation.ID), "row-%d", &i); err != nil {
							t.Fatal(err)
						}
						taken = append(taken, i)
					}
				}
				ids := make([]memory.ObservationID, len(taken))
				for k, i := range taken {
					ids[k] = name(i)
				}
				w.forget(ids...)
				w.checkpoint(t, d)
				if got := w.Current().graph.Len(); got != n-len(taken) {
					t.Fatalf("round %d: the graph has %d rows, want %d", round, got, n-len(taken))
				}
				if hits := w.ask(t, w.Current(), 5, vectors[taken[0]]...); slices.ContainsFunc(hits, func(h Hit) bool { return slices.Contains(ids, h.Observation.ID) }) {
					t.Fatalf("round %d: %q is found, which was forgotten", round, hits[0].Observation.ID)
				}
				w = w.restored(t, d)
				if err := w.Wake(); err != nil {
					t.Fatal(err)
				}
				add(w, taken)
				if err := w.Check(); err != nil {
					t.Fatal(err)
				}
				got := narrowRecall(t, w, queries)
				if got < first-slack {
					t.Errorf("round %d: recall@10 is %.4f, %.4f at first", round, got, first)
				}
			}
			w.checkpoint(t, d)
			w = w.restored(t, d)
			if err := w.Wake(); err != nil {
				t.Fatal(err)
			}
			last := narrowRecall(t, w, queries)
			fresh := newWorld(w.Settings())
			add(fresh, all)
			want := narrowRecall(t, fresh, queries)
			t.Logf("recall@10 %.4f at first, %.4f after %d rounds, of a fresh space %.4f", first, last, rounds, want)
			if last < want-slack {
				t.Errorf("recall@10 is %.4f after %d rounds, of a fresh space %.4f", last, rounds, want)
			}
		})
	}
}

// narrowRecall is recall@10 of a search that keeps no more than it has to.
func narrowRecall(t *testing.T, w *world, queries [][]float32) float64 {
	t.Helper()
	found, wanted := 0, 0
	for _, v := range queries {
		truth := w.question(t, w.Current(), &Question{Vector: v, Limit: 10, Exact: true})
		for _, h := range w.question(t, w.Current(), &Question{Vector: v, Limit: 10, Effort: 10}) {
			if slices.ContainsFunc(truth, func(x Hit) bool { return x.Generation == h.Generation }) {
				found++
			}
		}
		wanted += len(truth)
	}
	return float64(found) / float64(wanted)
}
