package hnsw

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

// leastRecall is what recall@10 must reach, at the breadth given with it.
const leastRecall = 0.95

func TestRecallOnGeneratedData(t *testing.T) {
	if raceDetector {
		t.Skip("measures recall in one goroutine: run without -race")
	}
	const rows, queries = 5000, 200
	for _, tc := range []struct {
		name string
		dim  int
		ef   int
		draw func(*rand.Rand, int, int) []float32
	}{
		{"mixture", 64, 20, mixture},
		{"uniform", 16, 40, uniform},
		{"uniform", 64, 128, uniform}, // no structure to follow: the hardest there is
	} {
		for _, metric := range metrics {
			t.Run(fmt.Sprintf("%s%d/%s", tc.name, tc.dim, metric), func(t *testing.T) {
				t.Parallel()
				rng := rand.New(rand.NewPCG(1, 2))
				all := tc.draw(rng, rows+queries, tc.dim)
				f := newFlatScorer(metric, tc.dim, all[:rows*tc.dim])
				g := f.build(Config{Seed: 7})
				if err := g.Check(); err != nil {
					t.Fatal(err)
				}
				asked := all[rows*tc.dim:]
				got, visits := recall(t, g, f, asked, 10, tc.ef, nil)
				t.Logf("recall@10 %.4f at ef %d, %.0f of %d rows visited", got, tc.ef, visits, rows)
				if visits > rows/2 { // a search that looks at everything proves nothing
					t.Errorf("%.0f rows visited in a search, of %d", visits, rows)
				}
				if got < leastRecall {
					t.Errorf("recall@10 is %.4f, want ≥ %v", got, leastRecall)
				}
			})
		}
	}
}

func TestRecallUnderFilter(t *testing.T) {
	const rows, queries, dim = 5000, 100, 32
	rng := rand.New(rand.NewPCG(3, 4))
	all := mixture(rng, rows+queries, dim)
	f := newFlatScorer(memory.MetricCosine, dim, all[:rows*dim])
	g := f.build(Config{})
	for _, oneIn := range []uint32{2, 10, 50, 500} {
		accept := func(row uint32) bool { return row%oneIn == 0 }
		got, visits := recall(t, g, f, all[rows*dim:], 10, 40, accept)
		t.Logf("1 in %d accepted: recall@10 %.4f, %.0f of %d rows visited", oneIn, got, visits, rows)
		if got < leastRecall {
			t.Errorf("1 in %d accepted: recall@10 is %.4f, want ≥ %v", oneIn, got, leastRecall)
		}
	}
}
